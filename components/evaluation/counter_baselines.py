"""The component that evaluates the two counters on a split, to read a model's metrics beside."""

import json

import numpy as np
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.experimental.simple_artifacts import Metrics

from components.evaluation.counters import counter_metrics
from components.evaluation.request_arrays import decode_requests, read_folder

METRICS_FILE = "metrics.json"
REQUESTS = "requests"


@component
def CounterBaselines(  # noqa: N802
    examples: InputArtifact[standard_artifacts.Examples],
    metrics: OutputArtifact[Metrics],
    split: Parameter[str],
    cutoffs: Parameter[str],
):
    """Evaluates popularity and personal frequency, counted over the split's own histories.

    Args:
      examples: what ingestion wrote.
      metrics: a folder; its `metrics.json` is {counter: {"recall@10": mean}, "requests": number of
        requests with an engaged target}. Without any, the means are null.
      split: the split to evaluate.
      cutoffs: the values of k as a JSON list; Kubeflow passes no lists of numbers.
    """
    split_folder = artifact_utils.get_split_uri([examples], split)
    requests = decode_requests(list(read_folder(split_folder)))
    values = counter_metrics(requests, json.loads(cutoffs))
    evaluated = len(np.unique(requests.target_user))
    figures: dict = {
        counter: {
            name: float(of_user.mean()) if evaluated else None for name, of_user in by.items()
        }
        for counter, by in values.items()
    }
    folder = artifact_utils.get_single_uri([metrics])
    with fileio.open(f"{folder}/{METRICS_FILE}", "w") as file:
        file.write(json.dumps({**figures, REQUESTS: evaluated}, indent=2))
