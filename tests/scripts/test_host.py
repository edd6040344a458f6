"""What a host lacks is said at once, in one line, with the command that installs it."""

import os
import sys
import tomllib
from pathlib import Path

import pytest

from scripts import host

ROOT = Path(__file__).parents[2]
THIS = f"python3.{sys.version_info[1]}"
ENOUGH = {"machine": "x86_64", "disk_gb": 6.0, "memory_gb": 4.0, "path": "plain"}


def host_with(*programs: str):
    """A `shutil.which` that finds `programs` only."""
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def test_the_pythons_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (first, *_, last) = host.PYTHONS
    assert project["requires-python"] == f">=3.{first[1]},<3.{last[1] + 1}"


@pytest.mark.parametrize(
    ("new_enough", "programs", "path"),
    [
        (True, (), "plain"),
        # A new Debian needs no libraries of a newer one.
        (True, ("apt-get", "dpkg"), "plain"),
        (False, ("apt-get", "dpkg"), "private-glibc"),
        (False, ("dnf",), ""),
        (False, ("apt-get",), ""),
    ],
)
def test_a_supported_host_gets_the_least_that_it_needs(new_enough, programs, path):
    assert host.choose_path(new_enough, host_with(*programs)) == path


def test_this_host_is_judged():
    assert isinstance(host.host_is_new_enough(), bool)


@pytest.mark.parametrize("libc", ["glibc 2.36", "glibc 2.9", "musl 1.2.5"])
def test_an_old_or_other_libc_is_not_new_enough(monkeypatch, libc):
    monkeypatch.setattr(os, "confstr", lambda _: libc)
    assert host.host_is_new_enough() is False


def test_packages_that_are_missing():
    assert host.missing_packages(True, True, host_with("make", "g++")) == []
    found = host.missing_packages(False, False, host_with("make"))
    assert [apt for _, apt, _ in found] == ["g++", f"{THIS}-dev", f"{THIS}-venv"]
    assert [dnf for _, _, dnf in found] == ["gcc-c++", f"{THIS}-devel", THIS]


@pytest.mark.parametrize(
    ("programs", "command"),
    [
        (("apt-get",), "sudo apt install make g++"),
        (("dnf",), "sudo dnf install make gcc-c++"),
        ((), "sudo apt install make g++ or sudo dnf install make gcc-c++"),
    ],
)
def test_the_command_is_the_hosts(programs, command):
    packages = host.missing_packages(True, True, host_with())
    assert host.how_to_install(packages, host_with(*programs)) == f" Install with: {command}"


def test_nothing_to_install_is_no_command():
    assert host.how_to_install([], host_with("apt-get")) == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"machine": "aarch64"}, "Linux on x86_64 (this is linux on aarch64)"),
        ({"disk_gb": 1.23}, "6 GB of disk for /there/.venv (1.2 are free)"),
        ({"memory_gb": 1.5}, "4 GB of memory (1.5 are there)"),
        ({"path": ""}, "glibc 2.38 and libstdc++ of GCC 13"),
        ({"path": ""}, f"this host has {os.confstr('CS_GNU_LIBC_VERSION')}"),
        ({"path": ""}, "docker build -t sessionrec ."),
    ],
)
def test_what_no_package_brings(wrong, words):
    assert host.lacks(Path("/there/.venv"), **ENOUGH) == []
    [found] = host.lacks(Path("/there/.venv"), **ENOUGH | wrong)
    assert words in found


def test_everything_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(host, "host_is_new_enough", lambda: True)
    monkeypatch.setattr(host, "DISK_GB", 10**9)
    monkeypatch.setattr(host, "MEMORY_GB", 10**9)
    packages = [("a C++ compiler", "g++", "gcc-c++")]
    monkeypatch.setattr(host, "missing_packages", lambda *_: packages)
    with pytest.raises(host.SetupError) as caught:
        host.check_host(tmp_path / "not" / "yet")
    assert "\n" not in str(caught.value)
    for words in ("missing: ", "GB of disk", "GB of memory", "a C++ compiler", " install "):
        assert words in str(caught.value)


def test_this_host_lacks_nothing(tmp_path):
    assert host.check_host(tmp_path) in ("plain", "private-glibc")
