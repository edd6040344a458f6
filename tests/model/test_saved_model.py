"""What the export holds: stock ops, no training state, warm-up; it needs no code of ours.

The same of an export with an index of clusters, which answers as the exact one does.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from saved_ops import foreign_ops, functions_of
from tensorflow_serving.apis import prediction_log_pb2
from tiny_log import DAY, MONDAY, TRAIN, items
from tiny_transform import arguments, example

from model.trainer import run_fn

pytestmark = pytest.mark.slow

USERS = [example(), example(TRAIN[0], MONDAY + 6 * DAY)]


@pytest.fixture(scope="module")
def clustered(transformed, item_table, tmp_path_factory) -> Path:
    """The model of `exported`, trained again and exported with another index."""
    given = arguments(transformed, tmp_path_factory.mktemp("clustered") / "run", 2, item_table)
    given.custom_config["index"] = "clusters"
    run_fn(given)
    return Path(given.serving_model_dir)


def test_only_ops_of_stock_tensorflow(exported, clustered):
    assert not foreign_ops(exported)
    assert not foreign_ops(clustered)


def test_an_export_with_clusters_answers_as_the_exact_one(clustered, call):
    served = tf.saved_model.load(str(clustered))
    for name, inputs in {
        "serving_default": {},
        "recommend": {
            "k": tf.constant([1, 2]),
            "exclude_item_id": tf.constant([["a"], [""]]),
            "exclude_seen": tf.constant([True, False]),
        },
        "rank": {"candidate_item_id": tf.constant([["a", "z"]] * 2)},
        "encode": {},
    }.items():
        found, exact = (
            served.signatures[name](examples=tf.constant(USERS), **inputs),
            call(name, USERS, **inputs),
        )
        assert set(found) == set(exact)
        for key, value in exact.items():
            if value.dtype == np.float32:
                np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(found[key].numpy(), value)


def test_recall_of_the_clusters_is_written_beside_the_model(exported, clustered):
    report = json.loads((clustered / "assets.extra" / "index.json").read_text())
    assert report["recall_vs_exact@2"] == 1.0
    assert report["clusters_read"] == report["clusters"] == 1
    assert not (exported / "assets.extra" / "index.json").exists()


def test_the_same_training_exports_the_same_weights(exported, clustered):
    one, other = (
        {
            name: tf.train.load_variable(str(path / "variables/variables"), name)
            for name, shape in tf.train.list_variables(str(path / "variables/variables"))
            if name.startswith("weights") and shape
        }
        for path in (exported, clustered)
    )
    assert one.keys() == other.keys() and one
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


def test_tables_are_filled_at_loading_only(exported):
    fills = {"LookupTableImportV2", "InitializeTableFromTextFileV2"}
    functions = functions_of(exported)
    where = {name for name, nodes in functions.items() if fills & {node.op for node in nodes}}
    assert where
    assert all("initializer" in name for name in where), where


def test_nothing_of_the_training_is_exported(exported):
    names = [name for name, _ in tf.train.list_variables(str(exported / "variables/variables"))]
    assert names
    assert not [name for name in names if "optimizer" in name]


def warm_up(exported) -> list:
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(r).predict_log for r in records]


def test_warm_up_requests_with_their_answers(exported, call):
    logs = warm_up(exported)
    names = [log.request.model_spec.signature_name for log in logs]
    assert names == ["serving_default", "recommend", "rank", "encode"]
    for name, log in zip(names, logs, strict=True):
        assert log.request.model_spec.name == log.response.model_spec.name == "tiny"
        inputs = {key: tf.constant(tf.make_ndarray(v)) for key, v in log.request.inputs.items()}
        found = call.signatures[name](**inputs)
        assert set(found) == set(log.response.outputs)
        for key, recorded in log.response.outputs.items():
            recorded = tf.make_ndarray(recorded)
            if recorded.dtype == np.float32:
                np.testing.assert_allclose(found[key], recorded, rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(found[key].numpy(), recorded)


def test_the_best_item_is_never_excluded_when_recorded(exported):
    """A catalogue of one would have nothing left to answer."""
    lists, recommend, *_ = warm_up(exported)
    best = tf.make_ndarray(lists.response.outputs["item_id"])[:, :1]
    assert not (tf.make_ndarray(recommend.request.inputs["exclude_item_id"]) == best).any()


BARE = """
import json, sys
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
users = tf.constant([bytes.fromhex(text) for text in sys.argv[2:]])
found = served.signatures["serving_default"](examples=users)
local = [name for name in sys.modules if name.split(".")[0] in ("model", "tensorflow_transform")]
item_ids = found["item_id"].numpy().astype(str).tolist()
print(json.dumps([item_ids, found["score"].numpy().tolist(), local]))
"""


def test_a_process_without_our_code_answers_the_same(exported, call, tmp_path):
    printed = subprocess.run(
        [sys.executable, "-I", "-c", BARE, str(exported), *(user.hex() for user in USERS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    item_id, score, local = json.loads(printed.splitlines()[-1])
    default = call("serving_default", USERS)
    assert item_id == items(default)
    np.testing.assert_allclose(score, default["score"], rtol=1e-4, atol=1e-5)
    assert not local
