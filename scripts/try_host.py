"""Try the README on a fresh Debian 13, as an unprivileged user who installs what it names.

    python3 -m scripts.try_host FOLDER [--long]

makes the system in FOLDER, clones the repository's HEAD into it, and runs there a set-up and a made
log's pipeline, or with --long the README's own two commands. Prints each command, what it prints
and its seconds; FOLDER is removed in the end. Needs root rights.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from scripts.debian_root import in_root, install, make_root
from scripts.host import SetupError
from scripts.setup_env import call

ROOT = Path(__file__).resolve().parent.parent
USER, HOME = "me", "/home/me"
CLONE = f"{HOME}/sessionrec"
# A log of 400 users and its shop.toml, a model of few numbers.
SHORT = (
    "make setup",
    ".venv/bin/python -c 'from pathlib import Path; from scripts.kill_test import write_log; "
    "write_log(Path())'",
    ".venv/bin/sessionrec run --config shop.toml --set model.dim=8 --set train.epochs=2",
    "ls output/serving/shop",
)
LONG = ("make run", "make test")


def packages_of(readme: str) -> list[str]:
    """The packages that a README installs with apt.

    Raises:
      ValueError: it names none.
    """
    found = re.search(r"^sudo apt install ([^#\n]+)", readme, re.MULTILINE)
    if found is None:
        raise ValueError("The README has no line `sudo apt install ...`.")
    return found.group(1).split()


def try_host(folder: Path, commands: tuple[str, ...]) -> None:
    """Make the host in `folder`, run the commands in a clone there, and remove the folder.

    Raises:
      FileExistsError: the folder was there already; it is left alone.
      subprocess.CalledProcessError: a command failed.
      SetupError: the host could not be made.
    """
    folder.mkdir()
    try:
        _run_in_clone(folder, commands)
    finally:
        shutil.rmtree(folder)


def _run_in_clone(folder: Path, commands: tuple[str, ...]) -> None:
    make_root(folder)
    call(*in_root(folder, "useradd", "--create-home", USER))
    call("git", "clone", ROOT, folder / CLONE.lstrip("/"))
    call(*in_root(folder, "chown", "--recursive", f"{USER}:{USER}", CLONE))
    packages = packages_of((ROOT / "README.md").read_text())
    _say(f"# apt install {' '.join(packages)}")
    install(folder, packages)
    for command in commands:
        _say(f"$ {command}")
        begun = time.monotonic()
        line = in_root(folder, *shlex.split(command), user=USER, work=CLONE, COLUMNS="100")
        subprocess.run(line, check=True, stdin=subprocess.DEVNULL)
        _say(f"# {time.monotonic() - begun:.0f} s")


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Read the flags and try the host."""
    parser = argparse.ArgumentParser(description="Try the README on a fresh Debian 13.")
    parser.add_argument("folder", type=Path, help="must not exist")
    parser.add_argument("--long", action="store_true", help="make run and make test")
    given = parser.parse_args()
    try:
        try_host(given.folder.resolve(), LONG if given.long else SHORT)
    except (FileExistsError, SetupError, subprocess.CalledProcessError) as error:
        sys.exit(f"try_host: {error}")


if __name__ == "__main__":
    main()
