"""A run that is killed three times and then left alone ends as if nothing had happened.

docs/faults.md has the table of random moments.
"""

import json
import re
from pathlib import Path

import pytest

from scripts.kill_test import (
    BROKEN,
    NAME,
    ROWS,
    Result,
    kill,
    kill_and_run_again,
    printed,
    stage,
    undisturbed,
    write_log,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> Result:
    _, result = undisturbed(tmp_path_factory.mktemp("undisturbed"))
    return result


@pytest.fixture(scope="module")
def killed(expected, tmp_path_factory) -> Path:
    """The folder of a run that was killed in Transform, in training and in the servable check."""
    folder = tmp_path_factory.mktemp("killed")
    write_log(folder)

    def is_in_training() -> bool:
        return "epoch 1 of" in printed(folder)

    partial, killed_in, _ = kill(folder, lambda: stage(folder) == "Transform")
    assert (partial, killed_in) == (set(), "Transform")
    partial, killed_in, _ = kill(folder, is_in_training)
    assert (partial, killed_in) == (set(), "Trainer")
    assert not (folder / "output/serving" / NAME).exists()
    is_well, row = kill_and_run_again(
        folder, "", lambda: stage(folder) == "ServableCheck", expected
    )
    assert is_well, row
    assert "ServableCheck" in row
    return folder


def test_it_goes_on_from_what_was_done(killed):
    text = printed(killed)
    assert f"rows: {ROWS:,} read, {ROWS - BROKEN:,} used, 0 ignored, {BROKEN} dead" in text
    for stage_done in ("ingest and sessionize", "vocabulary and features", "train", "evaluate"):
        assert re.search(rf"  {stage_done} +unchanged, reused", text), stage_done


def test_every_broken_row_is_in_the_dead_letters(killed):
    [letters] = killed.glob(
        f"output/runs/{NAME}/artifacts/SessionExampleGen/examples/*/dead_letters"
    )
    rows = [
        json.loads(line) for file in letters.iterdir() for line in file.read_text().splitlines()
    ]
    assert len(rows) == BROKEN
    assert {row["row"] for row in rows} == set(range(1, ROWS + 1, ROWS // BROKEN))


def test_the_report_has_slices_by_a_further_column(killed):
    report = (killed / f"output/runs/{NAME}/report.html").read_text()
    for name in ("device=phone", "device=no value", "device=desk * recent_sessions=8+"):
        assert f'<th scope="row">{name}</th>' in report
