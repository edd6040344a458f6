"""TFMA's metrics, the benchmark's and those of trec_eval are the same numbers."""

import numpy as np
import pytest
import pytrec_eval
import tensorflow as tf
from tiny_evaluation import evaluate
from tiny_servables import save_examples

from components.evaluation.ranking import METRICS, ranking_metrics
from model import features
from tfx_pipeline.evaluate_config import EvaluateConfig

CASES, ITEMS, LIST, CUTOFFS = 1000, 60, 25, (1, 5, 20)
# Ours -> trec_eval's, which has no reciprocal rank with a cutoff.
NAMES = {
    "recall": "recall",
    "ndcg": "ndcg_cut",
    "precision": "P",
    "hit_rate": "success",
    "map": "map_cut",
}


@pytest.fixture(scope="module")
def cases() -> tuple[list[list[str]], list[list[str]]]:
    """Lists of distinct items, and target sets of 1 to 30 items."""
    generator = np.random.default_rng(7)
    lists = [generator.permutation(ITEMS)[:LIST] for _ in range(CASES)]
    targets = [generator.permutation(ITEMS)[: generator.integers(1, 31)] for _ in range(CASES)]
    return tuple([[f"i{i}" for i in items] for items in part] for part in (lists, targets))


@pytest.fixture(scope="module")
def trec_eval(cases) -> dict[str, np.ndarray]:
    """`recall@5` and so on, [CASES], as trec_eval computes them."""
    lists, targets = cases
    wanted = {str(case): dict.fromkeys(items, 1) for case, items in enumerate(targets)}
    # trec_eval ranks by falling score.
    ranked = {
        str(case): {item: float(LIST - rank) for rank, item in enumerate(items)}
        for case, items in enumerate(lists)
    }
    cuts = ",".join(map(str, CUTOFFS))
    measures = {f"{name}.{cuts}" for name in NAMES.values()}
    found = pytrec_eval.RelevanceEvaluator(wanted, measures).evaluate(ranked)
    values = {
        f"{ours}@{k}": np.array([found[str(case)][f"{theirs}_{k}"] for case in range(CASES)])
        for ours, theirs in NAMES.items()
        for k in CUTOFFS
    }
    for k in CUTOFFS:
        cut = {case: {i: s for i, s in run.items() if s > LIST - k} for case, run in ranked.items()}
        found = pytrec_eval.RelevanceEvaluator(wanted, {"recip_rank"}).evaluate(cut)
        values[f"mrr@{k}"] = np.array([found[str(case)]["recip_rank"] for case in range(CASES)])
    return values


def test_the_benchmarks_metrics_are_trec_evals(cases, trec_eval):
    ours = ranking_metrics(*cases, CUTOFFS)
    assert ours.keys() == trec_eval.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, trec_eval[name], atol=1e-6, err_msg=name)


class AnswersByUser(tf.Module):
    """A servable that answers request number n with the nth list."""

    def __init__(self, lists: list[list[str]]):
        super().__init__()
        self._lists = tf.constant(lists)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples):
        user = tf.io.FixedLenFeature([], tf.string)
        parsed = tf.io.parse_example(examples, {features.USER_ID: user})
        number = tf.strings.to_number(parsed[features.USER_ID], tf.int32)
        items = tf.gather(self._lists, number)
        return {"item_id": items, "score": tf.zeros(tf.shape(items))}


def test_tfmas_metrics_are_trec_evals(tmp_path, cases, trec_eval):
    lists, targets = cases
    model = AnswersByUser(lists)
    signatures = {"serving_default": model.serving_default}
    tf.saved_model.save(model, str(tmp_path / "model" / "Format-Serving"), signatures)
    requests = [(1, items, [1] * len(items)) for items in targets]
    uri = save_examples(tmp_path / "examples", requests=requests)
    _, values = evaluate(
        tmp_path, uri, str(tmp_path / "model"), None, EvaluateConfig(cutoffs=CUTOFFS, slices=())
    )
    overall = values["", ""]
    assert overall["requests"] == CASES
    for name in METRICS:
        for k in CUTOFFS:
            expected = trec_eval[f"{name}@{k}"].mean()
            assert overall[f"{name}_at_{k}"] == pytest.approx(expected, abs=1e-6), name
