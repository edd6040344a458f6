"""The documentation says what the code does."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.config_page import page
from tfx_pipeline.config import load_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_configuration_page_is_up_to_date():
    """If this fails: .venv/bin/python -m scripts.config_page > docs/configuration.md."""
    assert (ROOT / "docs" / "configuration.md").read_text() == page()


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_the_readmes_configuration_is_valid(block, tmp_path):
    tomllib.loads(block)
    path = tmp_path / "shop.toml"
    path.write_text(block)
    assert load_config(path).data.columns.user_id == "visitor"


def test_the_readmes_commands_and_files_exist(run_command):
    _, usage = run_command(ROOT, "--help")
    for command in re.findall(r"^\.venv/bin/sessionrec (\w+)", README, re.MULTILINE):
        assert re.search(rf"│ {command} ", usage), command
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([\w-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / path).exists(), path


def test_the_paths_that_contributing_names_exist():
    paths = re.findall(r"\]\(([^)]+)\)", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_pages_build_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={tmp_path}"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    assert (tmp_path / "benchmarks" / "index.html").exists()


def test_the_readmes_program_compiles():
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(program, "README.md", "exec")
