"""Statistics of tiny data against the curated schema."""

import pyarrow as pa
import pytest
from tensorflow_data_validation import StatsOptions
from tensorflow_data_validation.statistics import stats_impl
from tfx.types import artifact_utils, standard_artifacts

from components.errors import DataError
from components.evaluation.example_validator import Executor
from components.ingestion import SCHEMA

CLEAN = {
    "user_id": [[b"u"], [b"v"]],
    "item_id": [[b"a", b"b"], []],
    "engaged": [[1, 0], []],
    "timestamp": [[1_600_000_000, 1_600_000_060], []],
    "session_length": [[1, 1], []],
}


def artifact(artifact_type, uri):
    made = artifact_type()
    made.uri = str(uri)
    return made


def validate(tmp_path, **splits):
    """Runs the executor on statistics of the splits' columns."""
    for split, columns in splits.items():
        folder = tmp_path / "statistics" / f"Split-{split}"
        folder.mkdir(parents=True)
        binary = pa.large_list(pa.large_binary())
        arrays = {
            name: pa.array(values, binary if "id" in name else pa.large_list(pa.int64()))
            for name, values in columns.items()
        }
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        found = stats_impl.generate_statistics_in_memory(batch, StatsOptions())
        (folder / "FeatureStats.pb").write_bytes(found.SerializeToString())
    statistics = artifact(standard_artifacts.ExampleStatistics, tmp_path / "statistics")
    statistics.split_names = artifact_utils.encode_split_names(list(splits))
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_bytes(SCHEMA.read_bytes())
    inputs = {
        "statistics": [statistics],
        "schema": [artifact(standard_artifacts.Schema, tmp_path / "schema")],
    }
    anomalies = artifact(standard_artifacts.ExampleAnomalies, tmp_path / "anomalies")
    result = Executor().Do(inputs, {"anomalies": [anomalies]}, {"exclude_splits": "[]"})
    return result, anomalies


def test_clean_data_passes_and_is_noted_as_blessed(tmp_path):
    result, anomalies = validate(tmp_path, train=CLEAN, test=CLEAN)
    assert anomalies.get_json_value_custom_property("blessed") == {"train": 1, "test": 1}
    assert result.output_artifacts["anomalies"].artifacts


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"timestamp": [[1_600_000_000_000], []]}, ["timestamp: Out-of-range values"]),
        ({"engaged": [[2, 0], []]}, ["engaged: Out-of-range values"]),
        ({"session_length": [[2, 0], []]}, ["session_length: Out-of-range values"]),
        ({"user_id": [[b"u", b"w"], [b"v"]]}, ["user_id: "]),
        ({"surprise": [[1], [2]]}, ["surprise: New column"]),
    ],
)
def test_anomalies_stop_with_the_split_the_feature_and_the_reason(tmp_path, wrong, words):
    with pytest.raises(DataError) as caught:
        validate(tmp_path, train=CLEAN, test=CLEAN | wrong)
    message = str(caught.value)
    assert message.startswith("The data does not fit the schema: test: ")
    assert "train: " not in message
    assert "[data] settings" in message and str(tmp_path / "anomalies") in message
    for word in words:
        assert f"test: {word}" in message


def test_a_missing_feature_is_named(tmp_path):
    columns = {name: values for name, values in CLEAN.items() if name != "session_length"}
    with pytest.raises(DataError, match="train: session_length: Column dropped"):
        validate(tmp_path, train=columns)
