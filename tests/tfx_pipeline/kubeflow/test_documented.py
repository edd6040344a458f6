"""docs/kubeflow.md: its commands exist, and the one that compiles writes the file beside it."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tfx_pipeline.config import Config

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "kubeflow.md").read_text()
COMPILED = "docs/kubeflow/complete_journey.yaml"
COMMANDS = {
    arguments[1]: arguments[2:]
    for block in re.findall(r"^\.venv/bin/sessionrec (kubeflow (?:.*\\\n)*.*)", PAGE, re.MULTILINE)
    for arguments in [shlex.split(block.replace("\\\n", " "))]
}


def test_the_compiled_pipeline_is_up_to_date(run_command, tmp_path):
    """If this fails, run the command `kubeflow compile` of docs/kubeflow.md."""
    arguments = [
        str(tmp_path / "again.yaml") if part == COMPILED else part for part in COMMANDS["compile"]
    ]
    status, printed = run_command(ROOT, "kubeflow", "compile", *arguments)
    assert (status, printed) == (0, f"pipeline: {tmp_path / 'again.yaml'}\n")
    assert (tmp_path / "again.yaml").read_text() == (ROOT / COMPILED).read_text()


@pytest.mark.parametrize("command", ["submit", "schedule"])
def test_the_other_commands_are_taken_up_to_the_token(run_command, command, tmp_path):
    arguments = [part.replace("~", str(tmp_path)) for part in COMMANDS[command]]
    status, printed = run_command(ROOT, "kubeflow", command, *arguments)
    assert status == 1
    assert printed.startswith(f"error: The token file {tmp_path}/.kfp-token cannot be read")


def test_its_settings_are_valid():
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        content = tomllib.loads(block)
        content.setdefault("pipeline", {}).setdefault("name", "shop")
        content.setdefault("data", {"log": "gs://shop/log.csv"})
        Config.model_validate(content)


def test_a_wrong_setting_is_answered_with_one_line(run_command, tmp_path):
    (tmp_path / "shop.toml").write_text('[data]\nlog = "clicks.csv"\n[kubeflow]\ncpus = 2\n')
    where = ("--image", "i", "--pipeline-root", "gs://shop/root")
    answer = run_command(tmp_path, "kubeflow", "compile", "--config", "shop.toml", *where)
    assert answer == (2, "error: shop.toml: unknown key 'kubeflow.cpus'; did you mean 'cpu'?\n")
