"""Top-k ranking metrics as a TFMA metric: the model's list against the engaged target items.

TFMA's own ranking metrics average over items and need a score for every item; these average over
requests and read the list that the servable returns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.utils import util

from components.evaluation.training_items import read_training_items
from model import features
from tfx_pipeline.request_values import Answer, request_values, value_names
from tfx_pipeline.shown_scores import shown_scores_key
from tfx_pipeline.sure_change import sure_changes

LIST_OUTPUT = "item_id"  # the list of `serving_default`: string [batch, k], best first
COVERAGE, REQUESTS = "coverage", "requests"


class RankingMetrics(tfma.metrics.Metric):
    """The means of `request_values` at every cutoff, `coverage` and `requests`.

    `recall@10` is named `recall_at_10`. `coverage` is the share of the training items that any
    list holds. `requests` is how many examples were evaluated: one without an engaged target item
    counts nowhere. With a baseline model every metric is also there as a difference, and
    `sure_change` is the difference in NDCG at the largest cutoff if its 95% interval leaves out 0,
    else 0; `sure_slice_change` is the same for the 99.9% interval, and 0 for fewer than
    `min_slice_size` requests.
    """

    def __init__(
        self,
        cutoffs: Sequence[int],
        min_slice_size: int,
        items: str,
        slices: Sequence[str] = (),
        item_table: Mapping[str, str] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
    ):
        """TFMA makes the metric from JSON, which is also where the extractors find their settings.

        Args:
          cutoffs: the values of k, ascending.
          min_slice_size: requests that a slice's change needs.
          items: path of the training items, which the Evaluator writes.
          slices: what the extractors slice by.
          item_table: `path` and `item_id` column, for slices by its features.
          columns: further columns that are sliced by, with their commonest values, which the
            Evaluator finds.
        """
        del slices, item_table, columns
        super().__init__(
            _computations, cutoffs=list(cutoffs), items=items, min_slice_size=min_slice_size
        )


def _flat(values) -> list:
    """One example's values as a list, whichever representation TFMA chose for them."""
    if values is None:
        return []
    if not isinstance(values, np.ndarray):
        values = values.values
    return values.reshape(-1).tolist()


def _engaged(example_features: Mapping, item_id: str, engaged: str) -> set[bytes]:
    ids, flags = _flat(example_features.get(item_id)), _flat(example_features.get(engaged))
    return {item for item, is_engaged in zip(ids, flags, strict=True) if is_engaged}


class _Evaluate(metric_types.Preprocessor):
    """Reduces an example to its metric values, before slicing copies it once a slice."""

    def __init__(self, cutoffs: Sequence[int], items: str, model_name: str):
        super().__init__(name=f"ranking:{cutoffs}:{model_name}")
        self._cutoffs = cutoffs
        self._items = items
        self._model_name = model_name

    def process(self, extracts: tfma.types.Extracts) -> Iterator[tuple[np.ndarray, list[bytes]]]:
        """Yields float [values] and the list, or nothing for an example without a target."""
        standard = util.StandardExtracts(extracts)
        found = standard.get_features()
        targets = _engaged(found, features.TARGET_ITEM_ID, features.TARGET_ENGAGED)
        if not targets:
            return
        predictions = standard.get_predictions(model_name=self._model_name or None)
        recommended = _flat(predictions[LIST_OUTPUT])
        received = {type(item) for item in (*recommended, *targets)}
        if len(received) > 1:
            raise TypeError(
                f"the ids of the model's output '{LIST_OUTPUT}' and of the feature "
                f"'{features.TARGET_ITEM_ID}' must be of one type, or nothing ever matches. "
                f"Received: {sorted(kind.__name__ for kind in received)}"
            )
        recommended = [item for item in recommended if item != features.PADDING_ITEM_ID.encode()]
        scores = np.array(_flat(found[shown_scores_key(self._model_name)]))
        scored = ~np.isnan(scores)
        engaged = np.array(_flat(found[features.TARGET_ENGAGED]), bool)
        answer = Answer(
            recommended,
            targets,
            _engaged(found, features.ITEM_ID, features.ENGAGED),
            scores[scored],
            engaged if scored.any() else engaged[:0],
        )
        values = request_values(answer, read_training_items(self._items), self._cutoffs)
        yield values, recommended


class _Mean(beam.CombineFn):
    """Means of the rows that `_Evaluate` yields, leaving out NaN; and how many items lists hold.

    The accumulator is (sums [values], counts [values], the items of all lists by cutoff, requests).
    """

    def __init__(
        self, cutoffs: Sequence[int], items: str, key: Callable[[str], metric_types.MetricKey]
    ):
        self._cutoffs = cutoffs
        self._items = items
        self._value_keys = [key(name) for name in value_names(cutoffs)]
        self._coverage_keys = [key(f"{COVERAGE}@{k}") for k in cutoffs]
        self._count_key = key(REQUESTS)

    @property
    def keys(self) -> list[metric_types.MetricKey]:
        """Of all that is computed."""
        return [*self._value_keys, *self._coverage_keys, self._count_key]

    def create_accumulator(self):
        size = len(self._value_keys)
        return np.zeros(size), np.zeros(size, int), [set() for _ in self._cutoffs], 0

    def add_input(self, accumulator, row):
        sums, counts, held, requests = accumulator
        values, recommended = row
        is_defined = ~np.isnan(values)
        for items, k in zip(held, self._cutoffs, strict=True):
            items.update(recommended[:k])
        return sums + np.where(is_defined, values, 0.0), counts + is_defined, held, requests + 1

    def merge_accumulators(self, accumulators):
        # The jackknife merges an accumulator more than once, so none may be changed in place.
        sums, counts, held, requests = zip(*accumulators, strict=True)
        together = [set().union(*items) for items in zip(*held, strict=True)]
        return sum(sums), sum(counts), together, sum(requests)

    def extract_output(self, accumulator):
        sums, counts, held, requests = accumulator
        means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
        catalogue = len(read_training_items(self._items).ids)
        covered = [len(items) / catalogue for items in held]
        return dict(zip(self.keys, [*means.tolist(), *covered, float(requests)], strict=True))


def _computations(
    cutoffs: list[int],
    items: str,
    min_slice_size: int,
    model_names: list[str] | None = None,
) -> list:
    computations: list = []
    for model_name in model_names or [""]:

        def key(name: str, model_name: str = model_name) -> metric_types.MetricKey:
            # Thresholds match only keys whose example_weighted is None.
            name = name.replace("@", "_at_")
            return metric_types.MetricKey(name, model_name=model_name, example_weighted=None)

        mean = _Mean(cutoffs, items, key)
        computations += [
            metric_types.MetricComputation(
                keys=mean.keys,
                preprocessors=[_Evaluate(cutoffs, items, model_name)],
                combiner=mean,
            ),
            sure_changes(key, f"ndcg@{cutoffs[-1]}", REQUESTS, min_slice_size),
        ]
    return computations
