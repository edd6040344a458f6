"""A log whose items change every month, and a small model fitted to it: factors of who had what."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console

from components.evaluation.request_arrays import decode_requests, read_folder
from components.ingestion.shards import split_folder
from model import features
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.local_runner import run_pipeline
from tfx_pipeline.runs import latest_run

DAY = 86_400
START = 1_700_000_000
DAYS, USERS, GROUPS = 120, 160, 8
LASTING, MONTHLY = 4, 8  # items of a group

CONFIG = """
[data]
log = "clicks.csv"
[split]
eval_days = 8
test_days = 8
[evaluate]
max_item_drift = 0.6
"""


def write_log(folder: Path, drifted: bool = False) -> Config:
    """Each user has one group's items: four that last, and eight that are new every month.

    Args:
      folder: where `clicks.csv` and the configuration go.
      drifted: whether all items of the last eight days are others.
    """
    generator = np.random.default_rng(3)
    lines = ["user_id,item_id,timestamp"]
    for day in range(DAYS):
        for user in np.flatnonzero(generator.random(USERS) < 0.25):
            choice = generator.choice(LASTING + MONTHLY, 4, replace=False)
            is_drifted = drifted and day >= DAYS - 8
            for item in choice:
                age = "" if item < LASTING else f"-month{day // 30}"
                name = f"g{user % GROUPS}-{item}{age}{'-other' if is_drifted else ''}"
                lines.append(f"u{user},{name},{START + day * DAY + int(user)}")
    (folder / "clicks.csv").write_text("\n".join(lines) + "\n")
    (folder / "shop.toml").write_text(CONFIG)
    log, root = f"data.log={folder}/clicks.csv", f"pipeline.root={folder}/output"
    return load_config(folder / "shop.toml", (log, root))


def ingest(config: Config, until: str = "SessionExampleGen") -> str:
    """Runs the pipeline up to a component; returns the folder of the Examples artifact."""
    run_pipeline(config, Console(quiet=True), until)
    return latest_run(config, "SessionExampleGen.examples").examples_uri


class Factors(tf.Module):
    """Scores items by the factors of what the user had."""

    def __init__(self, items: list[bytes], vectors: np.ndarray):
        super().__init__()
        self._items = tf.constant(items)
        # The last row, of any other item, has no part.
        self._vectors = tf.constant(np.vstack([vectors, np.zeros(vectors.shape[1])]), tf.float32)
        numbers = tf.range(len(items), dtype=tf.int64)
        keys = tf.lookup.KeyValueTensorInitializer(self._items, numbers)
        self._number = tf.lookup.StaticHashTable(keys, len(items))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples):
        spec = {features.ITEM_ID: tf.io.RaggedFeature(tf.string)}
        had = tf.io.parse_example(examples, spec)[features.ITEM_ID].to_tensor("")
        user = tf.reduce_sum(tf.gather(self._vectors, self._number.lookup(had)), 1)
        score = tf.matmul(user, self._vectors[:-1], transpose_b=True)
        best = tf.math.top_k(score, 20)
        return {"item_id": tf.gather(self._items, best.indices), "score": best.values}


def fit(examples_uri: str, until: int, folder: Path, shuffled: bool = False) -> str:
    """Fits to the training sessions before a time, newer ones weighing more, and saves it.

    Args:
      examples_uri: of the Examples artifact.
      until: unix seconds.
      folder: of the Model artifact.
      shuffled: whether items get each other's vectors.
    """
    records = list(read_folder(split_folder(examples_uri, features.REFIT_SPLIT)))
    requests = decode_requests(records)
    seen = requests.history_time < until
    user, item = requests.history_user[seen], requests.history_item[seen]
    weights = np.exp((requests.history_time[seen] - until) / (10 * DAY))
    matrix = np.zeros((requests.users, len(requests.item_ids)))
    np.add.at(matrix, (user, item), weights)
    _, strength, right = np.linalg.svd(matrix, full_matrices=False)
    vectors = (right[:GROUPS].T * np.sqrt(strength[:GROUPS])).astype(np.float32)
    if shuffled:
        np.random.default_rng(0).shuffle(vectors)
    model = Factors(list(requests.item_ids), vectors)
    signatures = {"serving_default": model.serving_default}
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures)
    return str(folder)
