"""Broken and stale models and drifted data, each caught by the gate that is meant for it."""

import numpy as np
import pytest
from tiny_evaluation import DIFFERENCE, evaluate
from tiny_recommender import DAY, DAYS, START, fit, ingest, write_log
from tiny_servables import save_examples, save_servable

from components.errors import DataError
from components.evaluation.example_validator import read_drift
from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.runs import latest_run
from tfx_pipeline.verdict import verdict

pytestmark = pytest.mark.slow

CONFIG = EvaluateConfig(cutoffs=(5, 10), slices=("recent_sessions",))
TEST_CUT = START + (DAYS - 8) * DAY
ANOMALIES = "ExampleValidator.anomalies"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    config = write_log(tmp_path_factory.mktemp("shop"))
    ingest(config, until="ExampleValidator")
    return config


@pytest.fixture(scope="module")
def examples(shop) -> str:
    return latest_run(shop, ANOMALIES).examples_uri


@pytest.fixture(scope="module")
def fresh(examples, tmp_path_factory) -> str:
    return fit(examples, TEST_CUT, tmp_path_factory.mktemp("fresh"))


def judge(folder, examples_uri, model, baseline=None, config=CONFIG):
    """(blessed, reasons, values)."""
    blessed, values = evaluate(folder, examples_uri, model, baseline, config)
    return blessed, verdict(str(folder / "evaluation")), values


def test_shuffled_embeddings_are_caught_by_the_popularity_gate(tmp_path, examples, fresh):
    """As a first model, with nothing to compare it with but what anyone could count."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    blessed, reasons, _ = judge(good, examples, fresh)
    assert blessed, reasons
    assert reasons[0] == "blessed: every threshold is met"
    assert "more than the items most popular in training have" in reasons[1]
    shuffled = fit(examples, TEST_CUT, tmp_path / "shuffled", shuffled=True)
    blessed, [reason], _ = judge(bad, examples, shuffled)
    assert not blessed
    compared = "below that of the items most popular in training"
    assert f"{compared}; evaluate.min_gain asks for at least 0" in reason


def test_a_stale_model_is_caught_by_the_comparison_with_the_blessed_one(tmp_path, examples, fresh):
    """Better than popularity, it would be blessed alone; but it knows nothing of this month."""
    stale = fit(examples, TEST_CUT - 30 * DAY, tmp_path / "stale")
    blessed, reasons, values = judge(tmp_path, examples, stale, fresh)
    assert not blessed
    assert all("below the last blessed model's; evaluate.max_" in reason for reason in reasons)
    assert reasons[0].endswith("evaluate.max_drop allows 0.01")
    assert any(reason.startswith("not blessed: ndcg@10 for recent_sessions=") for reason in reasons)
    assert values["", "candidate"]["ndcg_over_popularity_at_10"] > 0


def test_drifted_items_stop_the_run_before_training(tmp_path, shop):
    drift, accepted = read_drift(latest_run(shop, ANOMALIES).outputs[ANOMALIES].uri)
    assert drift < accepted
    config = write_log(tmp_path, drifted=True)
    with pytest.raises(DataError, match=r"test: target_item_id: .*raise evaluate\.max_item_drift"):
        ingest(config, until="ExampleValidator")


# Users of seven kinds of target, of whom the two models' lists find some.
REQUESTS = [(1, [item], [1]) for item in ("a", "b", "c", "d", "e", "f", "g")]


@pytest.mark.parametrize(
    ("copies", "settings", "blessed", "words"),
    [
        (1, {"max_drop": 0}, True, "the same within noise"),
        (400, {"max_drop": 0}, False, "evaluate.max_drop allows 0"),
        (400, {"max_drop": 0.5}, True, "worse by"),
    ],
)
def test_a_drop_counts_once_it_is_more_than_noise(tmp_path, copies, settings, blessed, words):
    """The new model finds d where the old one found a and b.

    TFMA draws the jackknife's parts at random. The change is 7 standard errors of 2,800 requests,
    so that no draw hides it; of 420 it would be 2.7, which one draw in forty does hide.
    """
    uri = save_examples(tmp_path / "examples", copies, REQUESTS)
    old = save_servable(tmp_path / "old", ["a", "b", "c"])
    new = save_servable(tmp_path / "new", ["c", "d", "z"])
    config = EvaluateConfig(cutoffs=(3,), slices=(), min_gain=-1, max_slice_drop=1, **settings)
    is_blessed, reasons, values = judge(tmp_path, uri, new, old, config)
    assert is_blessed == blessed
    assert words in reasons[-1]
    difference = values["", DIFFERENCE]
    # c rises from the third to the first place, a and b are lost, d is found.
    change = (1 + np.log(2) / np.log(3) - (1 + np.log(2) / np.log(3) + 0.5)) / len(REQUESTS)
    assert difference["ndcg_at_3"] == pytest.approx(change)
    assert difference["sure_change"] == pytest.approx(change if copies > 1 else 0)


def test_a_worse_slice_counts_once_it_is_large_enough(tmp_path):
    """Worse for new users only: one slice of two."""
    requests = [(0, ["a"], [1])] * 10 + [(1, ["b"], [1]), (1, ["z"], [1])] * 30
    uri = save_examples(tmp_path / "examples", requests=requests)
    old = save_servable(tmp_path / "old", ["a", "b", "c"])
    new = save_servable(tmp_path / "new", ["b", "z", "c"])
    for size, expected in ((10, False), (11, True)):
        folder = tmp_path / str(size)
        folder.mkdir()
        config = EvaluateConfig(
            cutoffs=(3,), slices=("history_sessions",), min_gain=-1, min_slice_size=size
        )
        blessed, reasons, _ = judge(folder, uri, new, old, config)
        assert blessed == expected, reasons
    assert reasons[-1].startswith("against the last blessed model it is better by")


def test_a_model_that_finds_nothing_and_one_without_requests(tmp_path):
    nothing, no_target = tmp_path / "nothing", tmp_path / "no-target"
    nothing.mkdir()
    no_target.mkdir()
    model = save_servable(tmp_path / "model", ["z"])
    _, reasons, _ = judge(nothing, save_examples(tmp_path / "examples"), model)
    for setting in ("min_recall", "min_ndcg"):
        assert any(f"evaluate.{setting} asks for at least 0.001" in reason for reason in reasons)
    uri = save_examples(tmp_path / "empty", requests=[(1, ["a"], [0])])
    blessed, reasons, _ = judge(no_target, uri, model)
    assert not blessed
    assert reasons == ["not blessed: no request of the test split has an engaged target"]
