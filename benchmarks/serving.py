"""`sessionrec benchmark serving`: the embedded server under load, the bare call and the floor.

A server is loaded in a closed loop for its most and then, in an open loop, at half of that rate;
the bare call answers the same requests at the same rate, in one process without gRPC.
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
        for index in (EXACT, CLUSTERS):
            for load in _of_index(folder / index, f"{items}-{index}", users, seconds):
                rows += _rows(load, command, console)
        rows += _rows(
            numpy_floor(f"{items}-{EXACT}-batch-1-alone", items, seconds), command, console
        )
    name = f"{UNSTRUCTURED_ITEMS}-{UNSTRUCTURED}"
    folder = _models(models, UNSTRUCTURED_ITEMS, console, has_topics=False)
    rows += _recall(f"{name}-{CLUSTERS}", folder, command)
    model = tf.saved_model.load(str(folder / CLUSTERS / "1"))
    bare = InProcess(model.signatures[DEFAULT], _users(folder), 1)
    rows += _rows(bare.closed(f"{name}-{CLUSTERS}-batch-1-alone", seconds), command, console)
    write_results(rows, output)
    plot_serving(rows, output)
    console.print(f"results: {output}")


def _of_index(base: Path, name: str, users: list[bytes], seconds: float) -> Iterator[Load]:
    """The loads of one servable: served at most and at half of it, bare alone and at that half."""
    half = {}
    with Server(base) as server:
        for batch in BATCHES:
            requests = _requests(users, batch)
            most = server.load(f"{name}-batch-{batch}-maximum", requests, 0.0, seconds)
            yield most
            half[batch] = most.per_second / 2
            yield server.load(f"{name}-batch-{batch}-half", requests, half[batch], seconds)
    model = tf.saved_model.load(str(base / "1"))
    bare = InProcess(model.signatures[ENCODE], users, 1)
    yield bare.closed(f"{name}-{ENCODE}-batch-1-alone", seconds)
    for batch in BATCHES:
        bare = InProcess(model.signatures[DEFAULT], users, batch)
        yield bare.closed(f"{name}-batch-{batch}-alone", seconds)
        yield bare.open(f"{name}-batch-{batch}-half", half[batch], seconds)


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
        _row(dataset, SERVER, name, report[name], 0.0, command)
        for name in (*names, "share_of_items_read")
    ]


def _rows(load: Load, command: str, console: Console) -> list[Row]:
    found = dict(
        zip(
            (P50_MS, P95_MS, P99_MS),
            np.percentile(load.latencies, [50, 95, 99]) * 1e3,
            strict=True,
        )
    )
    found[THROUGHPUT] = load.per_second
    found |= {CPU_S: load.cpu_s, PEAK_MB: load.peak_mb}
    console.print(
        f"  {load.name:<44}{load.method:<12}"
        + "".join(f"{metric} {value:.2f}  " for metric, value in found.items())
    )
    return [
        _row(load.name, load.method, metric, value, load.seconds, command)
        for metric, value in found.items()
    ]


def _row(dataset: str, method: str, metric: str, value: float, seconds: float, command: str) -> Row:
    value = round(float(value), 4)
    seconds = round(seconds, 3)
    return Row(BENCHMARK, dataset, method, metric, value, value, value, None, seconds, command)
