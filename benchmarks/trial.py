"""Train one variant of the model on what a pipeline run transformed, as its Trainer would.

Each trial runs in a process of its own (`python -m benchmarks.trial`), so that none
inherits a graph, a seed or memory from another.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs, get_common_fn_args
from tfx.types import artifact_utils, standard_artifacts

from components.ingestion import SCHEMA
from model import features, trainer
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.runs import Artifact, latest_run

TRANSFORMED, GRAPH = "Transform.transformed_examples", "Transform.transform_graph"
SERVABLE, CURVES = "servable", "curves"
_INTERACTIONS = "interactions.json"


def train(config: Config, folder: Path, users: float = 1.0, base: str | None = None) -> None:
    """Write a SavedModel, the learning curves and how much was trained on.

    Args:
      config: of the variant; the latest Transform output of its pipeline is trained on.
      folder: gets `servable`, `curves` and `interactions.json`.
      users: share of the users that are trained on; the validation is the same.
      base: folder of a SavedModel to start from.
    """
    arguments = trainer_arguments(config, latest_run(config, TRANSFORMED).outputs)
    if users < 1:
        arguments.train_files = [_thinned(files, users, folder) for files in arguments.train_files]
    arguments.base_model = base
    arguments.serving_model_dir = str(folder / SERVABLE)
    arguments.model_run_dir = str(folder / CURVES)
    trainer.run_fn(arguments)
    count = sum(map(_engaged_events, _records(arguments.train_files[0])))
    (folder / _INTERACTIONS).write_text(json.dumps(count))


def interactions(folder: Path) -> int:
    """How many engaged items the training histories of the trial in `folder` hold."""
    return json.loads((folder / _INTERACTIONS).read_text())


def trainer_arguments(config: Config, outputs: dict[str, Artifact]) -> FnArgs:
    """What TFX would hand to `run_fn`: the Trainer's own settings, and a run's artifacts."""
    [component] = [
        component
        for component in create_pipeline(config, SCHEMA.read_text()).components
        if component.id == "Trainer"
    ]
    examples = standard_artifacts.Examples()
    examples.uri = outputs[TRANSFORMED].uri
    examples.split_names = artifact_utils.encode_split_names(
        [features.TRAIN_SPLIT, features.EVAL_SPLIT, features.REFIT_SPLIT]
    )
    graph = standard_artifacts.TransformGraph()
    graph.uri = outputs[GRAPH].uri
    inputs = {"examples": [examples], "transform_graph": [graph]}
    return get_common_fn_args(inputs, component.exec_properties)


def _thinned(pattern: str, users: float, folder: Path) -> str:
    """Copies a split, with evenly spread users of it only; returns the pattern of the copy."""
    split = folder / Path(pattern).parent.name
    split.mkdir()
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(split / "part.gz"), options) as writer:
        for place, record in enumerate(_records(pattern)):
            if int((place + 1) * users) > int(place * users):
                writer.write(record)
    return str(split / "*")


def _records(pattern: str) -> Iterator[bytes]:
    files = sorted(tf.io.gfile.glob(pattern))
    return tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()


def _engaged_events(record: bytes) -> int:
    """Of one user, as Transform writes ragged features."""
    feature = tf.train.Example.FromString(record).features.feature
    return sum(feature[f"{features.ENGAGED}$ragged_values"].int64_list.value)


def main(arguments: list[str]) -> None:
    """Read the variant from a configuration file and settings, as `sessionrec run` does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--users", type=float, default=1.0)
    parser.add_argument("--base")
    given = parser.parse_args(arguments)
    config = load_config(given.config, tuple(given.set))
    train(config, given.folder, given.users, given.base)


if __name__ == "__main__":
    main(sys.argv[1:])
