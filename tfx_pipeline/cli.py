"""The command line `sessionrec`: run, serve, recommend, models, rollback, report, monitor and more.

TensorFlow is imported inside the commands, once its own output goes to a log file.
"""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from components.errors import DataError
from tfx_pipeline.benchmark_cli import app as benchmark
from tfx_pipeline.command_line import (
    DEFAULT_CONFIG,
    USAGE_ERROR,
    ConfigOption,
    SetOption,
    fail,
    load,
    log_in,
)
from tfx_pipeline.console import quiet
from tfx_pipeline.kubeflow.cli import app as kubeflow

PUSHES_ONE = "`sessionrec run` pushes one."
ALERT = 3
# The model does not read who the user is, only what they did.
ANONYMOUS = "anonymous"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Next-session recommendation, from an interaction log to TensorFlow Serving.",
)
if find_spec("benchmarks"):  # which the container image leaves out
    app.add_typer(benchmark, name="benchmark")
app.add_typer(kubeflow, name="kubeflow")
PortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="The server's port; the configuration's serve.port if not given."
    ),
]


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG, set_: SetOption = []) -> None:  # noqa: B006
    """Ingest, train, evaluate and push; then ask the pushed model for one user's next session."""
    settings = load(config, set_)
    log = log_in(Path(settings.run_folder))
    with quiet(log) as console:
        console.print(f"{settings.pipeline.name}: library logs in {log}")
        from tfx_pipeline.local_runner import StageError
        from tfx_pipeline.main_job import run_and_show

        try:
            overrides = [part for override in set_ for part in ("--set", override)]
            options = shlex.join(["--config", str(config), *overrides])
            run_and_show(settings, options, console)
        except DataError as error:
            console.fail(str(error))
        except StageError as error:
            story = f"\nthe whole story is in {log}" if error.__cause__ else ""
            console.fail(f"{error}{story}")


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    port: PortOption = None,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Serve the pushed model on loopback with the embedded server, until interrupted."""
    settings = load(config, set_)
    from serving import DEFAULT_MAX_MESSAGE_BYTES
    from serving.server.__main__ import main as serve_model

    if not any(Path(settings.serving_folder).glob("[0-9]*")):
        fail(f"There is no model in {settings.serving_folder}; {PUSHES_ONE}")
    chosen = settings.serve.port if port is None else port
    flags = {
        "port": chosen,
        "model_name": settings.pipeline.name,
        "model_base_path": Path(settings.serving_folder).absolute(),
        "grpc_channel_arguments": f"grpc.max_receive_message_length={DEFAULT_MAX_MESSAGE_BYTES}",
    }
    sys.exit(serve_model([f"--{name}={value}" for name, value in flags.items()]))


@app.command()
def recommend(
    config: ConfigOption = DEFAULT_CONFIG,
    user: Annotated[str | None, typer.Option(help="A user of the last run's test split.")] = None,
    history: Annotated[
        Path | None,
        typer.Option(help='JSON: a list of sessions of {"item_id", "timestamp", "engaged"}.'),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many items.")] = 10,
    exclude_seen: Annotated[bool, typer.Option(help="Leave out items of the history.")] = False,
    port: PortOption = None,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Ask a running server for a user's next session."""
    settings = load(config, set_)
    if (user is None) == (history is None):
        fail("Give either --user or --history.", USAGE_ERROR)
    chosen = settings.serve.port if port is None else port
    with quiet(log_in(Path(settings.run_folder))) as console:
        from serving.client import RecommenderClient, RecommenderError, Request
        from tfx_pipeline.demonstration import find_user, read_history, titles
        from tfx_pipeline.main_job import recommendations_table
        from tfx_pipeline.runs import RunError, latest_run

        try:
            bought: frozenset[str] = frozenset()
            if history is not None:
                request = Request(ANONYMOUS, read_history(history))
            else:
                found = find_user(latest_run(settings).examples_uri, user)
                if found is None:
                    raise RunError(f"User {user!r} is not in the test split; give --history.")
                request, bought = found.request, found.next_items
            target = f"127.0.0.1:{chosen}"
            with RecommenderClient(target, model_name=settings.pipeline.name) as client:
                [best] = client.recommend([request], k=k, exclude_seen=exclude_seen)
        except (RecommenderError, RunError, ValueError, OSError) as error:
            console.fail(str(error))
        console.print(recommendations_table(best, titles(settings), bought))


@app.command()
def models(config: ConfigOption = DEFAULT_CONFIG, set_: SetOption = []) -> None:  # noqa: B006
    """List the pushed versions, newest first: which one serves, where it comes from, how good."""
    settings = load(config, set_)
    with quiet(log_in(Path(settings.run_folder))) as console:
        from tfx_pipeline.model_versions import describe, model_versions

        found = model_versions(settings)
        for version in found:
            console.print(describe(version, settings.evaluate.cutoffs[-1]))
        if not found:
            console.print(f"There is no model in {settings.serving_folder}; {PUSHES_ONE}")


@app.command()
def rollback(
    version: Annotated[
        int | None,
        typer.Argument(help="Which; the one before the model that serves, unless given."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Make an older version the one that serves, as a copy with the highest number."""
    settings = load(config, set_)
    folder = Path(settings.run_folder)
    with quiet(log_in(folder)) as console:
        from components.publishing.rollback import RollbackError, roll_back
        from tfx_pipeline.run_lock import BusyError, only_one

        try:
            with only_one("rollback", folder):
                copy, original = roll_back(settings.serving_folder, version)
        except (BusyError, RollbackError, OSError) as error:
            console.fail(str(error))
        console.print(f"version {copy}, a copy of {original}, is the newest now and serves next")


@app.command()
def report(config: ConfigOption = DEFAULT_CONFIG, set_: SetOption = []) -> None:  # noqa: B006
    """Write the report of all runs: one page that needs nothing but a browser."""
    settings = load(config, set_)
    with quiet(log_in(Path(settings.run_folder))) as console:
        from tfx_pipeline.report import write_report
        from tfx_pipeline.runs import RunError

        try:
            path = write_report(settings)
        except RunError as error:
            console.fail(str(error))
        console.print(f"report: {path}")


@app.command()
def monitor(
    requests: Annotated[
        str, typer.Option(help="The request log's files: TFRecords of PredictionLog.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Compare served requests with evaluation, and served lists with what users did next.

    `--set data.log=...` reads another log for the latter. Exit status 3 is an alert.
    """
    settings = load(config, set_)
    with quiet(log_in(Path(settings.run_folder))) as console:
        from tfx_pipeline.main_job import monitoring_table
        from tfx_pipeline.monitor import NOT_JUDGED, monitor
        from tfx_pipeline.runs import RunError

        try:
            found = monitor(settings, requests)
        except (DataError, RunError) as error:
            console.fail(str(error))
        console.print(monitoring_table(found))
        if not found.are_lists_judged:
            console.print(NOT_JUDGED)
        for alert in found.alerts:
            console.print(f"alert: {alert.name}: {alert.served}, {alert.limit}")
        sys.exit(ALERT if found.alerts else 0)


def main() -> None:
    """The console script."""
    app()
