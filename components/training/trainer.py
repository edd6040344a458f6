"""TFX's Trainer, whose number of epochs a runner may set when it starts a run."""

import json
from typing import Any

from tfx import types
from tfx.components.trainer import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_component_specs

EPOCHS = "epochs"
TRAIN = "train"


class Executor(executor.GenericExecutor):
    """Puts the number of epochs into the training settings, then trains."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the base class; `custom_config["train"]` is JSON with the key `epochs`."""
        key = standard_component_specs.CUSTOM_CONFIG_KEY
        custom = json.loads(exec_properties[key])
        custom[TRAIN] = json.dumps({**json.loads(custom[TRAIN]), EPOCHS: exec_properties[EPOCHS]})
        super().Do(input_dict, output_dict, {**exec_properties, key: json.dumps(custom)})


class Trainer(component.Trainer):
    """Takes the arguments of TFX's Trainer, and the greatest number of epochs."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, epochs: int | RuntimeParameter, **arguments: Any):
        super().__init__(**arguments)
        self.exec_properties[EPOCHS] = epochs
