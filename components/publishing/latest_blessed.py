"""The model that a new one has to beat: the newest in the serving folder.

Open-source Kubeflow Pipelines has no executor for TFX's Resolver, and its containers cannot read
ML Metadata; the serving folder, which only blessed models reach, is the same on every runner.
"""

import os
import re

import tensorflow as tf
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils


def versions(serving_folder: str) -> list[int]:
    """Versions in the folder, oldest first; names that are not plain numbers are not versions."""
    if not tf.io.gfile.isdir(serving_folder):
        return []
    names = (name.rstrip("/") for name in tf.io.gfile.listdir(serving_folder))
    return sorted(int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name))


@component
def LatestBlessedModel(  # noqa: N802
    model: OutputArtifact[standard_artifacts.Model],
    serving_folder: Parameter[str],
    known_version: Parameter[str],
) -> None:
    """Copy the newest version that holds a model into `model`, or leave it empty when none does.

    Args:
      model: where the model goes.
      serving_folder: the versioned folder.
      known_version: what the caller saw as the newest, so that a cached result of an older state
        of the folder is not used again; the folder itself decides.
    """
    del known_version
    newest_first = reversed(versions(serving_folder))
    folders = (os.path.join(serving_folder, str(version)) for version in newest_first)
    source = next(filter(tf.saved_model.contains_saved_model, folders), None)
    if source is not None:
        io_utils.copy_dir(source, path_utils.serving_model_dir(model.uri))
    else:
        tf.io.gfile.makedirs(model.uri)
