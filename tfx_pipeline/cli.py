"""The command line `sessionrec`: run, serve, recommend, models, rollback, report, monitor and more.

TensorFlow is imported inside the commands, once its own output goes to a log file.
"""

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from components.errors import DataError
from tfx_pipeline.config import Config, ConfigError, load_config
from tfx_pipeline.console import quiet
from tfx_pipeline.kubeflow.cli import app as kubeflow

DEFAULT_CONFIG = Path("configs/complete_journey.toml")
LOG_FILE = "sessionrec.log"
BENCHMARKS = Path("output/benchmarks")
QUALITY_OUTPUT, SCALING_OUTPUT, TRAINING_OUTPUT = (
    BENCHMARKS / name for name in ("quality", "scaling", "training")
)
RETRAINING_OUTPUT, INGESTION_OUTPUT, SERVING_OUTPUT = (
    BENCHMARKS / name for name in ("retraining", "ingestion", "serving")
)
PUSHES_ONE = "`sessionrec run` pushes one."
ALERT, USAGE_ERROR, FAILURE = 3, 2, 1
# As the client's default.
MAX_REQUEST_BYTES = 64 * 2**20
# The model does not read who the user is, only what they did.
ANONYMOUS = "anonymous"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Next-session recommendation, from an interaction log to TensorFlow Serving.",
)
benchmark = typer.Typer(no_args_is_help=True, help="Measure, and write results with intervals.")
app.add_typer(benchmark, name="benchmark")
app.add_typer(kubeflow, name="kubeflow")
ConfigOption = Annotated[Path, typer.Option("--config", help="The data set's TOML file.")]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting.")
]
ConfigsOption = Annotated[list[Path], typer.Option("--config", help="One TOML file a data set.")]
OutputOption = Annotated[Path, typer.Option(help="Folder for the results.")]
PortOption = Annotated[
    int | None, typer.Option(help="The server's port; the configuration's serve.port if not given.")
]


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG, set_: SetOption = []) -> None:  # noqa: B006
    """Ingest, train, evaluate and push; then ask the pushed model for one user's next session."""
    settings = _load(config, set_)
    log = _log_in(Path(settings.run_folder))
    with quiet(log) as console:
        console.print(f"{settings.pipeline.name}: library logs in {log}")
        from tfx_pipeline.local_runner import StageError
        from tfx_pipeline.main_job import run_and_show

        try:
            overrides = [part for override in set_ for part in ("--set", override)]
            options = shlex.join(["--config", str(config), *overrides])
            run_and_show(settings, options, console)
        except (DataError, StageError) as error:
            console.print(f"error: {error}")
            if isinstance(error, StageError):
                console.print(f"the whole story is in {log}")
            sys.exit(FAILURE)


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    port: PortOption = None,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Serve the pushed model on loopback with the embedded server, until interrupted."""
    settings = _load(config, set_)
    from serving.server.__main__ import main as serve_model

    if not any(Path(settings.serving_folder).glob("[0-9]*")):
        _fail(f"There is no model in {settings.serving_folder}; {PUSHES_ONE}")
    chosen = settings.serve.port if port is None else port
    flags = {
        "port": chosen,
        "model_name": settings.pipeline.name,
        "model_base_path": Path(settings.serving_folder).absolute(),
        "grpc_channel_arguments": f"grpc.max_receive_message_length={MAX_REQUEST_BYTES}",
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
    settings = _load(config, set_)
    if (user is None) == (history is None):
        _fail("Give either --user or --history.", USAGE_ERROR)
    chosen = settings.serve.port if port is None else port
    with quiet(_log_in(Path(settings.run_folder))) as console:
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
            console.print(f"error: {error}")
            sys.exit(FAILURE)
        console.print(recommendations_table(best, titles(settings), bought))


@app.command()
def models(config: ConfigOption = DEFAULT_CONFIG, set_: SetOption = []) -> None:  # noqa: B006
    """List the pushed versions, newest first: which one serves, where it comes from, how good."""
    settings = _load(config, set_)
    with quiet(_log_in(Path(settings.run_folder))) as console:
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
    settings = _load(config, set_)
    folder = Path(settings.run_folder)
    with quiet(_log_in(folder)) as console:
        from components.publishing.rollback import RollbackError, roll_back
        from tfx_pipeline.run_lock import BusyError, only_one

        try:
            with only_one("rollback", folder):
                copy, original = roll_back(settings.serving_folder, version)
        except (BusyError, RollbackError, OSError) as error:
            console.print(f"error: {error}")
            sys.exit(FAILURE)
        console.print(f"version {copy}, a copy of {original}, is the newest now and serves next")


@app.command()
def report(config: ConfigOption = DEFAULT_CONFIG, set_: SetOption = []) -> None:  # noqa: B006
    """Write the report of all runs: one page that needs nothing but a browser."""
    settings = _load(config, set_)
    with quiet(_log_in(Path(settings.run_folder))) as console:
        from tfx_pipeline.report import write_report
        from tfx_pipeline.runs import RunError

        try:
            path = write_report(settings)
        except RunError as error:
            console.print(f"error: {error}")
            sys.exit(FAILURE)
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
    settings = _load(config, set_)
    with quiet(_log_in(Path(settings.run_folder))) as console:
        from tfx_pipeline.main_job import monitoring_table
        from tfx_pipeline.monitor import monitor
        from tfx_pipeline.runs import RunError

        try:
            found = monitor(settings, requests)
        except (DataError, RunError) as error:
            console.print(f"error: {error}")
            sys.exit(FAILURE)
        console.print(monitoring_table(found))
        for alert in found.alerts:
            console.print(f"alert: {alert.name}: {alert.served}, {alert.limit}")
        sys.exit(ALERT if found.alerts else 0)


@benchmark.command()
def quality(
    config: ConfigsOption = [DEFAULT_CONFIG],  # noqa: B006
    protocol: Annotated[
        list[str] | None, typer.Option(help="last-session or global-time; both unless given.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="The model, an ablation or nipp; all unless given."),
    ] = None,
    peers: Annotated[
        list[str] | None, typer.Option(help="What else to measure; all counters unless given.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each learned method.")] = 3,
    output: OutputOption = QUALITY_OUTPUT,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Recall and NDCG of the model, its ablations and its peers.

    What was measured already is kept in output/benchmarks/quality/cells, so that a benchmark that
    was stopped goes on; remove it to measure changed code.
    """
    with _benchmark(QUALITY_OUTPUT, config, set_) as (command, console):
        from benchmarks.quality import PEERS, PROTOCOLS, Plan, benchmark_quality
        from benchmarks.variants import VARIANTS

        plan = Plan(
            configs=tuple(config),
            settings=tuple(set_),
            protocols=_chosen("protocol", protocol, PROTOCOLS),
            methods=_chosen("method", method, VARIANTS),
            peers=_chosen("peers", peers, PEERS),
            seeds=seeds,
            cells=QUALITY_OUTPUT / "cells",
        )
        benchmark_quality(plan, output, command, console)


@benchmark.command()
def scaling(
    config: ConfigsOption = [DEFAULT_CONFIG],  # noqa: B006
    output: OutputOption = SCALING_OUTPUT,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Validation loss against the model's size and the data, with power laws fitted.

    What was measured already is kept in output/benchmarks/scaling/cells.
    """
    with _benchmark(SCALING_OUTPUT, config, set_) as (command, console):
        from benchmarks.scaling import benchmark_scaling

        cells = SCALING_OUTPUT / "cells"
        benchmark_scaling(config, tuple(set_), output, cells, command, console)


@benchmark.command()
def training(
    config: ConfigsOption = [DEFAULT_CONFIG],  # noqa: B006
    epochs: Annotated[int, typer.Option(min=2, help="Of each training.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each method.")] = 3,
    output: OutputOption = TRAINING_OUTPUT,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Interactions per second of the model, of NIPP and of RecTools' SASRec, in turns."""
    with _benchmark(TRAINING_OUTPUT, config, set_) as (command, console):
        from benchmarks.training import benchmark_training

        benchmark_training(config, tuple(set_), epochs, rounds, output, command, console)


@benchmark.command()
def retraining(
    config: ConfigsOption = [DEFAULT_CONFIG],  # noqa: B006
    weeks: Annotated[int, typer.Option(min=1, help="Models that are retrained.")] = 4,
    output: OutputOption = RETRAINING_OUTPUT,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """A week's model from the weights of the week before, against training from none.

    What was measured already is kept in output/benchmarks/retraining/cells.
    """
    with _benchmark(RETRAINING_OUTPUT, config, set_) as (command, console):
        from benchmarks.retraining import benchmark_retraining

        cells = RETRAINING_OUTPUT / "cells"
        benchmark_retraining(config, tuple(set_), weeks, output, cells, command, console)


@benchmark.command()
def ingestion(
    events: Annotated[list[int], typer.Option(min=1, help="Size of a generated log.")] = [  # noqa: B006
        100_000,
        1_000_000,
        5_000_000,
    ],
    format_: Annotated[list[str], typer.Option("--format", help="parquet or csv.")] = [  # noqa: B006
        "parquet"
    ],
    method: Annotated[
        list[str] | None, typer.Option(help="Ours, or what it is compared with; all unless given.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each method.")] = 3,
    output: OutputOption = INGESTION_OUTPUT,
) -> None:
    """Speed and memory of ingestion, against per-event Beam, Polars and DuckDB, in turns.

    The generated logs are kept in output/benchmarks/ingestion/logs.
    """
    with _benchmark(INGESTION_OUTPUT, [], []) as (command, console):
        from benchmarks.ingest_trial import METHODS
        from benchmarks.ingestion import SUFFIXES, benchmark_ingestion

        formats = _chosen("format", format_, SUFFIXES)
        methods = _chosen("method", method, METHODS)
        logs = INGESTION_OUTPUT / "logs"
        output.mkdir(parents=True, exist_ok=True)
        benchmark_ingestion(events, formats, methods, rounds, logs, output, command, console)


@benchmark.command()
def serving(
    items: Annotated[list[int], typer.Option(min=200, help="Size of a catalogue.")] = [  # noqa: B006
        10_000,
        100_000,
        1_000_000,
    ],
    seconds: Annotated[float, typer.Option(min=1.0, help="Of each load.")] = 6.0,
    output: OutputOption = SERVING_OUTPUT,
) -> None:
    """The embedded server under load, beside the bare call and a plain matrix product.

    The generated servables are kept in output/benchmarks/serving/models.
    """
    with _benchmark(SERVING_OUTPUT, [], []) as (command, console):
        from benchmarks.serving import benchmark_serving

        models = SERVING_OUTPUT / "models"
        benchmark_serving(items, seconds, models, output, command, console)


@contextmanager
def _benchmark(
    folder: Path, configs: list[Path], overrides: list[str]
) -> Iterator[tuple[str, Console]]:
    """Gives the command that runs this benchmark, and where its progress goes."""
    for path in configs:
        _load(path, overrides)
    with quiet(_log_in(folder)) as console:
        from tfx_pipeline.local_runner import StageError

        try:
            yield shlex.join(["sessionrec", *sys.argv[1:]]), console
        except (DataError, StageError, ValueError) as error:
            console.print(f"error: {error}")
            sys.exit(FAILURE)


def _chosen(option: str, given: list[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    for name in given or ():
        if name not in known:
            raise ValueError(f"--{option} takes one of {', '.join(known)}. Received: {name}")
    return tuple(given or known)


def _load(path: Path, overrides: list[str]) -> Config:
    try:
        return load_config(path, tuple(overrides))
    except ConfigError as error:
        _fail(str(error), USAGE_ERROR)


def _log_in(folder: Path) -> Path:
    """The log's path in a folder, made if need be, that can be written."""
    log = folder / LOG_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        _fail(f"{folder} cannot be written: {error.strerror}.")
    return log


def _fail(message: str, code: int = FAILURE) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def main() -> None:
    """The console script."""
    app()
