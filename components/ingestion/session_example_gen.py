"""The TFX component that turns an interaction log into tf.Examples, one per user and split."""

from typing import Any

from google.protobuf import wrappers_pb2
from tfx import types
from tfx.components.example_gen import component
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.config import DataConfig, SessionsConfig, SplitConfig
from components.errors import DataError
from components.ingestion import dead_letters
from components.ingestion.checks import complaint
from components.ingestion.files import PARTIAL
from components.ingestion.ingest import IngestConfig, collect_summary, ingest, make_folders
from components.ingestion.log_reader import check_log
from components.ingestion.spans import NEWEST_SPAN, WindowDriver, stated_config, stated_paths
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
        config = stated_config(exec_properties)
        parts = check_log(stated_paths(exec_properties), config.data.columns)
        [examples] = output_dict[standard_component_specs.EXAMPLES_KEY]
        make_folders(examples.uri)
        with self._make_beam_pipeline() as pipeline:
            ingest(pipeline, parts, config, examples.uri)
        summary = collect_summary(examples.uri, config.sessions.partitions)
        _refuse_or_accept(summary, config, examples)
        fileio.rmtree(f"{examples.uri}/{PARTIAL}")


class SessionExampleGen(component.FileBasedExampleGen):
    """Ingests an interaction log.

    Output `examples`: an Examples artifact with the splits `features.SPLITS`, as
    `schema.schema_text` describes them; `summary.read_summary(uri)` tells what was read,
    kept and dropped. The driver takes a fingerprint of the log's files, so a changed log is
    ingested anew.

    The log, with its wildcards and placeholders (`input_base`), and the newest span to read are
    execution properties of their own, which a runner may set when it starts a run.
    """

    DRIVER_CLASS = WindowDriver
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        data: DataConfig,
        sessions: SessionsConfig,
        split: SplitConfig,
        log: str | RuntimeParameter | None = None,
        newest_span: str | RuntimeParameter = "",
    ):
        log = data.log if log is None else log
        # Two do not change what is ingested: left out, they do not make the cache miss.
        data = data.model_copy(update={"loader": None, "item_table": None, "log": ""})
        config = IngestConfig(data=data, sessions=sessions, split=split)
        custom = example_gen_pb2.CustomConfig()
        custom.custom_config.Pack(wrappers_pb2.StringValue(value=config.model_dump_json()))
        splits = [
            # The driver wants buckets; the executor splits by time.
            example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1)
            for name in features.SPLITS
        ]
        super().__init__(
            input_base=log,
            output_config=example_gen_pb2.Output(
                split_config=example_gen_pb2.SplitConfig(splits=splits)
            ),
            custom_config=custom,
        )
        self.exec_properties[NEWEST_SPAN] = newest_span


def _refuse_or_accept(summary: Summary, config: IngestConfig, examples: types.Artifact) -> None:
    refused = complaint(summary, config)
    if refused and summary.log.dead_letters:
        refused += f" The rows: {dead_letters.keep_letters(examples.uri)}."
    if refused:
        raise DataError(refused)
    write_summary(summary, examples.uri)
    examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    for name, value in summary.properties().items():
        examples.set_int_custom_property(name, value)
