"""Do the Dockerfile's first stage in a folder, where there is no container engine.

    python3.11 scripts/try_dockerfile.py FOLDER

The context is copied as .dockerignore allows, and the `uv pip install` lines run as they are, with
FOLDER for the root. Not as they are: the base image, for which set-up's environment stands, with
newer C libraries if need be; and the second stage, which copies what the first one made.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import setup_env

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT, WORKDIR = "opt/sessionrec", "build"
TOOLS = ("uv", "patchelf")


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """(name, argument) of each instruction, continued lines joined."""
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [(line.split()[0], line.partition(" ")[2]) for line in joined.splitlines() if line]


def first_stage(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions between the first FROM and the second."""
    found = instructions(dockerfile)
    start, end = [n for n, (name, _) in enumerate(found) if name == "FROM"]
    return found[start + 1 : end]


def context() -> list[str]:
    """What .dockerignore lets into the context; it refuses everything else."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def copy(names: list[str], folder: Path) -> None:
    """COPY names of the context to the folder."""
    for name in names:
        if name not in context():
            raise SystemExit(f"COPY {name}: .dockerignore keeps it out of the context.")
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)


def make_environment(folder: Path) -> None:
    """What `python -m venv` is in the base image, and the tools that build in it."""
    interpreter = setup_env.make_venv(folder / ENVIRONMENT)
    pins = [setup_env.pinned(name) for name in TOOLS]
    setup_env.call(interpreter, "-m", "pip", "install", "-q", *pins)
    if setup_env.choose_path(setup_env.host_is_new_enough()) == "private-glibc":
        libraries = folder / "glibc"
        libraries.mkdir()
        setup_env.point_at(interpreter, setup_env.fetch_c_libraries(libraries))


def build(folder: Path) -> None:
    """Do the first stage, then take the tools away, which the second stage does not copy."""
    (folder / WORKDIR).mkdir(parents=True)
    make_environment(folder)
    programs = folder / ENVIRONMENT / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for name, argument in first_stage((ROOT / "Dockerfile").read_text()):
        if name == "COPY":
            copy(argument.split()[:-1], folder / WORKDIR)
        for command in argument.split(" && ") if name == "RUN" else ():
            if command.startswith("uv "):
                # The cache spares the download of what set-up has installed.
                here = command.replace("--no-cache ", "").replace("/opt/", f"{folder}/opt/")
                print(f"RUN {here}", flush=True)
                subprocess.run(here, shell=True, cwd=folder / WORKDIR, env=environment, check=True)
    tools = [*TOOLS, "pip"]
    setup_env.call(programs / "python", "-m", "pip", "uninstall", "-q", "--yes", *tools)


def main() -> None:
    """Read the flag and build."""
    parser = argparse.ArgumentParser(description="Do the Dockerfile's first stage in a folder.")
    parser.add_argument("folder", type=Path)
    build(parser.parse_args().folder.resolve())


if __name__ == "__main__":
    main()
