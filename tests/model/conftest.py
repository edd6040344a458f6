"""What the slower tests share: Transform's output, and a model trained and exported over it."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf
from tiny_log import ITEMS, splits
from tiny_transform import arguments, transform

from model.trainer import run_fn


@pytest.fixture(scope="session")
def item_table(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("items") / "items.csv"
    path.write_text(ITEMS)
    return {"path": str(path), "item_id": "item_id", "features": ["brand"], "digest": ""}


@pytest.fixture(scope="session")
def transformed(tmp_path_factory, item_table) -> Path:
    return transform(tmp_path_factory.mktemp("transformed"), item_table, **splits())


@pytest.fixture(scope="session")
def exported(transformed, item_table, tmp_path_factory) -> Path:
    """The SavedModel of a trained model with lists of 2 of its 3 items."""
    given = arguments(transformed, tmp_path_factory.mktemp("model") / "run", 2, item_table)
    run_fn(given)
    return Path(given.serving_model_dir)


@pytest.fixture(scope="session")
def call(exported):
    """Call a signature: (name, examples, further inputs) to its outputs as NumPy arrays."""
    served = tf.saved_model.load(str(exported))

    def run(signature: str, users: list[bytes], **inputs) -> dict:
        found = served.signatures[signature](examples=tf.constant(users), **inputs)
        return {name: tensor.numpy() for name, tensor in found.items()}

    run.signatures = served.signatures
    return run
