"""What an Evaluator wrote, as numbers with intervals by model, slice and metric."""

import dataclasses
import math

import tensorflow_model_analysis as tfma

from tfx_pipeline.evaluate_config import CROSS
from tfx_pipeline.evaluation import BASELINE, CANDIDATE
from tfx_pipeline.ranking_metrics import COVERAGE, REQUESTS

OVERALL = "all"
DIFFERENCE = "difference"
COUNTED = (COVERAGE, REQUESTS)


@dataclasses.dataclass(frozen=True)
class Figure:
    """A mean with its 95% interval, which a slice of too few requests has not."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        bounds = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        return f"{self.value:.4f}{bounds}"


# Slice ('all', 'history_sessions=0', 'a=1 * b=2') -> metric ('recall@10') -> figure.
Figures = dict[str, dict[str, Figure]]


def read_results(uri: str) -> dict[str, Figures]:
    """The figures of the candidate, of the baseline and of their difference.

    Metrics that are not defined in a slice are left out.

    Args:
      uri: of the ModelEvaluation artifact.

    Returns:
      {'candidate': ..., 'baseline': ..., 'difference': ...}; the first alone without a baseline.
    """
    found: dict[str, Figures] = {}
    for record in tfma.load_metrics(uri):
        name = slice_name(record.slice_key)
        for entry in record.metric_keys_and_values:
            figure = _figure(entry)
            # TFMA's own notes, on slices without intervals, are not numbers.
            if not entry.value.HasField("double_value") or not math.isfinite(figure.value):
                continue
            model = DIFFERENCE if entry.key.is_diff else entry.key.model_name or CANDIDATE
            metrics = found.setdefault(model, {}).setdefault(name, {})
            metrics[entry.key.name.replace("_at_", "@")] = figure
    return {model: found[model] for model in (CANDIDATE, BASELINE, DIFFERENCE) if model in found}


def slice_name(slice_key) -> str:
    """A slice's name for people."""
    parts = [f"{part.column}={part.bytes_value.decode()}" for part in slice_key.single_slice_keys]
    return f" {CROSS} ".join(parts) or OVERALL


def _figure(entry) -> Figure:
    value = entry.value.double_value.value
    # How many items or requests a part of the data has says nothing of how many all have.
    if not entry.HasField("confidence_interval") or entry.key.name.startswith(COUNTED):
        return Figure(value)
    interval = entry.confidence_interval
    low, high = interval.lower_bound.double_value.value, interval.upper_bound.double_value.value
    return Figure(value, low, high) if math.isfinite(low + high) else Figure(value)
