"""The pipeline: one function from a configuration to TFX components, the same on every runner."""

import json
import os
from typing import NamedTuple

from tfx.components import Transform
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types.channel import BaseChannel

from components.evaluation.counter_baselines import CounterBaselines
from components.evaluation.evaluator import Evaluator
from components.evaluation.example_validator import ExampleValidator
from components.evaluation.statistics_gen import StatisticsGen
from components.ingestion.curated_schema import CuratedSchema
from components.ingestion.session_example_gen import SessionExampleGen
from components.publishing.latest_blessed import LatestBlessedModel
from components.publishing.pusher import Pusher
from components.publishing.servable_check import ServableCheck
from components.training.trainer import Trainer
from model import features
from tfx_pipeline.config import Config
from tfx_pipeline.evaluation import eval_config


class RunParameters(NamedTuple):
    """What may be set for one run: values, or runtime parameters for a runner that has them.

    Attributes:
      data_path: the log.
      span: the newest span to read, a number or a day; the newest there is if ''.
      epochs: the greatest number of epochs.
      serving_folder: where a blessed model is pushed.
    """

    data_path: str | RuntimeParameter
    span: str | RuntimeParameter
    epochs: int | RuntimeParameter
    serving_folder: str | RuntimeParameter

    @classmethod
    def of(cls, config: Config) -> "RunParameters":
        """Those of the configuration."""
        return cls(config.data.log, "", config.train.epochs, config.serving_folder)


def create_pipeline(
    config: Config,
    schema: str,
    item_table_digest: str = "",
    known_version: str = "",
    parameters: RunParameters | None = None,
) -> Pipeline:
    """Put the components together; reads no file, clock or environment.

    Args:
      config: everything that decides the result.
      schema: of what ingestion writes, in protobuf's text format.
      item_table_digest: `model.item_file.digest` of the item table, so that a changed table is
        not answered from the cache.
      known_version: the newest version in the serving folder, for the same reason.
      parameters: in place of the configuration's values.
    """
    given = parameters or RunParameters.of(config)
    example_gen = SessionExampleGen(
        config.data, config.sessions, config.split, given.data_path, given.span
    )
    example_gen.with_beam_pipeline_args(config.pipeline.ingestion_beam_args)
    examples = example_gen.outputs["examples"]
    schema_gen = CuratedSchema(text=schema)
    schema_channel = schema_gen.outputs["schema"]
    statistics_gen = StatisticsGen(
        examples=examples, schema=schema_channel, exclude_splits=[features.REFIT_SPLIT]
    )
    validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_channel,
        max_item_drift=config.evaluate.max_item_drift,
    )
    item_table = _item_table(config, item_table_digest)
    transform = Transform(
        examples=examples,
        schema=schema_channel,
        preprocessing_fn="model.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(
            analyze=[features.REFIT_SPLIT],
            transform=[features.TRAIN_SPLIT, features.EVAL_SPLIT, features.REFIT_SPLIT],
        ),
        custom_config={
            "item_table": item_table,
            "min_sessions_per_item": config.model.min_sessions_per_item,
            "periods": config.model.periods,
        },
        disable_statistics=True,
        disable_analyzer_cache=True,  # No later run would read it.
    )
    latest = LatestBlessedModel(serving_folder=given.serving_folder, known_version=known_version)
    base_model = latest.outputs["model"] if config.train.warm_start else None
    trainer = _trainer(config, transform, item_table, given.epochs, base_model)
    model = trainer.outputs["model"]
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=latest.outputs["model"],
        eval_config=eval_config(config.evaluate, _item_ids(config), config.data.columns.further),
        example_splits=[features.TEST_SPLIT],
        schema=schema_channel,
        module_path="tfx_pipeline.evaluation",
    )
    counters = CounterBaselines(
        examples=examples, split=features.TEST_SPLIT, cutoffs=json.dumps(config.evaluate.cutoffs)
    )
    check = ServableCheck(model=model, examples=examples, split=features.TEST_SPLIT)
    pusher = Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=check.outputs["blessing"],
        serving_folder=given.serving_folder,
    )
    return Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=os.path.join(config.run_folder, "artifacts"),
        components=[
            example_gen,
            schema_gen,
            statistics_gen,
            validator,
            transform,
            trainer,
            latest,
            evaluator,
            counters,
            check,
            pusher,
        ],
        enable_cache=True,
        beam_pipeline_args=list(config.pipeline.beam_args),
    )


def _trainer(
    config: Config,
    transform: Transform,
    item_table: str,
    epochs: int | RuntimeParameter,
    base_model: BaseChannel | None,
) -> Trainer:
    return Trainer(
        epochs=epochs,
        base_model=base_model,
        run_fn="model.trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=[features.TRAIN_SPLIT, features.REFIT_SPLIT]),
        eval_args=trainer_pb2.EvalArgs(splits=[features.EVAL_SPLIT]),
        custom_config={
            "model": config.model.model_dump_json(),
            "train": config.train.model_dump_json(),
            "item_table": item_table,
            "max_sessions": config.sessions.max_sessions,
            "max_k": config.serve.max_k,
            "index": config.serve.index,
            "min_index_recall": config.serve.min_index_recall,
            "model_name": config.pipeline.name,
            "checkpoints": os.path.join(config.run_folder, "checkpoints"),
        },
    )


def _item_ids(config: Config) -> dict[str, str]:
    """Where an evaluation by features of items finds them; {} when there is no item table."""
    table = config.data.item_table
    return {} if table is None else {"path": table.path, "item_id": table.item_id}


def _item_table(config: Config, digest: str) -> str:
    """What the model's code reads of the item table, as JSON; '' when there is none."""
    table = config.data.item_table
    if table is None:
        return ""
    return json.dumps({**table.model_dump(exclude={"title"}), "digest": digest})
