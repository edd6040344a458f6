"""The exported model against the serving contract, loaded in this process and in a bare one.

The model lists 2 of its 3 items, a, b and c; d and z are outside its vocabulary but in the item
table, where z's brand is a's and c's, d's is b's.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow_serving.apis import prediction_log_pb2
from tiny_log import DAY, MONDAY, TRAIN, VOCABULARY
from tiny_transform import arguments, example

from model.trainer import run_fn

pytestmark = pytest.mark.slow

MAX_K, DIM = 2, 8
NOW = MONDAY + 6 * DAY
NEW = example(request=NOW)
KNOWN = example(TRAIN[0], NOW)
NO_REQUEST_TIME = example(TRAIN[0])
STRANGER = example([(MONDAY, [("never seen", 1), ("e", 0)])], NOW)
# Longer than the 4 sessions that the model reads: c is in the first only.
LONG = example([(MONDAY + day * DAY, [(item, 1)]) for day, item in enumerate("cabababa")], NOW)
USERS = [NEW, KNOWN, NO_REQUEST_TIME, STRANGER, LONG]


@pytest.fixture(scope="module")
def call(exported):
    served = tf.saved_model.load(str(exported))

    def run(signature: str, users: list[bytes], **inputs) -> dict:
        found = served.signatures[signature](examples=tf.constant(users), **inputs)
        return {name: tensor.numpy() for name, tensor in found.items()}

    run.signatures = served.signatures
    return run


def recommend(call, users, k=MAX_K, exclude=((),), seen=False) -> dict:
    exclude = [list(items) for items in exclude] * (len(users) if len(exclude) == 1 else 1)
    return call(
        "recommend",
        users,
        k=tf.fill([len(users)], k) if isinstance(k, int) else tf.constant(k),
        exclude_item_id=tf.constant(exclude, tf.string),
        exclude_seen=tf.fill([len(users)], seen) if isinstance(seen, bool) else tf.constant(seen),
    )


def items(found: dict) -> list[list[str]]:
    return [[item.decode() for item in row] for row in found["item_id"]]


def test_names_types_and_batch_dimension(call):
    signatures = {
        name: (signature.structured_input_signature[1], signature.structured_outputs)
        for name, signature in call.signatures.items()
    }
    shapes = {
        name: [{key: (s.dtype.name, s.shape.rank) for key, s in side.items()} for side in sides]
        for name, sides in signatures.items()
    }
    lists = {"item_id": ("string", 2), "score": ("float32", 2)}
    examples = {"examples": ("string", 1)}
    assert shapes == {
        "serving_default": [examples, lists],
        "recommend": [
            examples
            | {"k": ("int32", 1), "exclude_item_id": ("string", 2), "exclude_seen": ("bool", 1)},
            lists,
        ],
        "rank": [examples | {"candidate_item_id": ("string", 2)}, {"score": ("float32", 2)}],
        "encode": [examples, {"embedding": ("float32", 2)}],
    }
    for sides in signatures.values():
        for side in sides:
            assert all(spec.shape[0] is None for spec in side.values())


def test_serving_default_gives_the_best_items_in_order(call):
    found = call("serving_default", USERS)
    assert found["item_id"].shape == found["score"].shape == (len(USERS), MAX_K)
    assert (np.diff(found["score"], axis=1) <= 0).all()
    assert np.isfinite(found["score"]).all()
    assert all(set(row) < set(VOCABULARY) for row in items(found))


@pytest.mark.parametrize("signature", ["serving_default", "encode"])
def test_users_alone_and_together(call, signature):
    together = call(signature, USERS)
    for name, tensor in together.items():
        alone = np.concatenate([call(signature, [user])[name] for user in USERS])
        if tensor.dtype == np.float32:
            np.testing.assert_allclose(alone, tensor, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(alone, tensor)


def test_encode(call):
    found = call("encode", USERS)["embedding"]
    assert found.shape == (len(USERS), DIM)
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_recommend_without_restrictions_is_serving_default(call):
    free, default = recommend(call, USERS), call("serving_default", USERS)
    np.testing.assert_array_equal(free["item_id"], default["item_id"])
    np.testing.assert_array_equal(free["score"], default["score"])


def test_slots_past_k_are_empty(call):
    full = recommend(call, [KNOWN] * 4)
    found = recommend(call, [KNOWN] * 4, k=[0, 1, 2, 50])
    for row, kept in enumerate([0, 1, 2, 2]):
        assert items(found)[row] == items(full)[row][:kept] + [""] * (MAX_K - kept)
        assert (found["score"][row][:kept] == full["score"][row][:kept]).all()
        assert (found["score"][row][kept:] == -np.inf).all()


def test_excluded_items(call):
    exclude = [["a", ""], ["a", "b"], ["unknown", "d"], ["", ""]]
    found = items(recommend(call, [KNOWN] * 4, exclude=exclude))
    assert set(found[0]) == {"b", "c"}
    assert found[1] == ["c", ""]
    assert found[2] == found[3] == items(call("serving_default", [KNOWN]))[0]


def test_excluding_what_was_seen(call):
    found = recommend(call, [KNOWN, NEW, LONG, LONG], seen=[True, True, True, False])
    # The known user was shown c and engaged with a and b: nothing is left.
    assert items(found)[0] == ["", ""]
    assert (found["score"][0] == -np.inf).all()
    assert "" not in items(found)[1]
    # c is seen although it is older than what the model reads.
    assert items(found)[2] == ["", ""]
    assert "" not in items(found)[3]


def test_rank_scores_in_the_order_of_the_candidates(call):
    order = ["c", "", "a", "b", "d", "z", "unknown", "also unknown"]
    score = call("rank", [KNOWN, NEW], candidate_item_id=tf.constant([order] * 2))["score"]
    assert score.shape == (2, len(order))
    assert (score[:, 1] == -np.inf).all()
    assert np.isfinite(np.delete(score, 1, axis=1)).all()
    default = call("serving_default", [KNOWN, NEW])
    for row, (names, expected) in enumerate(zip(items(default), default["score"], strict=True)):
        places = [order.index(name) for name in names]
        np.testing.assert_allclose(score[row, places], expected, rtol=1e-5)
    # d and z differ by their brand; items without features do not differ.
    assert (score[:, 4] != score[:, 5]).all()
    np.testing.assert_array_equal(score[:, 6], score[:, 7])


def test_rank_without_candidates(call):
    nothing = tf.zeros([2, 0], tf.string)
    assert call("rank", [KNOWN, NEW], candidate_item_id=nothing)["score"].shape == (2, 0)


def test_a_new_user_gets_the_most_popular_items(call):
    assert items(call("serving_default", [NEW]))[0][0] == "a"


def functions_of(exported) -> dict:
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((exported / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    library = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    return library | {"": graph.graph_def.node}


def test_only_ops_of_stock_tensorflow(exported):
    functions = functions_of(exported)
    ops = {node.op for nodes in functions.values() for node in nodes} - set(functions)
    assert ops
    assert not {op for op in ops if op_def_registry.get(op) is None}
    assert not {op for op in ops if "PyFunc" in op or "Scann" in op}


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


def test_lists_longer_than_the_catalogue(transformed, tmp_path):
    given = arguments(transformed, tmp_path / "run", 5, epochs=1)
    run_fn(given)
    served = tf.saved_model.load(given.serving_model_dir)
    found = served.signatures["serving_default"](examples=tf.constant([NEW, KNOWN]))
    for names, score in zip(found["item_id"].numpy(), found["score"].numpy(), strict=True):
        assert sorted(names[:3]) == [name.encode() for name in VOCABULARY]
        assert names[3:].tolist() == [b"", b""]
        assert np.isfinite(score[:3]).all()
        assert (score[3:] == -np.inf).all()
