"""A Debian 13 in a folder, made by debootstrap: a host, or the base of an image. Needs root rights.

Commands in it see their own processes and mounts, which end with them. The network's settings come
from this host: its certificates, if SSL_CERT_FILE names them, and of the environment the proxies
and the settings of pip and uv that are no files.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from scripts.setup_env import call

CERTIFICATES = Path("/usr/local/share/certificates-of-the-host.pem")
_CERTIFICATE_SETTINGS = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# /dev/shm is for the locks of Python's multiprocessing.
_ENTER = """
mount -t proc proc "$0/proc"
mkdir -p "$0/dev/shm"
mount -t tmpfs tmpfs "$0/dev/shm"
exec chroot --userspec="$1" "$0" env --ignore-environment --chdir="$2" "${@:3}"
"""


def make_root(folder: Path, packages: Iterable[str] = ()) -> None:
    """Make Debian 13's minimal system in `folder`, which must not exist, with further packages.

    Raises:
      SetupError: debootstrap or a package failed.
    """
    call("debootstrap", "--variant=minbase", "trixie", folder)
    call(*in_root(folder, "apt-get", "clean"))
    if certificates := os.environ.get("SSL_CERT_FILE"):
        shutil.copy(certificates, folder / CERTIFICATES.relative_to("/"))
    install(folder, packages)


def install(folder: Path, packages: Iterable[str]) -> None:
    """Install Debian packages into the root in `folder`."""
    if packages := list(packages):
        call(*in_root(folder, "apt-get", "update"))
        install = ("apt-get", "install", "--yes", *packages)
        call(*in_root(folder, *install, DEBIAN_FRONTEND="noninteractive"))


def network_settings() -> dict[str, str]:
    """Environment variables that a program in the root needs to reach this host's network."""
    found = {
        name: value
        for name, value in os.environ.items()
        if name in _PROXIES or (name.startswith(("PIP_", "UV_")) and not value.startswith("/"))
    }
    if os.environ.get("SSL_CERT_FILE"):
        found |= dict.fromkeys(_CERTIFICATE_SETTINGS, str(CERTIFICATES))
    return found


def in_root(
    folder: Path, *command: str, user: str = "root", work: str = "/", **environment: str
) -> list[str]:
    """The command line that runs `command` in the root in `folder`, and ends what it left running.

    Args:
      folder: of the root.
      command: the program and its arguments.
      user: who runs it, with a home in /home unless it is root.
      work: the folder it runs in, within the root.
      environment: further variables.
    """
    variables = {
        "HOME": "/root" if user == "root" else f"/home/{user}",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "USER": user,
        **network_settings(),
        **environment,
    }
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-ec", _ENTER]
    enter += [str(folder), user, work, *(f"{name}={value}" for name, value in variables.items())]
    return [*enter, *command]
