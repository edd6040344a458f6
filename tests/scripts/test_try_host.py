"""A fresh Debian 13, from the README alone."""

import os
import re
from pathlib import Path

import pytest

from scripts import try_host

ROOT = Path(__file__).parents[2]


def test_the_readme_names_the_packages():
    found = try_host.packages_of((ROOT / "README.md").read_text())
    assert found == ["git", "make", "g++", "python3-dev", "python3-venv"]


def test_a_readme_without_packages_is_an_error():
    with pytest.raises(ValueError, match="no line `sudo apt install"):
        try_host.packages_of("make run\n")


def test_the_long_form_is_the_readmes_commands():
    section = (ROOT / "README.md").read_text().split("\n## ")[1]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    assert tuple(line for line in lines if not line.startswith("sudo ")) == try_host.LONG


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(FileExistsError):
        try_host.try_host(tmp_path, ())
    assert (tmp_path / "mine").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.geteuid() != 0, reason="a Debian in a folder needs root rights")
def test_a_log_becomes_a_pushed_model(tmp_path, capfd):
    try_host.try_host(tmp_path / "host", try_host.SHORT)
    printed = capfd.readouterr().out
    assert "Python 3.13" in printed and "(plain)" in printed
    assert "blessed: every threshold is met" in printed
    *_, version, seconds = printed.split("$ ls output/serving/shop")[1].strip().splitlines()
    assert version.isdigit() and seconds.startswith("# ")
    assert not (tmp_path / "host").exists()
