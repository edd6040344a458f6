"""Kill `sessionrec run` at random moments and start it again: nothing may be lost or half done.

`python scripts/kill_test.py --moments 20 --output DIR` makes a small log, runs it undisturbed, then
for each moment in a folder of its own: run, SIGKILL to the whole process group, run again. Prints
a Markdown table, also in DIR/table.md.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_metadata.metadata_store import MetadataStore
from tensorflow.core.protobuf import saved_model_pb2
from tfx.orchestration import metadata

from tfx_pipeline.killed_runs import open_executions
from tfx_pipeline.runs import MODEL, compared, runs_in

ROOT = Path(__file__).parents[1]
NAME = "shop"
CONFIG = """
[data]
log = "clicks.csv"
events = { exposed = ["view"] }
[data.columns]
user_id = "visitor"
item_id = "product"
timestamp = "when"
event = "action"
further = ["device"]
[split]
eval_days = 5
test_days = 5
[model]
dim = 16
min_sessions_per_item = 2
[train]
epochs = 2
[evaluate]
slices = ["history_sessions", "device", "device*recent_sessions"]
min_slice_size = 10
"""
ROWS, BROKEN = 6000, 60
TOLERANCE = 1e-6
POLL_SECONDS = 0.05
HEAD = "| moment | stage | left open | second run | result |\n| --- | --- | --- | --- | --- |\n"


class Result(NamedTuple):
    """What a run pushed: metrics by name, and each signature's tensors."""

    metrics: dict[str, float | None]
    signatures: dict[str, Any]

    def equals(self, other: "Result") -> bool:
        """The same signatures, and the same metrics to `TOLERANCE`."""
        return (
            self.signatures == other.signatures
            and self.metrics.keys() == other.metrics.keys()
            and all(
                abs((value or 0.0) - (other.metrics[name] or 0.0)) <= TOLERANCE
                for name, value in self.metrics.items()
            )
        )


def write_log(folder: Path) -> None:
    """A configuration and a log of 100 visitors over 60 days, each with favourites.

    The log has column names of its own and no sessions; 1% of its rows are broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    visitor = generator.integers(100, size=ROWS)
    product = (visitor * 3 + generator.integers(6, size=ROWS) ** 2) % 80
    when = np.datetime64("2024-03-01T00:00:00") + generator.integers(60 * 86_400, size=ROWS)
    action = np.where(generator.random(ROWS) < 0.3, "view", "buy")
    device = np.array(["", "phone", "phone", "desk"])[generator.integers(4, size=ROWS)]
    columns = (when, visitor, action, product, device)
    lines = [f"{t},v{v},{a},p{p},{d}" for t, v, a, p, d in zip(*columns, strict=True)]
    for place, row in enumerate(range(0, ROWS, ROWS // BROKEN)):
        lines[row] = ("yesterday,v1,buy,p1,desk", "2024-03-02T00:00:00,v1,buy,,desk")[place % 2]
    header = "when,visitor,action,product,device"
    (folder / "clicks.csv").write_text("\n".join([header, *lines, ""]))
    (folder / f"{NAME}.toml").write_text(CONFIG)


def start(folder: Path) -> subprocess.Popen:
    """`sessionrec run` in the folder, as the leader of a process group."""
    with (folder / "printed.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "tfx_pipeline", "run", "--config", f"{NAME}.toml"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def watch(
    folder: Path, process: subprocess.Popen, is_moment: Callable[[], bool] = lambda: False
) -> set[str]:
    """Wait for the end of the run, or for a moment before.

    Returns:
      Whatever was seen in the serving folder that a server would take for a version but that is
      not whole.
    """
    partial: set[str] = set()
    while process.poll() is None and not is_moment():
        partial |= partial_versions(folder)
        time.sleep(POLL_SECONDS)
    return partial | partial_versions(folder)


def partial_versions(folder: Path) -> set[str]:
    """Versions in the serving folder without a file of every kind that a model has."""
    needed = ("saved_model.pb", "variables/variables.index", "assets.extra", "fingerprint.pb")
    return {
        version.name
        for version in (folder / "output/serving" / NAME).glob("[0-9]*")
        if not all((version / name).exists() for name in needed)
    }


def printed(folder: Path) -> str:
    """What the folder's last run printed so far."""
    return (folder / "printed.txt").read_text()


def stage(folder: Path) -> str:
    """The stage that was under way, from the libraries' log."""
    log = folder / "output/runs" / NAME / "sessionrec.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    found = re.findall(r"Component (\w+) is (running|finished)", text)
    if not found:
        return "start"
    name, state = found[-1]
    return name if state == "running" else f"after {name}"


def left_open(folder: Path) -> list[str]:
    """The components that ML Metadata has as running."""
    store = _store(folder)
    if store is None:
        return []
    names = {kind.id: kind.name.rpartition(".")[2] for kind in store.get_execution_types()}
    return sorted(names[each.type_id] for each in open_executions(store, NAME))


def read_result(folder: Path) -> Result:
    """What the last run of the folder pushed; there must be one version."""
    [version] = (folder / "output/serving" / NAME).glob("[0-9]*")
    content = (version / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    signatures = {
        name: {
            (side, key): (tensor.dtype, str(tensor.tensor_shape))
            for side in ("inputs", "outputs")
            for key, tensor in getattr(signature, side).items()
        }
        for name, signature in graph.signature_def.items()
    }
    store = _store(folder)
    assert store is not None
    return Result(compared(runs_in(store)[-1])[MODEL], signatures)


def _store(folder: Path) -> MetadataStore | None:
    path = folder / "output/runs" / NAME / "metadata.db"
    if not path.exists():
        return None
    return MetadataStore(metadata.sqlite_metadata_connection_config(str(path)))


def undisturbed(folder: Path) -> tuple[float, Result]:
    """How long a run takes that nothing happens to, in seconds, and its result."""
    write_log(folder)
    begin = time.monotonic()
    process = start(folder)
    watch(folder, process)
    if process.returncode:
        raise RuntimeError(f"The undisturbed run failed: {printed(folder)}")
    return time.monotonic() - begin, read_result(folder)


def kill(folder: Path, is_moment: Callable[[], bool]) -> tuple[set[str], str, list[str]]:
    """Run up to a moment; the partial versions seen, the stage, and what is left open."""
    process = start(folder)
    partial = watch(folder, process, is_moment)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return partial, stage(folder), left_open(folder)


def kill_and_run_again(
    folder: Path, moment: str, is_moment: Callable[[], bool], expected: Result
) -> tuple[bool, str]:
    """One moment: whether all was well, and its row of the table."""
    partial, killed_in, was_open = kill(folder, is_moment)
    process = start(folder)
    partial |= watch(folder, process)
    problems = [f"partial version {name}" for name in sorted(partial)]
    if process.returncode:
        problems.append(printed(folder).splitlines()[-1])
    else:
        problems += [f"{name} left open" for name in left_open(folder)]
        problems += [] if read_result(folder).equals(expected) else ["another result"]
    again = "finished" if process.returncode == 0 else f"exit status {process.returncode}"
    outcome = "; ".join(problems) or "equal"
    was = ", ".join(was_open) or "nothing"
    return not problems, f"| {moment} | {killed_in} | {was} | {again} | {outcome} |\n"


def kill_at_random(folder: Path, moments: int, seed: int) -> bool:
    """Write `table.md` into the folder; True if all was well at every moment.

    The moments are drawn one from each of as many equal parts of an undisturbed run.
    """
    length, expected = undisturbed(folder / "undisturbed")
    generator = random.Random(seed)
    all_well = True
    table = folder / "table.md"
    table.write_text(HEAD)
    print(f"an undisturbed run takes {length:.1f} s\n{HEAD}", end="", flush=True)
    for number in range(moments):
        seconds = (number + generator.random()) / moments * length
        run_folder = folder / str(number)
        write_log(run_folder)
        end = time.monotonic() + seconds
        is_well, row = kill_and_run_again(
            run_folder, f"{seconds:.1f} s", lambda end=end: time.monotonic() >= end, expected
        )
        print(row, end="", flush=True)
        with table.open("a") as file:
            file.write(row)
        all_well &= is_well
        if is_well:
            shutil.rmtree(run_folder)
    return all_well


def main() -> None:
    """Exit status 1 if anything was lost or half done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="a new folder")
    given = parser.parse_args()
    sys.exit(not kill_at_random(given.output.absolute(), given.moments, given.seed))


if __name__ == "__main__":
    main()
