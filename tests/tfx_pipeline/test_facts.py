"""What counts as sure, and which runs are named."""

import pytest

from components.publishing.rollback import NOTE
from tfx_pipeline.model_versions import serving
from tfx_pipeline.report.facts import mark_of, moment
from tfx_pipeline.results import Figure
from tfx_pipeline.runs import Artifact, Run
from tfx_pipeline.sure_change import SLICE_FACTOR, is_sure
from tfx_pipeline.verdict import describe_change


def run(run_id: str, pushed: str | None = None, blessed: int = 1) -> Run:
    properties = {"pushed_destination": pushed} if pushed else {}
    return Run(
        run_id,
        {
            "Pusher.pushed_model": Artifact("", properties),
            "Evaluator.blessing": Artifact("", {"blessed": blessed}),
        },
    )


def test_the_split_that_the_served_model_is_trained_on():
    assert run("1").trained_split == "refit"
    for refit, split in ((True, "refit"), (False, "train")):
        assert Run("2", {}, settings={"train": {"refit": refit}}).trained_split == split


@pytest.mark.parametrize(
    ("low", "high", "factor", "expected"),
    [
        (0.01, 0.03, 1, True),
        (-0.01, 0.03, 1, False),
        (-0.03, -0.01, 1, True),
        # Twice as wide, from 0.01 to 0.03 becomes from 0 to 0.04.
        (0.01, 0.03, 2.1, False),
        (0.01, 0.03, 1.9, True),
    ],
)
def test_an_interval_that_leaves_out_0_is_sure(low, high, factor, expected):
    assert is_sure(low, high, factor) == expected


def test_slices_have_the_wider_interval():
    """Student's t with 19 degrees of freedom: 3.883 at 0.05%, 2.093 at 2.5% of each side."""
    assert pytest.approx(3.883 / 2.093, abs=1e-3) == SLICE_FACTOR


def make_versions(folder, copies=(), numbers=()):
    for number in (*numbers, *dict(copies)):
        (folder / str(number) / NOTE).parent.mkdir(parents=True)
    for copy, original in copies:
        (folder / str(copy) / NOTE).write_text(str(original))
    return str(folder)


def test_the_newest_version_serves_and_the_run_that_made_it_is_named(tmp_path):
    folder = make_versions(tmp_path, numbers=(9, 10))
    first, second, reused = run("1", "s/9"), run("2", "s/10"), run("3", "s/10")
    refused = run("4", blessed=0)
    runs = [first, second, reused, refused]
    assert serving(runs, folder) == (second, first)
    assert serving(runs, "a folder that is out of reach") == (second, first)
    assert serving([refused], folder) == (None, None)
    assert [mark_of(each, runs) for each in runs] == ["pushed", "pushed", "blessed", "refused"]


def test_after_a_rollback_the_run_of_the_copied_version_serves(tmp_path):
    runs = [run("1", "s/8"), run("2", "s/9"), run("3", "s/10")]
    folder = make_versions(tmp_path, copies=[(11, 9)], numbers=(8, 9, 10))
    assert serving(runs, folder) == (runs[1], runs[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Figure(0.02, 0.01, 0.03), "better by 0.0200 [0.0100, 0.0300]"),
        (Figure(-0.02, -0.03, -0.01), "worse by 0.0200 [0.0100, 0.0300]"),
        (Figure(-0.02, -0.05, 0.01), "the same within noise: -0.0200 [-0.0500, 0.0100]"),
        (Figure(-0.02), "the same within noise: -0.0200"),
    ],
)
def test_a_change_in_words(change, words):
    assert describe_change(change) == words


def test_a_run_id_that_is_no_time_is_shown_as_it_is():
    assert moment("2026-11-25T03:40:00.1") == "25 Nov 2026 03:40"
    assert moment("nightly") == "nightly"
