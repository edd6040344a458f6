"""The TFX component that turns an interaction log into tf.Examples, one per user and split."""

import re
from typing import Any

from google.protobuf import wrappers_pb2
from tfx import types
from tfx import v1 as tfx
from tfx.components.example_gen import component, utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.config import DataConfig, SessionsConfig, SplitConfig
from components.errors import DataError
from components.ingestion import dead_letters
from components.ingestion.checks import complaint
from components.ingestion.files import PARTIAL
from components.ingestion.ingest import IngestConfig, collect_summary, ingest
from components.ingestion.log_reader import check_log
from components.ingestion.shards import split_folder
from components.ingestion.summary import Summary, write_summary
from model import features


class Executor(base_beam_executor.BaseBeamExecutor):
    """Checks the log, runs the Beam pipeline, and stores or refuses what it wrote."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write a folder for each split, `dead_letters` and `ingestion.json`.

        Raises:
          DataError: the log is missing or malformed, has too many rows that cannot be used, or
            leaves a split empty.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = _parse(exec_properties)
        paths = check_log(config.data)
        [examples] = output_dict[standard_component_specs.EXAMPLES_KEY]
        for split in features.SPLITS:
            fileio.makedirs(split_folder(examples.uri, split))
        for folder in (dead_letters.FOLDER, PARTIAL):
            fileio.makedirs(f"{examples.uri}/{folder}")
        with self._make_beam_pipeline() as pipeline:
            ingest(pipeline, paths, config, examples.uri)
        summary = collect_summary(examples.uri, config.sessions.partitions)
        _refuse_or_accept(summary, config, examples)
        fileio.rmtree(f"{examples.uri}/{PARTIAL}")


class SessionExampleGen(component.FileBasedExampleGen):
    """Ingests an interaction log.

    Output `examples`: an Examples artifact with the splits `features.SPLITS`, as `schema.pbtxt`
    describes them; `summary.read_summary(uri)` tells what was read, kept and dropped. The driver
    takes a fingerprint of the log's files, so a changed log is ingested anew.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, data: DataConfig, sessions: SessionsConfig, split: SplitConfig):
        folder, pattern = _folder_and_pattern(data.log)
        # Neither changes what is ingested: left out, they do not make the cache miss.
        data = data.model_copy(update={"loader": None, "item_table": None})
        config = IngestConfig(data=data, sessions=sessions, split=split)
        custom = tfx.proto.CustomConfig()
        custom.custom_config.Pack(wrappers_pb2.StringValue(value=config.model_dump_json()))
        splits = [
            # The driver wants buckets; the executor splits by time.
            tfx.proto.SplitConfig.Split(name=name, hash_buckets=1)
            for name in features.SPLITS
        ]
        super().__init__(
            input_base=folder,
            input_config=utils.make_default_input_config(pattern),
            output_config=tfx.proto.Output(split_config=tfx.proto.SplitConfig(splits=splits)),
            custom_config=custom,
        )


def _folder_and_pattern(log: str) -> tuple[str, str]:
    """The part of the path before the first folder or name with a wildcard, and the rest."""
    plain = re.split(r"[*?\[{]", log)[0]
    folder, slash, _ = plain.rpartition("/")
    return folder or slash or ".", log[len(folder + slash) :]


def _parse(exec_properties: dict[str, Any]) -> IngestConfig:
    """The component's configuration, with the log as the driver resolved it."""
    custom, given = tfx.proto.CustomConfig(), tfx.proto.Input()
    text = wrappers_pb2.StringValue()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], custom)
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], given)
    custom.custom_config.Unpack(text)
    config = IngestConfig.model_validate_json(text.value)
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    log = f"{base}/{given.splits[0].pattern}"
    return config.model_copy(update={"data": config.data.model_copy(update={"log": log})})


def _refuse_or_accept(summary: Summary, config: IngestConfig, examples: types.Artifact) -> None:
    refused = complaint(summary, config)
    if refused and summary.log.dead_letters:
        refused += f" The rows: {dead_letters.keep_letters(examples.uri)}."
    if refused:
        raise DataError(refused)
    write_summary(summary, examples.uri)
    examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
    examples_utils.set_payload_format(examples, tfx.proto.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    for name, value in summary.properties().items():
        examples.set_int_custom_property(name, value)
