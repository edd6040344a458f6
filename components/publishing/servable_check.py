"""The servable check: does the exported model answer in a process that has none of our code?

It stands where TFX's InfraValidator, which needs Docker or Kubernetes, would, and writes the same
artifact. The model's warm-up file holds requests and what the trainer's model in memory answered:
the loaded model must answer the same, and must answer real users.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import tensorflow as tf
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.publishing import replay_requests

TIMEOUT_SECONDS = 600
REAL_USERS = 200
REPORT_FILE = "servable_check.txt"
# Custom properties of the blessing: `replay_requests.latency`.
LATENCY = "latency_ms_"


@component
def ServableCheck(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    examples: InputArtifact[standard_artifacts.Examples],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    split: Parameter[str],
) -> None:
    """Bless `model` if it answers; the reason, if not, is in the blessing's folder.

    The blessing notes how long a list took: see `LATENCY`.

    Args:
      model: the exported model.
      examples: real users.
      blessing: what the Pusher asks for.
      split: the split of `examples` to take users from.
    """
    saved_model = path_utils.serving_model_path(model.uri)
    answer = check(saved_model, artifact_utils.get_split_uri([examples], split))
    blessed = answer.returncode == 0
    blessing.set_int_custom_property("blessed", int(blessed))
    measured = json.loads(answer.stdout)["latency_ms"] if blessed else {}
    for name, value in measured.items():
        blessing.set_float_custom_property(f"{LATENCY}{name}", value)
    io_utils.write_string_file(
        os.path.join(blessing.uri, REPORT_FILE), answer.stdout if blessed else answer.stderr
    )


def refusal(blessing_uri: str) -> str:
    """Why a model was refused, from the artifact of its check."""
    report = io_utils.read_string_file(os.path.join(blessing_uri, REPORT_FILE))
    return report.strip().rpartition("\n")[2]


def check(saved_model: str, examples_folder: str) -> subprocess.CompletedProcess[str]:
    """Replay requests in a process of its own; its standard error ends with the reason if it fails.

    Args:
      saved_model: folder of the SavedModel.
      examples_folder: folder of gzip TFRecords of tf.Examples.

    Raises:
      RuntimeError: the process was killed or took too long, which may not be the model's fault: an
        error is not cached, as a refusal is.
    """
    files = tf.io.gfile.glob(os.path.join(examples_folder, "*"))
    users = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP").take(REAL_USERS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "examples.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in users:
                writer.write(record.numpy())
        command = [sys.executable, "-I", replay_requests.__file__, saved_model, str(path)]
        try:
            answer = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the model did not answer within {TIMEOUT_SECONDS} s") from None
        if answer.returncode < 0:
            name = signal.Signals(-answer.returncode).name
            raise RuntimeError(f"the process that asks the model was ended by {name}")
        return answer
