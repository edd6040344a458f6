"""A run that is killed twice and then left alone ends as if nothing had happened.

tests/test_own_log.py kills one in training; docs/faults.md has the table of random moments.
"""

import pytest

from scripts.kill_test import kill, kill_and_run_again, stage, undisturbed, write_slice

FIRST, SECOND = "Transform", "ServableCheck"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_twice(tmp_path):
    _, expected = undisturbed(tmp_path / "undisturbed")
    folder = tmp_path / "killed"
    write_slice(folder)
    partial, killed_in, _ = kill(folder, lambda: stage(folder) == FIRST)
    assert (partial, killed_in) == (set(), FIRST)
    is_well, row = kill_and_run_again(folder, "", lambda: stage(folder) == SECOND, expected)
    assert is_well, row
    assert SECOND in row
