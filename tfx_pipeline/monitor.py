"""After deployment: are served requests like those of evaluation, and do the lists hit?"""

import datetime
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel
from scipy import stats

from components.evaluation.ranking import ranking_metrics
from components.evaluation.request_arrays import read_folder
from components.evaluation.training_items import FILE, read_training_items
from components.ingestion.shards import split_folder
from components.publishing.latest_blessed import versions
from components.publishing.rollback import origin
from model import features
from tfx_pipeline.config import Config
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.model_versions import serving
from tfx_pipeline.request_features import NUMBERS, UNKNOWN, mean, request_features, statistics
from tfx_pipeline.results import OVERALL, Figure
from tfx_pipeline.runs import EVALUATION, Run, RunError, all_runs
from tfx_pipeline.served import Served, outcomes, read_served
from tfx_pipeline.statistics import divergence

FILE_NAME = "monitor.json"
OF_LISTS = " of served lists"
NOT_JUDGED = (
    "The lists are not judged: of too few without exclusions, and as long as the shortest that "
    "evaluation has, the next session is known (monitor.min_requests)."
)


class Measure(BaseModel):
    """One comparison.

    Attributes:
      name: what is compared.
      served: its value for served requests.
      expected: its value in evaluation; empty where there is none.
      limit: what `served` may not pass.
      is_alert: whether it did.
    """

    name: str
    served: str
    expected: str
    limit: str
    is_alert: bool


class Monitoring(BaseModel):
    """All comparisons of one look at the logged requests.

    Attributes:
      written: when, in UTC.
      requests: to the model that serves.
      others: to other models or versions, which are left out.
      with_outcome: how many had a list from which nothing was excluded, and a next session.
      measures: what was compared.
    """

    written: str
    requests: int
    others: int = 0
    with_outcome: int
    measures: list[Measure]

    @property
    def alerts(self) -> list[Measure]:
        """What passed its limit."""
        return [measure for measure in self.measures if measure.is_alert]

    @property
    def are_lists_judged(self) -> bool:
        """Whether enough lists could be compared with what users did next."""
        return any(measure.name.endswith(OF_LISTS) for measure in self.measures)


def monitor(config: Config, pattern: str) -> Monitoring:
    """Compare logged requests with the serving model's evaluation; write `monitor.json`.

    Args:
      config: of the pipeline; its log says what users did next.
      pattern: the files of PredictionLogs.

    Raises:
      RunError: nothing was pushed yet, or there are too few requests to what was.
      DataError: the files or the log cannot be read.
    """
    evaluated = [r for r in all_runs(config) if r.has(EVALUATION)]
    run, _ = serving(evaluated, config.serving_folder)
    if run is None:
        raise RunError("No run has pushed a model: there is nothing to compare requests with.")
    logged = read_served(pattern)
    models = _copies(config, run)
    served = [each for each in logged if each.model in models]
    others = len(logged) - len(served)
    if len(served) < config.monitor.min_requests:
        raise RunError(
            f"{len(served)} requests to the model that serves are too few to compare ({others} "
            "were to other models or versions); monitor.min_requests asks for "
            f"{config.monitor.min_requests}."
        )
    hits = zip(served, outcomes(served, config), strict=True)
    judged = [(each, then) for each, then in hits if each.asked and then]
    found = Monitoring(
        written=f"{datetime.datetime.now(datetime.UTC):%d %b %Y %H:%M}",
        requests=len(served),
        others=others,
        with_outcome=len(judged),
        measures=[*_skew(config, run, served), *_quality(config, run, judged)],
    )
    (Path(config.run_folder) / FILE_NAME).write_text(found.model_dump_json(indent=2))
    return found


def read_monitoring(config: Config) -> Monitoring | None:
    """What `monitor` wrote last, if it did."""
    path = Path(config.run_folder) / FILE_NAME
    return Monitoring.model_validate_json(path.read_text()) if path.exists() else None


def _copies(config: Config, run: Run) -> set[tuple[str, int]]:
    """Name and number of each version that is the model of a run: a rollback makes copies."""
    folder, pushed = config.serving_folder, int(Path(run.pushed_path or "").name)
    copies = {number for number in versions(folder) if origin(folder, number) == pushed}
    return {(config.pipeline.name, number) for number in copies | {pushed}}


def _skew(config: Config, run: Run, served: Sequence[Served]) -> list[Measure]:
    items = read_training_items(f"{run.uri(EVALUATION)}/{FILE}")
    expected = list(read_folder(split_folder(run.examples_uri, features.TEST_SPLIT)))
    before, now = (
        request_features(examples, items) for examples in (expected, [s.example for s in served])
    )
    unknown_before, unknown_now = (mean(each[UNKNOWN]) for each in (before, now))
    limit = config.monitor.max_unknown_items
    measures = [
        Measure(
            name="items that training did not have, share",
            served=f"{unknown_now:.3f}",
            expected=f"{unknown_before:.3f}",
            limit=f"at most {limit:g}",
            is_alert=unknown_now > limit,
        )
    ]
    expected_statistics, served_statistics = map(statistics, (before, now))
    for name in (features.ITEM_ID, *NUMBERS):
        skew = divergence(expected_statistics, served_statistics, name)
        if skew is None:
            continue
        means = [
            f"mean {mean(each[name]):.2f}" if name in NUMBERS else "" for each in (before, now)
        ]
        measures.append(
            Measure(
                name=name.replace("_", " "),
                served=f"divergence {skew:.3f} {means[1]}".strip(),
                expected=means[0],
                limit=f"at most {config.monitor.max_skew:g}",
                is_alert=skew > config.monitor.max_skew,
            )
        )
    return measures


def _quality(config: Config, run: Run, judged: Sequence[tuple[Served, set[str]]]) -> list[Measure]:
    """Recall and NDCG of served lists, at the largest cutoff of the evaluation that enough reach.

    An alert if surely below evaluation's by `max_drop`.
    """
    evaluated = run.results[CANDIDATE][OVERALL]
    cutoffs = [int(name[7:]) for name in evaluated if name.startswith("recall@")]
    for k in sorted(cutoffs, reverse=True):
        reaching = [(each.items, then) for each, then in judged if each.asked >= k]
        if len(reaching) >= config.monitor.min_requests:
            return _at_cutoff(config, evaluated, k, *zip(*reaching, strict=True))
    return []


def _at_cutoff(
    config: Config,
    evaluated: dict[str, Figure],
    k: int,
    lists: Sequence[list[str]],
    targets: Sequence[set[str]],
) -> list[Measure]:
    measures = []
    for name, values in ranking_metrics(lists, targets, [k]).items():
        if name not in (f"recall@{k}", f"ndcg@{k}"):
            continue
        middle = float(values.mean())
        margin = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
        expected = evaluated[name]
        lowest = expected.value - config.evaluate.max_drop
        measures.append(
            Measure(
                name=f"{name}{OF_LISTS}",
                served=str(Figure(middle, middle - margin, middle + margin)),
                expected=str(expected),
                limit=f"not surely below {lowest:.4f}",
                is_alert=middle + margin < lowest,
            )
        )
    return measures
