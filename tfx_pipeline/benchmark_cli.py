"""The commands `sessionrec benchmark`; TensorFlow is imported inside them."""

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.errors import DataError
from tfx_pipeline.command_line import DEFAULT_CONFIG, SetOption, load, log_in
from tfx_pipeline.console import quiet

BENCHMARKS = Path("output/benchmarks")
QUALITY_OUTPUT, SCALING_OUTPUT, TRAINING_OUTPUT = (
    BENCHMARKS / name for name in ("quality", "scaling", "training")
)
RETRAINING_OUTPUT, INGESTION_OUTPUT, SERVING_OUTPUT = (
    BENCHMARKS / name for name in ("retraining", "ingestion", "serving")
)

app = typer.Typer(no_args_is_help=True, help="Measure, and write results with intervals.")
ConfigsOption = Annotated[list[Path], typer.Option("--config", help="One TOML file a data set.")]
OutputOption = Annotated[Path, typer.Option(help="Folder for the results.")]


@app.command()
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
        list[str] | None,
        typer.Option(help="What else to measure; all unless given: run `make peers` before."),
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


@app.command()
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


@app.command()
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


@app.command()
def retraining(
    config: ConfigsOption = [DEFAULT_CONFIG],  # noqa: B006
    weeks: Annotated[int, typer.Option(min=1, help="Models that are retrained.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Chains of such models.")] = 3,
    output: OutputOption = RETRAINING_OUTPUT,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """A week's model from the weights of the week before, against training from none.

    What was measured already is kept in output/benchmarks/retraining/cells.
    """
    with _benchmark(RETRAINING_OUTPUT, config, set_) as (command, console):
        from benchmarks.retraining import benchmark_retraining

        cells = RETRAINING_OUTPUT / "cells"
        benchmark_retraining(config, tuple(set_), weeks, seeds, output, cells, command, console)


@app.command()
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


@app.command()
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
        import tensorflow as tf

        from benchmarks.serving import benchmark_serving

        # As the server's default: what differs is gRPC.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        models = SERVING_OUTPUT / "models"
        benchmark_serving(items, seconds, models, output, command, console)


@contextmanager
def _benchmark(
    folder: Path, configs: list[Path], overrides: list[str]
) -> Iterator[tuple[str, Console]]:
    """Gives the command that runs this benchmark, and where its progress goes."""
    for path in configs:
        load(path, overrides)
    with quiet(log_in(folder)) as console:
        from tfx_pipeline.local_runner import StageError

        try:
            yield shlex.join(["sessionrec", *sys.argv[1:]]), console
        except (DataError, StageError, ValueError) as error:
            console.fail(str(error))


def _chosen(option: str, given: list[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    for name in given or ():
        if name not in known:
            raise ValueError(f"--{option} takes one of {', '.join(known)}. Received: {name}")
    return tuple(given or known)
