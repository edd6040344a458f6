"""Why a model was blessed or not, in words."""

import tensorflow_model_analysis as tfma

from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.ranking_metrics import REQUESTS
from tfx_pipeline.results import DIFFERENCE, OVERALL, Figure, Figures, read_results, slice_name
from tfx_pipeline.sure_change import SURE_CHANGE, SURE_SLICE_CHANGE

# The setting of [evaluate] behind each minimum, by the metric's name up to its cutoff.
MINIMA = {"recall": "min_recall", "ndcg": "min_ndcg", "ndcg_over_popularity": "min_gain"}
MOST_REASONS = 6  # there are four gates on all requests
NO_REQUEST = "not blessed: no request of the test split has an engaged target"


def verdict(evaluation_uri: str) -> list[str]:
    """The decision and what is behind it, a sentence each.

    Args:
      evaluation_uri: of the ModelEvaluation artifact.
    """
    found = tfma.load_validation_result(evaluation_uri)
    results = read_results(evaluation_uri)
    overall = results.get(CANDIDATE, {}).get(OVERALL, {})
    if not overall.get(REQUESTS, Figure(0)).value:
        return [NO_REQUEST]
    if found.validation_ok:
        return ["blessed: every threshold is met", *_comparisons(results)]
    failures = [
        (slice_name(part.slice_key), failure)
        for part in found.metric_validations_per_slice
        for failure in part.failures
    ]
    overall_first = sorted(failures, key=lambda pair: (pair[0] != OVERALL, _value(pair[1])))
    reasons = [_reason(failure, where, results) for where, failure in overall_first]
    return [f"not blessed: {reason}" for reason in _shortened(list(filter(None, reasons)))]


def main_metric(metrics: dict[str, Figure]) -> str:
    """What the gates read: NDCG at the largest cutoff."""
    return max(
        (name for name in metrics if name.startswith("ndcg@")), key=lambda name: int(name[5:])
    )


def _comparisons(results: dict[str, Figures]) -> list[str]:
    overall = results[CANDIDATE][OVERALL]
    name = main_metric(overall)
    gain = overall[name.replace("@", "_over_popularity@")]
    lines = [f"{name} is {overall[name]}, {gain} more than the items most popular in training have"]
    if DIFFERENCE in results:
        change = results[DIFFERENCE][OVERALL][name]
        lines.append(f"against the last blessed model it is {describe_change(change)}")
    return lines


def describe_change(change: Figure) -> str:
    """A difference between two models in words: better, worse, or within noise."""
    if change.low is None or change.high is None or change.low <= 0 <= change.high:
        return f"the same within noise: {change}"
    return f"better by {change}" if change.value > 0 else f"worse by {_negated(change)}"


def _value(failure) -> float:
    return failure.metric_value.double_value.value


def _shortened(reasons: list[str]) -> list[str]:
    more = len(reasons) - MOST_REASONS
    return [*reasons[:MOST_REASONS], f"and {more} more slices like that"] if more > 1 else reasons


def _reason(failure, where: str, results: dict[str, Figures]) -> str:
    """'' for what another failure says better."""
    name = failure.metric_key.name.replace("_at_", "@")
    metrics = results[CANDIDATE][where]
    if not failure.metric_key.is_diff:
        setting = MINIMA[name.partition("@")[0]]
        lowest = failure.metric_threshold.value_threshold.lower_bound.value
        meaning = f"{name} is {metrics[name]}"
        if setting == "min_gain":
            ndcg = name.replace("_over_popularity", "")
            below = f"{_negated(metrics[name])} below that of the items most popular in training"
            meaning = f"{ndcg} is {below}"
        return f"{meaning}; evaluate.{setting} asks for at least {lowest:g}"
    if name == SURE_SLICE_CHANGE and where == OVERALL:
        return ""
    setting = "max_drop" if name == SURE_CHANGE else "max_slice_drop"
    allowed = -failure.metric_threshold.change_threshold.absolute.value
    of_slice = "" if where == OVERALL else f" for {where} ({metrics[REQUESTS].value:.0f} requests)"
    change = results[DIFFERENCE][where][main_metric(metrics)]
    return (
        f"{main_metric(metrics)}{of_slice} is {_negated(change)} below the last blessed model's; "
        f"evaluate.{setting} allows {allowed:g}"
    )


def _negated(figure: Figure) -> Figure:
    if figure.low is None or figure.high is None:
        return Figure(-figure.value)
    return Figure(-figure.value, -figure.high, -figure.low)
