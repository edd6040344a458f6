"""The exported model against the serving contract: what each signature answers.

The model lists 2 of its 3 items, a, b and c; d and z are outside its vocabulary but in the item
table, where z's brand is a's and c's, d's is b's.
"""

import numpy as np
import pytest
import tensorflow as tf
from tiny_log import DAY, MONDAY, TRAIN, VOCABULARY, items
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


def recommend(call, users, k=MAX_K, exclude=((),), seen=False) -> dict:
    exclude = [list(items) for items in exclude] * (len(users) if len(exclude) == 1 else 1)
    return call(
        "recommend",
        users,
        k=tf.fill([len(users)], k) if isinstance(k, int) else tf.constant(k),
        exclude_item_id=tf.constant(exclude, tf.string),
        exclude_seen=tf.fill([len(users)], seen) if isinstance(seen, bool) else tf.constant(seen),
    )


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


@pytest.mark.parametrize(
    "change",
    [
        lambda lists: lists["session_length"].value.__setitem__(0, 1),
        lambda lists: lists["session_length"].value.append(1),
        lambda lists: lists["session_length"].value.extend([-1, 1]),
        lambda lists: lists["session_length"].value.append(0),
        lambda lists: lists["session_length"].value.extend([2**62] * 4),
        lambda lists: lists["timestamp"].value.append(NOW),
        lambda lists: lists["engaged"].value.pop(),
    ],
    ids=[
        "too few",
        "too many",
        "less than none",
        "none",
        "a sum that overflows",
        "another time",
        "no engagement",
    ],
)
def test_lists_of_a_user_that_do_not_fit_are_refused(call, change):
    """They would be read as events of the next user of the request."""
    wrong = tf.train.Example.FromString(KNOWN)
    feature = wrong.features.feature
    change({name: feature[name].int64_list for name in feature if name != "item_id"})
    for users in ([wrong.SerializeToString()], [wrong.SerializeToString(), LONG]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="No session_length may be"):
            call("serving_default", users)


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
    # d and z differ by their brand; items without features do not differ.
    assert (score[:, 4] != score[:, 5]).all()
    np.testing.assert_array_equal(score[:, 6], score[:, 7])


def test_rank_without_candidates(call):
    nothing = tf.zeros([2, 0], tf.string)
    assert call("rank", [KNOWN, NEW], candidate_item_id=nothing)["score"].shape == (2, 0)


def test_a_new_user_gets_the_most_popular_items(call):
    assert items(call("serving_default", [NEW]))[0][0] == "a"


def test_lists_longer_than_the_catalogue_and_rank_without_a_rank_loss(transformed, tmp_path):
    given = arguments(transformed, tmp_path / "run", 5, rank_weight=0, epochs=1)
    run_fn(given)
    served = tf.saved_model.load(given.serving_model_dir)
    found = served.signatures["serving_default"](examples=tf.constant([NEW, KNOWN]))
    for names, score in zip(found["item_id"].numpy(), found["score"].numpy(), strict=True):
        assert sorted(names[:3]) == [name.encode() for name in VOCABULARY]
        assert names[3:].tolist() == [b"", b""]
        assert np.isfinite(score[:3]).all()
        assert (score[3:] == -np.inf).all()
    ranked = served.signatures["rank"](
        examples=tf.constant([NEW, KNOWN]), candidate_item_id=found["item_id"]
    )
    np.testing.assert_allclose(ranked["score"], found["score"], rtol=1e-5)
