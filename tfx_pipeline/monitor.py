"""After deployment: are served requests like those of evaluation, and do the lists hit?"""

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel
from scipy import stats
from tensorflow_data_validation import StatsOptions
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.evaluation.ranking import ranking_metrics
from components.evaluation.request_arrays import read_records
from components.evaluation.training_items import FILE, TrainingItems, read_training_items
from components.ingestion.shards import split_folder
from model import features
from tfx_pipeline.config import Config
from tfx_pipeline.demonstration import decode_user
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.results import OVERALL, Figure
from tfx_pipeline.runs import EVALUATION, Run, RunError, all_runs, serving
from tfx_pipeline.served import Served, outcomes, read_served
from tfx_pipeline.statistics import divergence

FILE_NAME = "monitor.json"
SECONDS_PER_HOUR = 3600


class Measure(BaseModel):
    """One comparison.

    Attributes:
      name: what is compared.
      served: its value for served requests.
      expected: its value in evaluation; None where there is none.
      limit: what `served` may not pass.
      is_alert: whether it did.
    """

    name: str
    served: str
    expected: str
    limit: str
    is_alert: bool


class Monitoring(BaseModel):
    """All comparisons of one look at the logged requests; times in UTC."""

    written: str
    requests: int
    with_outcome: int
    measures: list[Measure]

    @property
    def alerts(self) -> list[Measure]:
        """What passed its limit."""
        return [measure for measure in self.measures if measure.is_alert]


def monitor(config: Config, pattern: str) -> Monitoring:
    """Compare logged requests with the serving model's evaluation; write `monitor.json`.

    Args:
      config: of the pipeline; its log says what users did next.
      pattern: the files of PredictionLogs.

    Raises:
      RunError: nothing was pushed yet.
      DataError: the files or the log cannot be read, or there are too few requests.
    """
    run, _ = serving([r for r in all_runs(config.metadata_path) if EVALUATION in r.outputs])
    if run is None:
        raise RunError("No run has pushed a model: there is nothing to compare requests with.")
    served = read_served(pattern)
    if len(served) < config.monitor.min_requests:
        raise RunError(
            f"{len(served)} requests are too few to compare; monitor.min_requests asks for "
            f"{config.monitor.min_requests}."
        )
    hits = [(each.items, then) for each, then in zip(served, outcomes(served, config), strict=True)]
    judged = [(items, then) for items, then in hits if items and then]
    found = Monitoring(
        written=f"{datetime.datetime.now(datetime.UTC):%d %b %Y %H:%M}",
        requests=len(served),
        with_outcome=len(judged),
        measures=[*_skew(config, run, served), *_quality(config, run, judged)],
    )
    (Path(config.run_folder) / FILE_NAME).write_text(found.model_dump_json(indent=2))
    return found


def read_monitoring(config: Config) -> Monitoring | None:
    """What `monitor` wrote last, if it did."""
    path = Path(config.run_folder) / FILE_NAME
    return Monitoring.model_validate_json(path.read_text()) if path.exists() else None


def _skew(config: Config, run: Run, served: Sequence[Served]) -> list[Measure]:
    items = read_training_items(f"{run.outputs[EVALUATION].uri}/{FILE}")
    expected = list(read_records(split_folder(run.examples_uri, features.TEST_SPLIT)))
    before, now = (
        request_features(examples, items) for examples in (expected, [s.example for s in served])
    )
    unknown_before, unknown_now = (_mean(each["unknown_items"]) for each in (before, now))
    limit = config.monitor.max_unknown_items
    measures = [
        Measure(
            name="items of histories that training did not have, share",
            served=f"{unknown_now:.3f}",
            expected=f"{unknown_before:.3f}",
            limit=f"at most {limit:g}",
            is_alert=unknown_now > limit,
        )
    ]
    statistics = [_statistics(each) for each in (before, now)]
    for name in before:
        skew = divergence(statistics[0], statistics[1], name)
        if skew is None:
            continue
        numeric = name != features.ITEM_ID
        measures.append(
            Measure(
                name=f"{name.replace('_', ' ')}: divergence from the test split",
                served=f"{skew:.3f}" + (f" (mean {_mean(now[name]):.2f})" if numeric else ""),
                expected=f"mean {_mean(before[name]):.2f}" if numeric else "",
                limit=f"at most {config.monitor.max_skew:g}",
                is_alert=skew > config.monitor.max_skew,
            )
        )
    return measures


def request_features(examples: Sequence[bytes], items: TrainingItems) -> dict[str, list[list]]:
    """What requests are like, a list of values for each request.

    Args:
      examples: serialized tf.Examples.
      items: of the training sessions.

    Returns:
      `item_id`; `history_sessions`; `items_per_session`; `hours_since_last_event`, as log2(1 +
      hours), of requests with a time and a history; `unknown_items`: 1 for an item of the history
      that training did not have, else 0.
    """
    found: dict[str, list[list]] = {
        name: []
        for name in (
            features.ITEM_ID,
            "history_sessions",
            "items_per_session",
            "hours_since_last_event",
            "unknown_items",
        )
    }
    for example in examples:
        request = decode_user(example).request
        ids = [event.item_id.encode() for session in request.sessions for event in session]
        hours = []
        if request.sessions and request.request_timestamp is not None:
            seconds = request.request_timestamp - request.sessions[-1][-1].timestamp
            hours = [float(np.log2(1 + max(seconds, 0) / SECONDS_PER_HOUR))]
        found[features.ITEM_ID].append(ids)
        found["history_sessions"].append([float(len(request.sessions))])
        found["items_per_session"].append([float(len(session)) for session in request.sessions])
        found["hours_since_last_event"].append(hours)
        found["unknown_items"].append([float(item not in items.rank) for item in ids])
    return found


def _statistics(columns: dict[str, list[list]]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """TFDV's statistics of `request_features`."""
    arrays = [
        pa.array(values, pa.list_(pa.binary() if name == features.ITEM_ID else pa.float64()))
        for name, values in columns.items()
    ]
    batch = pa.RecordBatch.from_arrays(arrays, list(columns))
    return stats_impl.generate_statistics_in_memory(batch, StatsOptions())


def _mean(values: list[list]) -> float:
    flat = [value for row in values for value in row]
    return float(np.mean(flat)) if flat else 0.0


def _quality(
    config: Config, run: Run, judged: Sequence[tuple[list[str], set[str]]]
) -> list[Measure]:
    """Recall and NDCG of served lists; an alert if surely below evaluation's by `max_drop`."""
    if len(judged) < config.monitor.min_requests:
        return []
    lists, targets = zip(*judged, strict=True)
    k = config.evaluate.cutoffs[-1]
    measures = []
    for name, values in ranking_metrics(lists, targets, [k]).items():
        if name not in (f"recall@{k}", f"ndcg@{k}"):
            continue
        mean, error = values.mean(), stats.sem(values)
        low, high = stats.t.interval(0.95, len(values) - 1, mean, error) if error else (mean, mean)
        expected = run.results[CANDIDATE][OVERALL][name]
        lowest = expected.value - config.evaluate.max_drop
        measures.append(
            Measure(
                name=f"{name} of served lists",
                served=str(Figure(float(mean), float(low), float(high))),
                expected=str(expected),
                limit=f"not surely below {lowest:.4f}",
                is_alert=bool(high < lowest),
            )
        )
    return measures
