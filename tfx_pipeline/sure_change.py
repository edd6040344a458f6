"""Changes that are more than noise: TFMA's thresholds do not read intervals, but do read these."""

from collections.abc import Callable

from scipy import stats
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.utils import math_util

SURE_CHANGE, SURE_SLICE_CHANGE = "sure_change", "sure_slice_change"
# There are many slices, and one in forty would fall below its 95% interval by chance: for slices
# the interval is the 99.9% one. The jackknife's has 19 degrees of freedom.
SLICE_FACTOR = stats.t.ppf(0.9995, 19) / stats.t.ppf(0.975, 19)


def sure_changes(
    key: Callable[[str], metric_types.MetricKey], metric: str, requests: str, min_slice_size: int
) -> metric_types.CIDerivedMetricComputation:
    """The difference of a metric between two models, or 0 where it may be noise.

    Args:
      key: of a metric's name.
      metric: the name.
      requests: the name of the metric that counts requests.
      min_slice_size: of these, for a change of a slice.
    """
    changes = [key(name).make_diff_key() for name in (SURE_CHANGE, SURE_SLICE_CHANGE)]

    def result(metrics: metric_types.MetricsDict) -> dict:
        difference = metrics.get(key(metric).make_diff_key())
        if difference is None:  # no baseline, or the baseline itself
            return {}
        in_slice = 0.0
        if float(metrics[key(requests)]) >= min_slice_size:
            in_slice = _sure(difference, SLICE_FACTOR)
        return dict(zip(changes, (_sure(difference), in_slice), strict=True))

    return metric_types.CIDerivedMetricComputation(keys=changes, result=result)


def _sure(difference, factor: float = 1) -> float:
    """The difference if its interval leaves out 0; without one, too few requests say nothing."""
    if not hasattr(difference, "sample_standard_deviation"):
        return 0.0
    _, low, high = math_util.calculate_confidence_interval(difference)
    return float(difference) if is_sure(float(low), float(high), factor) else 0.0


def is_sure(low: float, high: float, factor: float = 1) -> bool:
    """Whether an interval leaves out 0, made wider by a factor."""
    return abs(low + high) > factor * (high - low)
