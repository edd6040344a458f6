"""`make setup`: which Python it takes, and that a killed set-up is started again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKS = 'echo "$0 $*" >> calls'
HAS_NO_VENV = "case $* in *ensurepip*) exit 1;; esac"
IS_A_SHIM_WITHOUT_A_PYTHON = "exit 127"
IS_KILLED = "mkdir -p .venv/bin; touch .venv/bin/python; kill -KILL $$"


@pytest.fixture
def clone(tmp_path) -> Path:
    """A Makefile and what its set-up depends on; programs go to `bin`."""
    (tmp_path / "scripts").mkdir()
    for name in ("requirements.txt", "pyproject.toml", "scripts/setup_env.py", "scripts/host.py"):
        (tmp_path / name).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / ".venv").mkdir()
    for name in ("make", "sh", "touch", "mkdir"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def write_program(clone: Path, name: str, script: str) -> None:
    program = clone / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def make_setup(clone: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """(status, what was printed) of `make setup` with the programs of `bin` only."""
    done = subprocess.run(
        [str(clone / "bin" / "make"), "setup", *arguments],
        cwd=clone,
        env={"PATH": str(clone / "bin"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def python_of(clone: Path) -> str:
    """The program that set-up was started with."""
    [call] = [line for line in (clone / "calls").read_text().splitlines() if "setup_env" in line]
    program, arguments = call.split(" ", 1)
    assert arguments == "-m scripts.setup_env --venv .venv"
    return Path(program).name


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3.13": WORKS, "python3.12": WORKS, "python3.11": WORKS}, "python3.13"),
        ({"python3.13": HAS_NO_VENV, "python3.12": WORKS, "python3": WORKS}, "python3.12"),
        ({"python3.13": IS_A_SHIM_WITHOUT_A_PYTHON, "python3.11": WORKS}, "python3.11"),
        # Set-up itself says what such a one lacks, or has another one fetched.
        ({"python3": WORKS}, "python3"),
        ({"python3.13": HAS_NO_VENV, "python3": WORKS}, "python3"),
    ],
)
def test_set_up_takes_the_newest_python_that_works(clone, pythons, chosen):
    for name, script in pythons.items():
        write_program(clone, name, script)
    assert make_setup(clone) == (0, "")
    assert python_of(clone) == chosen


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_named_python_is_taken(clone, how):
    write_program(clone, "python3.13", WORKS)
    write_program(clone, "mine", WORKS)
    if how == "argument":
        assert make_setup(clone, "PYTHON=mine") == (0, "")
    else:
        assert make_setup(clone, PYTHON="mine") == (0, "")
    assert python_of(clone) == "mine"


@pytest.mark.parametrize(("arguments", "name"), [((), "python3"), (("PYTHON=mine",), "mine")])
def test_a_host_without_python_is_told_what_to_install(clone, arguments, name):
    status, printed = make_setup(clone, *arguments)
    assert status != 0
    told, _ = printed.splitlines()  # and the line of make itself
    assert told.startswith(f"set-up: there is no {name}. Install with: sudo apt install g++ ")
    assert " or sudo dnf install gcc-c++ " in told


def test_a_killed_set_up_is_started_again(clone):
    write_program(clone, "python3", IS_KILLED)
    status, _ = make_setup(clone)
    assert status != 0
    assert (clone / ".venv" / "bin" / "python").exists()
    write_program(clone, "python3", WORKS)
    assert make_setup(clone) == (0, "")
    assert python_of(clone) == "python3"
    # What is done is not done again, until the lock changes.
    (clone / "calls").unlink()
    assert make_setup(clone)[0] == 0
    assert not (clone / "calls").exists()
    later = (clone / ".venv" / ".ready").stat().st_mtime + 1
    os.utime(clone / "requirements.txt", (later, later))
    assert make_setup(clone)[0] == 0
    assert python_of(clone) == "python3"
