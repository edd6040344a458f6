"""`sessionrec benchmark serving`: the embedded server under load, the bare call and the floor.

A server is loaded in a closed loop for its most and then, in an open loop, at half of that rate;
the bare call answers the same requests at the same rate, in one process without gRPC. At half, the
two take turns, and so do the calls alone of exact index and clusters: what else the machine does
meets all that is compared.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree

import numpy as np
import tensorflow as tf
from rich.console import Console
from tensorflow_serving.apis import predict_pb2

from benchmarks.catalogues import CLUSTERS, EXACT
from benchmarks.plots import plot_serving
from benchmarks.results import CPU_S, P50_MS, P95_MS, P99_MS, PEAK_MB, Row, write_results
from benchmarks.serving_trial import InProcess, Load, Server, numpy_floor
from model.export import EXTRA_FOLDER, INDEX_FILE

BENCHMARK = "serving"
SERVER = "sessionrec"
DEFAULT, ENCODE = "serving_default", "encode"
BATCHES = (1, 16)
ROUNDS = 5
THROUGHPUT = "throughput_per_s"
# A catalogue whose item vectors have nothing in common.
UNSTRUCTURED_ITEMS, UNSTRUCTURED = 100_000, "unstructured"


def benchmark_serving(
    sizes: Sequence[int],
    seconds: float,
    models: Path,
    output: Path,
    command: str,
    console: Console,
) -> None:
    """Measure catalogues of each size, with each index and batch size.

    Args:
      sizes: items a catalogue.
      seconds: of each load.
      models: keeps the generated servables.
      output: folder for results.json, the table and the plots.
      command: what reproduces it.
      console: where progress goes.

    Raises:
      ServerError: the server does not start or a request fails.
    """
    rows: list[Row] = []
    for items in sizes:
        folder = _models(models, items, console)
        users = _users(folder)
        rows += _recall(f"{items}-{CLUSTERS}", folder, command)
        for rounds in _alone(folder, items, users, seconds):
            rows += _rows(rounds, command, console)
        for index in (EXACT, CLUSTERS):
            for rounds in _of_index(folder / index, f"{items}-{index}", users, seconds):
                rows += _rows(rounds, command, console)
    name = f"{UNSTRUCTURED_ITEMS}-{UNSTRUCTURED}"
    folder = _models(models, UNSTRUCTURED_ITEMS, console, has_topics=False)
    rows += _recall(f"{name}-{CLUSTERS}", folder, command)
    model = tf.saved_model.load(str(folder / CLUSTERS / "1"))
    bare = InProcess(model.signatures[DEFAULT], _users(folder), 1)
    rows += _rows([bare.closed(f"{name}-{CLUSTERS}-batch-1-alone", seconds)], command, console)
    write_results(rows, output)
    plot_serving(rows, output)
    console.print(f"results: {output}")


def _alone(
    folder: Path, items: int, users: list[bytes], seconds: float
) -> Iterator[Sequence[Load]]:
    """The rounds of one call after the other: of the user vector, each index, and the floor."""
    models = {index: tf.saved_model.load(str(folder / index / "1")) for index in (EXACT, CLUSTERS)}
    encode = InProcess(models[EXACT].signatures[ENCODE], users, 1)
    calls = {f"{items}-{EXACT}-{ENCODE}-batch-1-alone": encode}
    for batch in BATCHES:
        for index, model in models.items():
            bare = InProcess(model.signatures[DEFAULT], users, batch)
            calls[f"{items}-{index}-batch-{batch}-alone"] = bare
    turn = seconds / ROUNDS
    turns = [
        (
            *(call.closed(name, turn) for name, call in calls.items()),
            numpy_floor(f"{items}-{EXACT}-batch-1-alone", items, turn),
        )
        for _ in range(ROUNDS)
    ]
    yield from zip(*turns, strict=True)


def _of_index(
    base: Path, name: str, users: list[bytes], seconds: float
) -> Iterator[Sequence[Load]]:
    """The rounds of each load of one servable: served at most, and bare and served at half."""
    model = tf.saved_model.load(str(base / "1"))
    with Server(base) as server:
        for batch in BATCHES:
            loads = f"{name}-batch-{batch}"
            requests = _requests(users, batch)
            bare = InProcess(model.signatures[DEFAULT], users, batch)
            most = server.load(f"{loads}-maximum", requests, 0.0, seconds)
            yield [most]
            half = most.per_second / 2
            turns = [
                (
                    server.load(f"{loads}-half", requests, half, seconds),
                    bare.open(f"{loads}-half", half, seconds),
                )
                for _ in range(ROUNDS)
            ]
            yield from zip(*turns, strict=True)


def _models(models: Path, items: int, console: Console, has_topics: bool = True) -> Path:
    folder = models / (f"{items}" if has_topics else f"{items}-{UNSTRUCTURED}")
    if not folder.exists():
        console.print(f"  building {folder}")
        partial = folder.with_name(f"{folder.name}.partial")
        rmtree(partial, ignore_errors=True)
        command = [sys.executable, "-m", "benchmarks.catalogues"]
        command += [f"--items={items}", f"--folder={partial}"]
        command += [] if has_topics else ["--unstructured"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        partial.rename(folder)
    return folder


def _users(folder: Path) -> list[bytes]:
    return [bytes.fromhex(text) for text in json.loads((folder / "users.json").read_text())]


def _requests(users: list[bytes], batch: int) -> list[bytes]:
    """Serialized PredictRequests of `batch` users each."""
    made = []
    for at in range(0, len(users), batch):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = BENCHMARK
        request.model_spec.signature_name = DEFAULT
        request.inputs["examples"].CopyFrom(tf.make_tensor_proto(users[at : at + batch]))
        made.append(request.SerializeToString())
    return made


def _recall(dataset: str, folder: Path, command: str) -> list[Row]:
    """What the export measured."""
    path = folder / CLUSTERS / "1" / EXTRA_FOLDER / INDEX_FILE
    report = json.loads(path.read_text())
    names = [name for name in report if name.startswith("recall_vs_exact")]
    return [
        _row(dataset, SERVER, name, [report[name]], 0.0, command)
        for name in (*names, "share_of_items_read")
    ]


def _rows(rounds: Sequence[Load], command: str, console: Console) -> list[Row]:
    name, method = rounds[0].name, rounds[0].method
    seconds = sum(load.seconds for load in rounds)
    figures = [_figures(load) for load in rounds]
    rows = [
        _row(name, method, metric, [found[metric] for found in figures], seconds, command)
        for metric in figures[0]
    ]
    medians = "  ".join(f"{row.metric} {row.value:.2f}" for row in rows)
    console.print(f"  {name:<44}{method:<12}{medians}")
    return rows


def _figures(load: Load) -> dict[str, float]:
    p50, p95, p99 = np.percentile(load.latencies, [50, 95, 99]) * 1e3
    figures = {
        P50_MS: p50,
        P95_MS: p95,
        P99_MS: p99,
        THROUGHPUT: load.per_second,
        CPU_S: load.cpu_s,
    }
    return figures if load.peak_mb is None else {**figures, PEAK_MB: load.peak_mb}


def _row(
    dataset: str, method: str, metric: str, values: Sequence[float], seconds: float, command: str
) -> Row:
    """The median, between the lowest and the highest."""
    value, low, high = (round(float(of), 4) for of in (np.median(values), min(values), max(values)))
    seconds = round(seconds, 3)
    return Row(BENCHMARK, dataset, method, metric, value, low, high, None, seconds, command)
