"""Top-k ranking metrics as a TFMA metric: the model's list against the engaged target items.

TFMA's own ranking metrics average over items and need a score for every item; these average over
requests and read the list that the servable returns.
"""

from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.utils import util

from components.evaluation.ranking import METRICS, ranking_metrics
from model import features

LIST_OUTPUT = "item_id"  # the list of `serving_default`: string [batch, k], best first


class RankingMetrics(tfma.metrics.Metric):
    """`recall_at_K`, `ndcg_at_K`, `hit_rate_at_K` and `mrr_at_K` for every cutoff, and `requests`.

    `requests` is how many examples were evaluated. An example without an engaged target item
    counts nowhere. With a baseline model every metric is also there as a difference.
    """

    def __init__(self, cutoffs: Sequence[int] = (10, 20)):
        super().__init__(_computations, cutoffs=list(cutoffs))


def relevant_items(example_features: Mapping) -> set[bytes]:
    """The engaged items of one example's target session; empty if it has none."""
    ids = _flat(example_features.get(features.TARGET_ITEM_ID))
    engaged = _flat(example_features.get(features.TARGET_ENGAGED))
    return {item for item, is_engaged in zip(ids, engaged, strict=True) if is_engaged}


def _flat(values) -> list:
    """One example's values as a list, whichever representation TFMA chose for them."""
    if values is None:
        return []
    if not isinstance(values, np.ndarray):
        values = values.values
    return values.reshape(-1).tolist()


class _Evaluate(metric_types.Preprocessor):
    """Reduces an example to its metric values, before slicing copies it once a slice."""

    def __init__(self, cutoffs: Sequence[int], model_name: str):
        super().__init__(name=f"ranking:{cutoffs}:{model_name}")
        self._cutoffs = cutoffs
        self._model_name = model_name

    def process(self, extracts: tfma.types.Extracts) -> Iterator[np.ndarray]:
        """Yields float [cutoffs * metrics], or nothing for an example without a target."""
        standard = util.StandardExtracts(extracts)
        relevant = relevant_items(standard.get_features())
        if not relevant:
            return
        predictions = standard.get_predictions(model_name=self._model_name or None)
        recommended = _flat(predictions[LIST_OUTPUT])
        received = {type(item) for item in (*recommended, *relevant)}
        if len(received) > 1:
            raise TypeError(
                f"the ids of the model's output '{LIST_OUTPUT}' and of the feature "
                f"'{features.TARGET_ITEM_ID}' must be of one type, or nothing ever matches. "
                f"Received: {sorted(kind.__name__ for kind in received)}"
            )
        values = ranking_metrics([recommended], [relevant], self._cutoffs).values()
        yield np.concatenate(list(values))


class _Mean(beam.CombineFn):
    """The mean of the rows that `_Evaluate` yields; the accumulator is (sums, requests)."""

    def __init__(self, keys: Sequence[metric_types.MetricKey], count: metric_types.MetricKey):
        self._keys = keys
        self._count = count

    def create_accumulator(self):
        return np.zeros(len(self._keys)), 0

    def add_input(self, accumulator, row):
        sums, requests = accumulator
        return sums + row, requests + 1

    def merge_accumulators(self, accumulators):
        # The jackknife merges an accumulator more than once, so none may be changed in place.
        sums, requests = zip(*accumulators, strict=True)
        return sum(sums), sum(requests)

    def extract_output(self, accumulator):
        sums, requests = accumulator
        means = sums / requests if requests else np.full(len(sums), np.nan)
        return {**dict(zip(self._keys, means.tolist(), strict=True)), self._count: float(requests)}


def _computations(
    cutoffs: list[int], model_names: list[str] | None = None
) -> list[metric_types.MetricComputation]:
    # Thresholds match only keys whose example_weighted is None.
    computations = []
    for model_name in model_names or [""]:
        keys = [
            metric_types.MetricKey(f"{name}_at_{k}", model_name=model_name, example_weighted=None)
            for k in cutoffs
            for name in METRICS
        ]
        count = metric_types.MetricKey("requests", model_name=model_name, example_weighted=None)
        computations.append(
            metric_types.MetricComputation(
                keys=[*keys, count],
                preprocessors=[_Evaluate(cutoffs, model_name)],
                combiner=_Mean(keys, count),
            )
        )
    return computations
