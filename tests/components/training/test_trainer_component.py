"""The number of epochs as an execution property of its own."""

import json

import pytest
from tfx.components.trainer import executor as tfx_executor
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import channel_utils, standard_artifacts

from components.training.trainer import Executor, Trainer

TRAIN = {"epochs": 12, "seed": 3}
CUSTOM = {"train": json.dumps(TRAIN), "max_k": 5}


@pytest.fixture
def trained(monkeypatch):
    """The `custom_config` that TFX's executor was started with."""
    seen = []
    monkeypatch.setattr(
        tfx_executor.GenericExecutor,
        "Do",
        lambda self, inputs, outputs, properties: seen.append(properties["custom_config"]),
    )
    return seen


def test_the_executor_puts_it_into_the_training_settings(trained):
    properties = {"custom_config": json.dumps(CUSTOM), "epochs": 2}
    Executor().Do({}, {}, properties)
    [custom] = map(json.loads, trained)
    assert json.loads(custom.pop("train")) == {"epochs": 2, "seed": 3}
    assert custom == {"max_k": 5}
    assert json.loads(properties["custom_config"]) == CUSTOM


@pytest.mark.parametrize("epochs", [4, RuntimeParameter("epochs", int, 4)])
def test_the_component_takes_a_number_or_a_parameter_of_the_run(epochs):
    examples = channel_utils.as_channel([standard_artifacts.Examples()])
    trainer = Trainer(
        epochs=epochs, run_fn="model.trainer.run_fn", examples=examples, custom_config=CUSTOM
    )
    assert trainer.exec_properties["epochs"] is epochs
    assert json.loads(trainer.exec_properties["custom_config"]) == CUSTOM
