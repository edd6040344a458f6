"""What can happen to a run from outside: one clear line, and nothing that was there is harmed."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tfx_pipeline.cli import app
from tfx_pipeline.command_line import FAILURE
from tfx_pipeline.config import load_config
from tfx_pipeline.local_runner import StageError, run_pipeline
from tfx_pipeline.report import write_report
from tfx_pipeline.run_lock import only_one

pytestmark = pytest.mark.slow

DAY = 86_400
RUN_FOLDER = Path("output/runs/shop")
METADATA = RUN_FOLDER / "metadata.db"
# Locks of SQLite are between processes.
HOLD = """
import sqlite3, sys, time
holder = sqlite3.connect(sys.argv[1])
holder.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(600)
"""
ON_A_TINY_DISK = """
mkdir output && mount -t tmpfs -o size=400k tmpfs output || exit 77
"$1" -m tfx_pipeline run --config shop.toml
status=$?
cp output/runs/shop/metadata.db kept.db
exit $status
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A log of ten days and its configuration, in the current folder."""
    rows = [f"u{user},i{user + day},{day * DAY}" for day in range(10) for user in range(4)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows, ""]))
    (tmp_path / "shop.toml").write_text(
        '[data]\nlog = "log.csv"\n[split]\neval_days = 2\ntest_days = 2\n'
    )
    monkeypatch.chdir(tmp_path)
    RUN_FOLDER.mkdir(parents=True)
    return tmp_path


def error_of(printed: str) -> str:
    assert "Traceback" not in printed
    [error] = [line for line in printed.splitlines() if line.startswith("error: ")]
    return error.removeprefix("error: ")


@pytest.fixture
def failing_run(folder, capfd):
    """Run `sessionrec run`, which must fail; gives the error's line."""

    def start() -> str:
        result = CliRunner().invoke(app, ["run", "--config", "shop.toml"])
        out, err = capfd.readouterr()
        printed = result.output + out + err
        assert result.exit_code == FAILURE, printed
        return error_of(printed)

    return start


def test_a_second_run_beside_the_first(failing_run):
    with only_one("run", RUN_FOLDER):
        error = failing_run()
    assert re.match(rf"Another run is under way in .*{RUN_FOLDER}: process {os.getpid()} on", error)


def test_metadata_that_another_program_holds(failing_run):
    command = [sys.executable, "-c", HOLD, str(METADATA)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            error = failing_run()
        finally:
            holder.kill()
    assert re.match(r"The metadata store .*metadata\.db cannot be used: Concurrent", error)
    assert "If another program holds it, end that" in error


def test_metadata_that_is_no_database(failing_run):
    METADATA.write_text("not a database" * 100)
    error = failing_run()
    assert re.match(
        r"The metadata store .*metadata\.db cannot be used: file is not a database\.", error
    )
    assert METADATA.read_text() == "not a database" * 100


def test_metadata_that_was_moved_away_without_the_artifacts(folder, failing_run):
    config, console = load_config(Path("shop.toml")), Console(file=io.StringIO())
    run_pipeline(config, console, until="SessionExampleGen")
    artifacts = RUN_FOLDER / "artifacts"
    before = sorted(artifacts.rglob("*"))
    METADATA.rename(METADATA.with_suffix(".old"))
    assert re.match(rf".*{artifacts} holds artifacts of execution 1, .* newest is 0", failing_run())
    assert sorted(artifacts.rglob("*")) == before
    artifacts.rename(RUN_FOLDER / "artifacts.old")
    run_pipeline(config, console, until="SessionExampleGen")


def test_a_serving_folder_that_cannot_be_written(failing_run):
    """Said before the log is looked for."""
    Path(load_config(Path("shop.toml")).data.log).unlink()
    Path("output/serving").write_text("a file where the folder should be")
    assert failing_run().endswith("output/serving cannot be written.")


def test_a_full_disk(folder):
    shutil.rmtree("output")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_TINY_DISK, "sh", sys.executable],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or shutil.which("unshare") is None:
        pytest.skip("needs to mount a tmpfs")
    assert done.returncode == FAILURE, done.stdout
    assert "no space is left on the disk of" in error_of(done.stderr)


def test_an_artifact_that_was_removed_is_made_again(folder):
    config = load_config(Path("shop.toml"))
    printed = io.StringIO()
    for _ in range(2):
        run_pipeline(config, Console(file=printed), until="SessionExampleGen")
        [artifact] = (RUN_FOLDER / "artifacts/SessionExampleGen/examples").iterdir()
        shutil.rmtree(artifact)
    assert "reused" not in printed.getvalue()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def overwrite(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + bytes(20) + whole[80:])


@pytest.mark.parametrize(
    ("damage", "reader"),
    [(cut, "StatisticsGen"), (cut, "CounterBaselines"), (overwrite, "Transform")],
    ids=["cut", "cut, for the counters", "bytes"],
)
def test_an_artifact_that_was_damaged_is_found_and_made_again_once_removed(folder, damage, reader):
    config, console = load_config(Path("shop.toml")), Console(file=io.StringIO())
    run_pipeline(config, console, until="SessionExampleGen")
    examples = RUN_FOLDER.resolve() / "artifacts/SessionExampleGen"
    for file in examples.glob("examples/*/Split-*/*.gz"):
        damage(file)
    with pytest.raises(StageError, match=f"{reader} failed: what it reads .*{examples}"):
        run_pipeline(config, console, until=reader)
    shutil.rmtree(examples / "examples")
    run_pipeline(config, console, until=reader)
    assert write_report(config).exists()
