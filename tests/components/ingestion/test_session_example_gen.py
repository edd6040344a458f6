"""The component as TFX runs it; importing TFX takes some seconds."""

from pathlib import Path

import pytest
import tensorflow as tf
from ml_metadata import metadata_store
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components import ExampleValidator
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.types import artifact_utils, standard_artifacts
from tiny_logs import DAY, read_split

from components.config import Columns, DataConfig, Events, SessionsConfig, SplitConfig
from components.errors import DataError
from components.evaluation.statistics_gen import StatisticsGen
from components.ingestion import SCHEMA
from components.ingestion.session_example_gen import SessionExampleGen
from components.ingestion.spans import WindowDriver
from components.ingestion.summary import read_summary
from model import features

BEAM = ["--runner=FnApiRunner"]
HEADER = "user_id,item_id,timestamp,event\n"
# Ten days; "new" comes only in the test window and has no history.
ROWS = [f"u{user},i{user + day},{day * DAY + user},click" for day in range(10) for user in range(4)]
ROWS += [f"new,i1,{9 * DAY + 50},click", f"u1,i9,{9 * DAY + 2},show", f"u2,,{DAY},click"]


def component(log, newest_span="", **more):
    data = DataConfig(
        log=str(log),
        columns=Columns(event="event"),
        events=Events(exposed=("show",)),
        max_bad_rows=0.05,
        **more,
    )
    return SessionExampleGen(
        data,
        SessionsConfig(partitions=2),
        SplitConfig(eval_days=2, test_days=2),
        newest_span=newest_span,
    )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "logs" / "log.csv"
    path.parent.mkdir()
    path.write_text("\n".join([HEADER.strip(), *ROWS, ""]))
    return path


def execute(example_gen, uri, has_driver=True):
    """Run the component's driver, if it has one, and executor; returns the Examples artifact."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(uri)
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=list(BEAM))
    executor = example_gen.executor_spec.executor_class(context)
    properties = dict(example_gen.exec_properties)
    if has_driver:
        properties = WindowDriver(None).resolve_exec_properties(properties, None, None)
    executor.Do({}, {"examples": [artifact]}, properties)
    return artifact


def test_writes_what_tfx_reads(log, tmp_path):
    examples = execute(component(log.parent / "*.csv"), tmp_path / "examples")
    assert artifact_utils.decode_split_names(examples.split_names) == list(features.SPLITS)
    assert examples_utils.get_payload_format_string(examples) == "FORMAT_TF_EXAMPLE"
    assert examples.get_int_custom_property("rows_read") == 43
    assert examples.get_int_custom_property("dead_letters") == 1
    assert examples.get_int_custom_property("test_empty_histories") == 1
    assert sorted(path.name for path in (tmp_path / "examples").iterdir()) == [
        "Split-eval",
        "Split-refit",
        "Split-test",
        "Split-train",
        "dead_letters",
        "ingestion.json",
    ]
    assert read_summary(examples.uri).users.splits["test"]["examples"] == 5

    # TensorFlow checks the files' checksums.
    pattern = artifact_utils.get_split_uris([examples], "test")[0] + "/*"
    files = tf.io.gfile.glob(pattern)
    assert len(list(tf.data.TFRecordDataset(files, "GZIP"))) == 5
    assert read_split(tmp_path / "examples", "test")["new"] == {
        "item_id": [],
        "engaged": [],
        "timestamp": [],
        "request_timestamp": [9 * DAY + 50],
        "target_item_id": ["i1"],
        "target_engaged": [1],
    }


@pytest.fixture
def daily_logs(tmp_path):
    """A folder for each of the first eight days of 1970, with an early and a late click."""
    for day in range(1, 9):
        folder = tmp_path / "logs" / f"1970-01-{day:02d}"
        folder.mkdir(parents=True)
        midnight = day * DAY
        rows = [f"u,late{day},{midnight - 60},click"]
        rows += [f"u,early{day - 1},{midnight - DAY + 60},click"] if day > 1 else []
        (folder / "log.csv").write_text("\n".join([HEADER.strip(), *rows, ""]))
    return tmp_path / "logs" / "{YYYY}-{MM}-{DD}" / "log.csv"


def test_reads_the_newest_days_and_sessions_go_on_over_midnight(daily_logs, tmp_path):
    examples = execute(component(daily_logs, spans=6), tmp_path / "examples")
    assert examples.get_int_custom_property("rows_read") == 12
    # From the third day on; a session across the cut, a minute and a second before the seventh, is
    # history up to there and no target.
    sessions = read_split(tmp_path / "examples", "refit")["u"]["item_id"]
    assert sessions == [
        ["early2"],
        ["late3", "early3"],
        ["late4", "early4"],
        ["late5", "early5"],
        ["late6"],
    ]
    targets = read_split(tmp_path / "examples", "test")["u"]["target_item_id"]
    assert targets == ["late7", "early7"]


@pytest.mark.parametrize("has_driver", [True, False])
def test_reads_the_days_up_to_the_one_that_is_asked_for(daily_logs, tmp_path, has_driver):
    gen = component(daily_logs, newest_span="1970-01-07", spans=6)
    examples = execute(gen, tmp_path / "examples", has_driver)
    targets = read_split(tmp_path / "examples", "test")["u"]["target_item_id"]
    assert targets == ["late6", "early6"]
    # The first of the six days, the second of January, has an early click too.
    assert examples.get_int_custom_property("rows_read") == 12


def test_refuses_with_a_message_for_the_user(log, tmp_path):
    log.write_text(HEADER + "u,a,soon,click\n" * 3)
    with pytest.raises(DataError) as error:
        execute(component(log), tmp_path / "SessionExampleGen" / "examples" / "1")
    assert "timestamp cannot be read as a time: 3" in str(error.value)
    assert str(tmp_path / "SessionExampleGen" / "dead_letters" / "1") in str(error.value)


def test_refuses_a_missing_log_before_beam_starts(tmp_path):
    with pytest.raises(DataError, match=r"No file matches"):
        execute(component(tmp_path / "none.csv"), tmp_path / "examples")


def pipeline(log, root):
    examples = component(log)
    schema = ImportSchemaGen(schema_file=str(SCHEMA))
    statistics = StatisticsGen(
        examples=examples.outputs["examples"], schema=schema.outputs["schema"]
    )
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    return Pipeline(
        "ingestion",
        str(root),
        components=[examples, schema, statistics, validator],
        metadata_connection_config=connection(root),
        enable_cache=True,
        beam_pipeline_args=list(BEAM),
    )


def connection(root):
    return sqlite_metadata_connection_config(str(root / "metadata.db"))


@pytest.mark.slow
def test_in_a_pipeline_without_anomalies_and_anew_when_the_log_changes(log, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for _ in range(2):
        LocalDagRunner().run(pipeline(log, root))
    store = metadata_store.MetadataStore(connection(root))
    assert len(store.get_artifacts_by_type("Examples")) == 1
    [anomalies] = store.get_artifacts_by_type("ExampleAnomalies")
    for split in features.SPLITS:
        path = Path(anomalies.uri) / f"Split-{split}" / "SchemaDiff.pb"
        found = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        assert not found.anomaly_info, found

    with log.open("a") as file:
        file.write(f"u3,i7,{9 * DAY + 70},click\n")
    LocalDagRunner().run(pipeline(log, root))
    assert len(store.get_artifacts_by_type("Examples")) == 2
