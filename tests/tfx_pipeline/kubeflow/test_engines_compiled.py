"""configs/engines: Beam knows their flags, and every container is compiled with them."""

import re
import shlex
from pathlib import Path

import pytest
from apache_beam.io.gcp.gcsio import GcsIO
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.runner import create_runner
from local_cluster import load

from tfx_pipeline.config import load_config

ROOT = Path(__file__).parents[3]
ENGINES = sorted((ROOT / "configs" / "engines").glob("*.toml"))


def test_each_engine_has_a_file():
    assert [path.stem for path in ENGINES] == ["dataflow", "flink", "spark"]


@pytest.mark.parametrize("path", ENGINES, ids=lambda path: path.stem)
def test_beam_knows_the_flags(path, monkeypatch):
    # Of Dataflow's bucket, which is only an example: Beam would ask for minutes.
    monkeypatch.setattr(GcsIO, "is_soft_delete_enabled", lambda *_: False)
    flags = load_config(path).pipeline.beam_args
    options = PipelineOptions(list(flags))
    given = options.get_all_options(drop_default=True)
    assert {f"--{name}={value}" for name, value in given.items()} == set(flags)
    assert PipelineOptionsValidator(options, create_runner(given["runner"])).validate() == []


@pytest.mark.parametrize("path", ENGINES, ids=lambda path: path.stem)
def test_the_command_in_the_file_compiles_them_into_every_container(path, run_command, tmp_path):
    text = path.read_text()
    [command] = re.findall(r"^#   sessionrec ((?:.*\\\n)*.*)", text, re.MULTILINE)
    arguments = shlex.split(command.replace("\\\n#", " "))
    status, printed = run_command(ROOT, *arguments, "--output", str(tmp_path / "made.yaml"))
    assert status == 0, printed
    _, deployment = load(tmp_path / "made.yaml")
    flags = load_config(path).pipeline.beam_args
    assert len(deployment.executors) == 11
    for name, executor in deployment.executors.items():
        assert set(flags) <= set(executor.container.args), name
