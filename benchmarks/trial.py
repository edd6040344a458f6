"""Train one variant of the model on what a pipeline run transformed, as its Trainer would.

Each trial runs in a process of its own (`python -m benchmarks.trial`), so that none
inherits a graph, a seed or memory from another.
"""

import argparse
import sys
from pathlib import Path

from tfx.components.trainer.fn_args_utils import FnArgs, get_common_fn_args
from tfx.types import artifact_utils, standard_artifacts

from components.ingestion import SCHEMA
from model import features, trainer
from tfx_pipeline.config import Config, load_config
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.runs import Artifact, latest_run

TRANSFORMED = "Transform.transformed_examples"
SERVABLE, CURVES = "servable", "curves"


def train(config: Config, metadata_path: str, folder: Path) -> None:
    """Write a SavedModel and the learning curves.

    Args:
      config: of the variant.
      metadata_path: of the pipeline whose latest Transform output is trained on.
      folder: gets `servable` and `curves`.
    """
    arguments = trainer_arguments(config, latest_run(metadata_path, TRANSFORMED).outputs)
    arguments.serving_model_dir = str(folder / SERVABLE)
    arguments.model_run_dir = str(folder / CURVES)
    trainer.run_fn(arguments)


def trainer_arguments(config: Config, outputs: dict[str, Artifact]) -> FnArgs:
    """What TFX would hand to `run_fn`: the Trainer's own settings, and a run's artifacts."""
    [component] = [
        component
        for component in create_pipeline(config, str(SCHEMA)).components
        if component.id == "Trainer"
    ]
    examples = standard_artifacts.Examples()
    examples.uri = outputs[TRANSFORMED].uri
    examples.split_names = artifact_utils.encode_split_names(
        [features.TRAIN_SPLIT, features.EVAL_SPLIT, features.REFIT_SPLIT]
    )
    graph = standard_artifacts.TransformGraph()
    graph.uri = outputs["Transform.transform_graph"].uri
    inputs = {"examples": [examples], "transform_graph": [graph]}
    return get_common_fn_args(inputs, component.exec_properties)


def main(arguments: list[str]) -> None:
    """Read the variant from a configuration file and settings, as `sessionrec run` does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--metadata", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(arguments)
    train(load_config(given.config, tuple(given.set)), given.metadata, given.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
