"""What a host has for the stack, and all that it lacks, said at once."""

from __future__ import annotations  # An older Python runs this far, to be told.

import ctypes
import importlib.util
import os
import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

PYTHONS = ((3, 11), (3, 12), (3, 13))  # as requires-python of pyproject.toml
DISK_GB, MEMORY_GB = 6, 4
NEEDED_GLIBC = (2, 38)
NEEDED_LIBSTDCXX = b"GLIBCXX_3.4.32"


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def has_known_python() -> bool:
    """Whether the project's packages run on this Python."""
    return sys.version_info[:2] in PYTHONS


def host_is_new_enough() -> bool:
    """Whether the system's glibc and libstdc++ can load the stack's newest wheels."""
    name, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < NEEDED_GLIBC:
        return False
    try:
        ctypes.CDLL("libstdc++.so.6")
    except OSError:
        return False
    mapped = re.search(r"\S+libstdc\+\+\.so\S*", Path("/proc/self/maps").read_text())
    return mapped is not None and NEEDED_LIBSTDCXX in Path(mapped.group()).read_bytes()


def choose_path(new_enough: bool, have: Callable[[str], str | None] = shutil.which) -> str:
    """`plain`, `private-glibc`, or '' for a host that is neither new enough nor has apt."""
    if new_enough:
        return "plain"
    return "private-glibc" if have("apt-get") and have("dpkg") else ""


def missing_packages(
    has_venv: bool, has_headers: bool, have: Callable[[str], str | None] = shutil.which
) -> list[tuple[str, str, str]]:
    """What packages of the system would bring: what it is, its name for apt and for dnf.

    Args:
      has_venv: whether this Python can make an environment with pip.
      has_headers: whether this Python's headers are there.
      have: finds a program.
    """
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    checks = (
        (have("make"), ("make", "make", "make")),
        # pyfarmhash, which tensorflow-data-validation needs, has no wheel.
        (have("g++"), ("a C++ compiler", "g++", "gcc-c++")),
        (has_headers, ("Python's headers", f"{python}-dev", f"{python}-devel")),
        (has_venv, ("Python's venv", f"{python}-venv", python)),
    )
    return [names for is_there, names in checks if not is_there]


def lacks(folder: Path, machine: str, disk_gb: float, memory_gb: float, path: str) -> list[str]:
    """What no package would bring, one phrase each."""
    found = []
    if not (sys.platform == "linux" and machine == "x86_64"):
        found.append(f"Linux on x86_64 (this is {sys.platform} on {machine})")
    if not path:
        found.append(
            f"glibc {'.'.join(map(str, NEEDED_GLIBC))} and libstdc++ of GCC 13, as of Ubuntu "
            f"24.04, Debian 13 or a current Fedora (this host has "
            f"{os.confstr('CS_GNU_LIBC_VERSION')} and no apt; the container image has them: "
            "docker build -t sessionrec .)"
        )
    if disk_gb < DISK_GB:
        found.append(f"{DISK_GB} GB of disk for {folder} ({disk_gb:.1f} are free)")
    if memory_gb < MEMORY_GB:
        found.append(f"{MEMORY_GB} GB of memory ({memory_gb:.1f} are there)")
    return found


def check_host(folder: Path) -> str:
    """How this host gets its environment, `plain` or `private-glibc`.

    Raises:
      SetupError: something is missing; the message has all of it in one line.
    """
    path = choose_path(host_is_new_enough())
    there = next(place for place in (folder, *folder.parents) if place.exists())
    disk = shutil.disk_usage(there).free / 1e9
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    # uv's Pythons have their headers.
    headers = Path(sysconfig.get_path("include"), "Python.h")
    has_headers = headers.exists() or not has_known_python()
    packages = missing_packages(importlib.util.find_spec("ensurepip") is not None, has_headers)
    missing = lacks(folder, platform.machine(), disk, memory, path)
    missing += [name for name, _, _ in packages]
    if missing:
        raise SetupError(f"missing: {'; '.join(missing)}.{how_to_install(packages)}")
    return path


def how_to_install(
    packages: list[tuple[str, str, str]],
    have: Callable[[str], str | None] = shutil.which,
) -> str:
    """The command for what `missing_packages` found, with a space before it; '' for nothing."""
    apt, dnf = (" ".join(names[place] for names in packages) for place in (1, 2))
    commands = (f"apt install {apt}", f"dnf install {dnf}")
    if have("apt-get"):
        commands = commands[:1]
    elif have("dnf"):
        commands = commands[1:]
    return f" Install with: {' or '.join(f'sudo {line}' for line in commands)}" if packages else ""
