"""Build the container image with buildah, and run commands in containers from it.

    python3 -m scripts.image NAME

No container engine is needed, only root rights and Debian's package buildah, which runs commands in
containers by chroot, with the host's network. The base is a Debian 13 made by
debootstrap, as the official debian:trixie-slim is; `docker build` takes that one itself.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts.debian_root import make_root, network_settings
from scripts.host import SetupError
from scripts.setup_env import call

ROOT = Path(__file__).resolve().parent.parent
BASE = "localhost/debian:trixie"
ENVIRONMENT = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
# Their files without bytecode, and what was taken away left out.
LARGEST_PACKAGES = """
from importlib.metadata import distributions
paths = {d.name: [f.locate() for f in d.files or ()] for d in distributions()}
bytes_ = {name: sum(p.stat().st_size for p in of if p.exists()) for name, of in paths.items()}
for name in sorted(bytes_, key=bytes_.get, reverse=True)[:5]:
    print(f"{bytes_[name] / 1e6:7.0f} MB  {name}")
"""


def buildah(*arguments: str | Path) -> str:
    """What a buildah command prints.

    Raises:
      SetupError: it failed; has what it printed.
    """
    return call("buildah", *arguments, env=ENVIRONMENT).strip()


def make_base() -> None:
    """Make the base image of a Debian 13, with what it needs to reach this host's network."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        make_root(root)
        container = buildah("from", "scratch")
        buildah("add", container, root, "/")
    settings = [f"--env={name}={value}" for name, value in network_settings().items()]
    buildah("config", *settings, container)
    buildah("commit", "--rm", container, BASE)


def build(name: str) -> float:
    """Build the image and its base, if that is not there; returns its GB above the base."""
    if BASE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        make_base()
    buildah("build", "--network", "host", "--build-arg", f"BASE={BASE}", "--tag", name, ".")
    return size(name) - size(BASE)


def size(name: str) -> float:
    """GB of an image."""
    [found] = json.loads(buildah("images", "--json", name))
    return float(found["size"].split()[0]) * {"MB": 1e-3, "GB": 1.0}[found["size"].split()[1]]


@contextmanager
def container(name: str) -> Iterator[str]:
    """A new container from an image; it and what was written in it are gone in the end."""
    made = buildah("from", "--pull-never", name)
    try:
        yield made
    finally:
        buildah("rm", made)


def in_container(
    made: str, command: list[str], mounts: Mapping[Path, str], **environment: str
) -> list[str]:
    """The command line that runs `command` in a container, as the image's user.

    Args:
      made: the container.
      command: the program and its arguments.
      mounts: folders of this host and where the container has them.
      environment: further variables.
    """
    volumes = [f"--volume={folder}:{place}" for folder, place in mounts.items()]
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    return ["buildah", "run", *volumes, *variables, made, "--", *command]


def main() -> None:
    """Read the name and build."""
    parser = argparse.ArgumentParser(description="Build the image with buildah.")
    parser.add_argument("name", help="of the image, as localhost/sessionrec:0.1.0")
    name = parser.parse_args().name
    begun = time.monotonic()
    try:
        above = build(name)
        print(f"{name}: {above:.2f} GB above its base, {time.monotonic() - begun:.0f} s. Largest:")
        with container(name) as made:
            largest = in_container(made, ["python", "-c", LARGEST_PACKAGES], {})
            print(call(*largest, env=ENVIRONMENT), end="")
    except SetupError as error:
        sys.exit(f"image: {error}")


if __name__ == "__main__":
    main()
