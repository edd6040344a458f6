"""Statistics of tiny data against the curated schema."""

import pyarrow as pa
import pytest
from tensorflow_data_validation import StatsOptions
from tensorflow_data_validation.statistics import stats_impl
from tfx.types import artifact_utils, standard_artifacts

from components.errors import DataError
from components.evaluation.example_validator import MAX_ITEM_DRIFT, Executor, read_drift
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
    properties = {"exclude_splits": "[]", MAX_ITEM_DRIFT: 0.6}
    result = Executor().Do(inputs, {"anomalies": [anomalies]}, properties)
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


def with_targets(*items: bytes) -> dict:
    """Two users, with the same target session each."""
    return CLEAN | {
        "target_item_id": [list(items)] * 2,
        "target_engaged": [[1] * len(items)] * 2,
    }


@pytest.mark.parametrize(
    ("after", "divergence"),
    [
        ((b"a", b"b"), 0),
        # P = (1/2, 1/2, 0), Q = (0, 1/2, 1/2), M = (1/4, 1/2, 1/4): KL(P|M) = KL(Q|M) = 1/2 bit.
        ((b"b", b"c"), 0.5),
    ],
)
def test_drift_of_items_is_measured(tmp_path, after, divergence):
    _, anomalies = validate(tmp_path, eval=with_targets(b"a", b"b"), test=with_targets(*after))
    measured, accepted = read_drift(anomalies.uri)
    assert (measured, accepted) == (pytest.approx(divergence), 0.6)


def test_other_items_in_the_test_split_stop_the_run(tmp_path):
    with pytest.raises(DataError, match=r"test: target_item_id: High .*evaluate\.max_item_drift"):
        validate(tmp_path, eval=with_targets(b"a", b"b"), test=with_targets(b"c", b"d"))
