"""The metric and the slices, through the Evaluator's executor on hand-made requests."""

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_evaluation import DIFFERENCE, evaluate
from tiny_servables import save_examples, save_servable

from tfx_pipeline.evaluate_config import EvaluateConfig

CONFIG = EvaluateConfig(
    cutoffs=(1, 3), slices=("history_sessions", "history_sessions*target_popularity")
)


@pytest.fixture(scope="module")
def first_evaluation(tmp_path_factory, examples_uri, good_model):
    folder = tmp_path_factory.mktemp("first")
    (folder / "nothing").mkdir()
    return evaluate(folder, examples_uri, good_model, str(folder / "nothing"), CONFIG)


def test_first_model_is_blessed_against_an_empty_baseline(first_evaluation):
    blessed, _ = first_evaluation
    assert blessed


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # The list is a, b, c. The target {a, b} is half found by [a], {a} wholly, {b} not at all.
        ("recall_at_1", (1 / 2 + 1 + 0) / 3),
        ("recall_at_3", 1),
        ("precision_at_3", (2 / 3 + 1 / 3 + 1 / 3) / 3),
        ("hit_rate_at_1", 2 / 3),
        ("mrr_at_3", (1 + 1 + 1 / 2) / 3),
        ("map_at_3", (1 + 1 + 1 / 2) / 3),
        # {b} stands second: 1 / log2(3).
        ("ndcg_at_3", (1 + 1 + 0.6309298) / 3),
        # Two of three users know a and b; none knows c. The third has no history: no repeats.
        ("repeat_share_at_3", (0 + 2 / 3 + 2 / 3) / 3),
        # Users with history find a and b again; the user without one finds a and b as new.
        ("repeat_recall_at_1", (1 + 0) / 2),
        ("explore_recall_at_1", 1 / 2),
        # In training, 14 sessions hold a, and the same 14 hold b: a bit each. c has none.
        ("novelty_at_3", 1),
        ("coverage_at_1", 1 / 2),
        # a and b are as popular: the popular list is a, b.
        ("ndcg_over_popularity_at_3", 0),
        # One session shows something without an engagement: {a} was chosen, x was not.
        ("shown_auc", 1),
        ("shown_ndcg", 1),
        ("requests", 3),
    ],
)
def test_metrics_by_hand(first_evaluation, metric, expected):
    _, values = first_evaluation
    assert values["", ""][metric] == pytest.approx(expected)


def test_slices_and_crosses(tmp_path, examples_uri, bad_model, good_model):
    _, values = evaluate(tmp_path, examples_uri, bad_model, good_model, CONFIG)
    recalls = {
        name: metrics["recall_at_3"]
        for (name, model), metrics in values.items()
        if model == "candidate" and not np.isnan(metrics["recall_at_3"])
    }
    of_history = {"0": 1 / 2, "1-4": 1, "5-19": 0}
    of_band = {"0": "middle", "1-4": "head", "5-19": "middle"}
    assert recalls == pytest.approx(
        {"": 1 / 2}
        | {f"history_sessions={name}": value for name, value in of_history.items()}
        | {
            f"history_sessions={name}*target_popularity={of_band[name]}": value
            for name, value in of_history.items()
        }
    )
    assert values["", DIFFERENCE]["recall_at_3"] == pytest.approx(-1 / 2)
    assert values["history_sessions=5-19", "baseline"]["requests"] == 1


def test_slices_by_a_column_of_the_log_and_crosses(tmp_path, good_model):
    """The list is a, b, c: at 1, a target a is found and a target b is not."""
    requests = [
        (0, ["a"], [1]),
        (1, ["a"], [1], ["north"]),
        (2, ["b"], [1], ["north", "south"]),
        (2, ["a"], [1], ["north", "south"]),
        (1, ["b"], [1], [""]),
    ]
    uri = save_examples(tmp_path / "examples", requests=requests)
    config = EvaluateConfig(cutoffs=(1, 3), slices=("shop", "history_sessions*shop"))
    _, values = evaluate(tmp_path, uri, good_model, None, config, ("shop",))
    recalls = {name: metrics["recall_at_1"] for (name, _), metrics in values.items()}
    of_shop = {"no history": 1, "north": 1, "south": 1 / 2, "no value": 0}
    of_history = {"no history": "0", "north": "1-4", "south": "1-4", "no value": "1-4"}
    assert recalls == pytest.approx(
        {"": 3 / 5}
        | {f"shop={shop}": value for shop, value in of_shop.items()}
        | {
            f"history_sessions={of_history[shop]}*shop={shop}": value
            for shop, value in of_shop.items()
        }
    )


def test_shown_items_of_sessions_of_different_lengths(tmp_path, good_model):
    """The model scores a above all others, which tie: AUC 1, and (0 + 1/2) / 2."""
    requests = [(1, ["a", "x"], [1, 0]), (1, ["y", "b", "a"], [0, 1, 0])]
    uri = save_examples(tmp_path / "examples", requests=requests)
    _, values = evaluate(tmp_path, uri, good_model, None, CONFIG)
    assert values["", ""]["shown_auc"] == pytest.approx((1 + 1 / 4) / 2)
    # b stands third: behind a, and behind y, which came first among equals.
    assert values["", ""]["shown_ndcg"] == pytest.approx((1 + 1 / 2) / 2)


def test_ids_of_another_type_are_refused(tmp_path, examples_uri):
    model = save_servable(tmp_path / "numbers", [1, 2, 3])
    with pytest.raises(TypeError, match="must be of one type"):
        evaluate(tmp_path, examples_uri, model, None, CONFIG)


@pytest.mark.parametrize("wrong", [{"cutoffs": (20, 10)}, {"cutoffs": ()}, {"max_dorp": 0.1}])
def test_wrong_configuration_is_refused(wrong):
    with pytest.raises(ValidationError):
        EvaluateConfig(**wrong)
