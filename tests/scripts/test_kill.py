"""A run that is killed twice and then left alone ends as if nothing had happened.

docs/faults.md has the table of more moments, each in a folder of its own.
"""

import pytest

from scripts.kill_test import kill, kill_and_run_again, undisturbed, write_slice

# Of an undisturbed run's length: before and, with the stages that are reused, in training.
FIRST, SECOND = 0.35, 0.45


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_twice(tmp_path):
    length, expected = undisturbed(tmp_path / "undisturbed")
    write_slice(tmp_path / "killed")
    partial, _, _ = kill(tmp_path / "killed", FIRST * length)
    assert not partial
    is_well, row = kill_and_run_again(tmp_path / "killed", SECOND * length, expected)
    assert is_well, row
