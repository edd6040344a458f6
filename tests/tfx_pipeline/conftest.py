"""Artifacts on disk for the tests of evaluation."""

import pytest
from tiny_servables import BAD_LIST, GOOD_LIST, save_examples, save_servable
from tiny_store import make_artifacts


@pytest.fixture(scope="session")
def examples_uri(tmp_path_factory) -> str:
    return save_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="session")
def good_model(tmp_path_factory) -> str:
    return save_servable(tmp_path_factory.mktemp("good"), GOOD_LIST)


@pytest.fixture(scope="session")
def bad_model(tmp_path_factory) -> str:
    return save_servable(tmp_path_factory.mktemp("bad"), BAD_LIST)


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """The configuration and the artifacts of a log with two evaluated models."""
    return make_artifacts(tmp_path_factory.mktemp("artifacts"))
