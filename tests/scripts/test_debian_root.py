"""Commands in a Debian of a folder: what they get of this host; they leave nothing behind."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from scripts import debian_root


def test_the_networks_settings_go_along_but_no_file_of_the_host(monkeypatch):
    for name in list(os.environ):
        monkeypatch.delenv(name)
    assert debian_root.network_settings() == {}
    settings = {
        "https_proxy": "http://127.0.0.1:1",
        "PIP_DEFAULT_TIMEOUT": "60",
        "UV_HTTP_TIMEOUT": "60",
    }
    others = {"HOME": "/root", "PIP_FIND_LINKS": "/wheels", "SSL_CERT_FILE": "/etc/ca.pem"}
    for name, value in (settings | others).items():
        monkeypatch.setenv(name, value)
    names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    certificates = dict.fromkeys(names, str(debian_root.CERTIFICATES))
    assert debian_root.network_settings() == settings | certificates


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts and chroot need root rights")
def test_a_killed_command_leaves_no_process_and_no_mount():
    mounts = Path("/proc/self/mounts").read_text()
    # This host's own root stands for one made by debootstrap.
    script = 'sleep 500 & echo "$(id -un) has $$ and $(wc -l < /proc/mounts) mounts"; wait'
    line = debian_root.in_root(Path("/"), "sh", "-c", script)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    # It is the first process of its own world, with two mounts more.
    assert process.stdout.readline() == f"root has 1 and {mounts.count(chr(10)) + 2} mounts\n"
    inside = psutil.Process(process.pid).children(recursive=True)
    assert "sleep" in [found.name() for found in inside]
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(inside, timeout=30)
    assert alive == []
    assert Path("/proc/self/mounts").read_text() == mounts
