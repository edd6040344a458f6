"""A compiled pipeline that the tests share."""

from pathlib import Path

import pytest

from tfx_pipeline.config import Config, load_config
from tfx_pipeline.kubeflow.compiler import compile_pipeline

SHOP = """
[data]
log = "gs://shop/logs/{YYYY}-{MM}-{DD}/*.parquet"
spans = 28
item_table = { path = "gs://shop/items.parquet", features = ["brand"] }
[train]
epochs = 7
[pipeline]
name = "my_shop"
[kubeflow.components.Trainer]
cpu = 8
memory_gb = 30
retries = 0
"""


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """The configuration of a shop, with overrides."""
    path = tmp_path_factory.mktemp("config") / "shop.toml"
    path.write_text(SHOP)

    def load(*overrides: str) -> Config:
        return load_config(path, overrides)

    return load


@pytest.fixture(scope="session")
def package(shop, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("package") / "shop.yaml"
    path.write_text(compile_pipeline(shop(), "registry/sessionrec:1", "gs://shop/sessionrec"))
    return path
