import os
import shutil
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from peers import Peer, flags
from serving_models import publish, save_half_plus

from serving.server.model_server import ModelServer


@pytest.fixture(scope="session")
def half_plus(tmp_path_factory) -> Callable[[int], Path]:
    """The folder of a saved model y = x / 2 + offset, by offset."""
    root = tmp_path_factory.mktemp("half_plus")

    def path_of(offset: int) -> Path:
        path = root / str(offset)
        if not path.exists():
            save_half_plus(path, float(offset))
        return path

    return path_of


@pytest.fixture
def copy_of(half_plus, tmp_path) -> Callable[[int], Path]:
    """A copy of a saved model that a test may damage."""

    def copy(offset: int) -> Path:
        return Path(shutil.copytree(half_plus(offset), tmp_path / f"copy-{offset}"))

    return copy


@pytest.fixture
def base_path(tmp_path) -> Path:
    return tmp_path / "served"


@pytest.fixture
def peer(half_plus, base_path):
    """Serves version 1, y = x / 2 + 1, and watches the folder."""
    publish(half_plus(1), base_path, 1)
    with ModelServer(flags(base_path)) as server:
        yield Peer(server)
