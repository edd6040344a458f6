"""`sessionrec run`: the pipeline, then the pushed model asked for one user's next session."""

import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.publishing.servable_check import refusal
from serving.client import Recommendation, RecommenderClient
from serving.server.flags import Flags
from serving.server.model_server import ModelServer
from tfx_pipeline.config import Config
from tfx_pipeline.demonstration import EvaluatedUser, find_user, titles
from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.local_runner import run_pipeline
from tfx_pipeline.monitor import Monitoring
from tfx_pipeline.report import write_report
from tfx_pipeline.runs import Run, compared, latest_run

K = 10


def run_and_show(config: Config, options: str, console: Console) -> None:
    """Run everything and print the results; the last line says where they lie.

    Args:
      config: the configuration.
      options: how the command line gave it, for the commands that are printed.
      console: where results go.
    """
    run_pipeline(config, console)
    run = latest_run(config)
    console.print(f"\n{run.summary.describe()}\n")
    console.print(metrics_table(run, config.evaluate))
    for reason in run.verdict:
        console.print(reason)
    if not run.is_servable():
        console.print(f"not servable: {refusal(run.uri('ServableCheck.blessing'))}")
    if run.rolled_back:
        console.print(
            f"not pushed: version {run.rolled_back} has this model and was rolled back; "
            f"`sessionrec rollback {options} {run.rolled_back}` serves it again"
        )
    if run.pushed_path is not None:
        user = _ask(config, run, console)
        command = os.path.relpath(Path(sys.executable).with_name("sessionrec"))
        console.print(f"serve it:  {command} serve {options}")
        console.print(f"query it:  {command} recommend {options} --user {shlex.quote(user)}")
    report = write_report(config)
    console.print(f"model: {run.pushed_path or 'not pushed'}  report: {report}")


def metrics_table(run: Run, evaluate: EvaluateConfig) -> Table:
    """The model beside the counters, on all requests of the test split."""
    names = [f"{name}@{k}" for k in evaluate.cutoffs for name in ("recall", "ndcg")]
    table = Table(
        "method", *names, title="test split, means over all requests", title_justify="left"
    )
    for method, values in compared(run).items():
        figures = (values.get(name) for name in names)
        table.add_row(method, *("" if f is None else f"{f:.4f}" for f in figures))
    return table


def recommendations_table(
    best: list[Recommendation], names: dict[str, str], bought: frozenset[str] = frozenset()
) -> Table:
    """A list for a person to read; items of `bought` are marked."""
    table = Table("item", *(["title"] if names else []), "score", "engaged next")
    for item in best:
        title = [names.get(item.item_id, "")] if names else []
        mark = "yes" if item.item_id in bought else ""
        table.add_row(item.item_id, *title, f"{item.score:.2f}", mark)
    return table


def monitoring_table(found: Monitoring) -> Table:
    """What monitoring compared."""
    table = Table(
        *("measure", "served", "evaluation", "limit", ""),
        title=f"{found.requests:,} requests to the model that serves ({found.others:,} to others "
        f"left out), {found.with_outcome:,} with an unrestricted list and a next session",
        title_justify="left",
    )
    for measure in found.measures:
        mark = "alert" if measure.is_alert else "ok"
        table.add_row(measure.name, measure.served, measure.expected, measure.limit, mark)
    return table


def _ask(config: Config, run: Run, console: Console) -> str:
    """Start the server on a free port and ask it over gRPC for one user's next session.

    Returns:
      The user's id.
    """
    user = find_user(run.examples_uri)
    # Ingestion refuses a log that leaves a split empty.
    assert user is not None
    name = config.pipeline.name
    flags = Flags(model_name=name, model_base_path=config.serving_folder, port=0)
    with (
        ModelServer(flags) as server,
        RecommenderClient(server.target, model_name=name) as client,
    ):
        [best] = client.recommend([user.request], k=K)
    _show_answer(user, best, titles(config), console)
    return user.request.user_id


def _show_answer(
    user: EvaluatedUser, best: list[Recommendation], names: dict[str, str], console: Console
) -> None:
    console.print(
        f"\nnext session of user {user.request.user_id}, after "
        f"{len(user.request.sessions)} sessions, asked over gRPC:"
    )
    console.print(recommendations_table(best, names, user.next_items))
    found = sum(item.item_id in user.next_items for item in best)
    console.print(f"{found} of the {len(user.next_items)} items of that session are among them\n")
