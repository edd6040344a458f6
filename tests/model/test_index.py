"""Indexes find what scoring everything by hand finds: exactly, or in the clusters they read."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import history, logits, make_random, requests, small_model

from model.cluster_index import ClusterIndex, Clusters
from model.clustering import CLUSTER_SIZE, cluster_index, enough_probes, find_clusters
from model.index import ExactIndex
from model.item_scores import ItemScores
from model.pair_scores import scores_of

V = 6
NOBODY: list = []
USERS = [
    NOBODY,
    [(0, [(1, 1), (2, 0)]), (2, [(3, 1)]), (5, [(1, 1), (7, 1)])],
    [(1, [(4, 1), (5, 1), (6, 1)])],
]
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
# Of sizes 2, 3 and 1.
MEMBERS = np.array([[2, 5, 0], [1, 4, 6], [3, 0, 0]])


def random_model(count=(5, 50, 1, 20, 7, 300), **options):
    model = small_model(list(count), **options)
    make_random(model)
    return model


def read(model, scores, users=USERS):
    at = requests([[len(user)] for user in users])
    return model.read(history(users), scores.read_vectors, at)


def clusters(scores, probes, members=MEMBERS):
    return ClusterIndex(scores, Clusters(members, np.zeros(len(members), np.float32)), probes)


def lists(index, reading, excluded=None, k=3):
    excluded = [[]] * len(reading.vector) if excluded is None else excluded
    found = index.search(reading, tf.constant(excluded, tf.int64), k)
    return found.index.numpy(), found.score.numpy()


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def scores(model):
    return ItemScores(model)


@pytest.mark.parametrize(
    "options", [{}, {"trend": False}, {"repeat": False}, {"follow": False}, {"request_time": False}]
)
def test_scores_are_the_models(options):
    model = random_model(**options)
    scores = ItemScores(model)
    reading = read(model, scores)
    expected = logits(model, history(USERS))
    every = np.tile(np.arange(1, V + 1), (len(USERS), 1))
    own = scores_of(reading.pairs, tf.constant(every), V)
    np.testing.assert_allclose(scores.every(reading) + own, expected, **TOLERANCE)
    some = np.array([[3, 1], [6, 6], [2, 5]])
    found = scores.of(reading, some) + scores_of(reading.pairs, tf.constant(some), V)
    np.testing.assert_allclose(found, np.take_along_axis(expected, some - 1, 1), **TOLERANCE)
    for index in (ExactIndex(scores), clusters(scores, 3)):
        item, score = lists(index, reading, k=V)
        np.testing.assert_array_equal(item, 1 + np.argsort(-expected, axis=1))
        np.testing.assert_allclose(score, -np.sort(-expected, axis=1), **TOLERANCE)


def test_a_cluster_scores_as_the_mean_of_its_items(model, scores):
    reading = read(model, scores)
    every = scores.every(reading).numpy()
    means = [every[:, [i - 1 for i in row if i]].mean(1) for row in MEMBERS]
    found = clusters(scores, 1).cluster_scores(reading)
    np.testing.assert_allclose(found, np.stack(means, 1), **TOLERANCE)


def test_only_the_best_clusters_and_own_items_are_read(model, scores):
    reading = read(model, scores)
    index = clusters(scores, 1)
    order = np.argsort(-index.cluster_scores(reading).numpy(), axis=1)
    item, score = lists(index, reading, k=1)
    exact = logits(model, history(USERS))
    # A user's own items and those that were counted with them.
    for row, own in enumerate(([], [1, 2, 3, 4], [1, 4, 5, 6])):
        candidates = sorted({*MEMBERS[order[row, 0]], *own} - {0})
        expected = max(candidates, key=lambda i: exact[row, i - 1])
        assert item[row, 0] == expected
        np.testing.assert_allclose(score[row, 0], exact[row, expected - 1], **TOLERANCE)


def test_more_clusters_are_read_where_one_has_too_few_items(model, scores):
    reading = read(model, scores)
    everything = [[0] * 6, [1, 2, 3, 4, 5, 6], [6, 0, 7, 1, 0, 0]]
    found = [
        lists(index, reading, everything, k=4)
        for index in (ExactIndex(scores), clusters(scores, 1))
    ]
    for (item, score), is_exact in zip(found, (True, False), strict=True):
        assert np.isfinite(score).sum(1).tolist() == [4, 0, 4], is_exact
        assert not {6, 1} & set(item[2].tolist())


indices = st.integers(0, V + 1)
users = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.lists(st.tuples(st.integers(1, V + 1), st.integers(0, 1)), min_size=1, max_size=3),
    ),
    max_size=3,
).map(lambda sessions: sorted(sessions, key=lambda session: session[0]))


@settings(max_examples=25, derandomize=True)
@given(
    batch=st.lists(
        st.tuples(users, st.lists(indices, min_size=3, max_size=3)),
        min_size=1,
        max_size=3,
    ),
    k=st.integers(1, V),
)
def test_a_list_is_as_long_as_the_exact_one(model, scores, batch, k):
    reading = read(model, scores, [user for user, _ in batch])
    excluded = [items for _, items in batch]
    for index in (ExactIndex(scores), clusters(scores, 1)):
        item, score = lists(index, reading, excluded, k)
        for row, items in enumerate(excluded):
            found = item[row][np.isfinite(score[row])]
            assert len(found) == min(k, V - len(set(items) - {0, V + 1}))
            assert len(set(found)) == len(found)
            assert not set(found) & set(items)


def test_equal_items_come_in_the_order_of_the_vocabulary():
    model = small_model([3] * V, trend=False)
    scores = ItemScores(model)
    scores._vectors[-1].assign(tf.zeros_like(scores.vectors))
    reading = read(model, scores, [NOBODY])
    assert lists(ExactIndex(scores), reading, [[2]])[0].tolist() == [[1, 3, 4]]


@settings(max_examples=25, derandomize=True)
@given(
    batch=st.lists(
        st.tuples(users, st.lists(indices, min_size=2, max_size=2)),
        min_size=1,
        max_size=3,
    ),
    order=st.permutations(range(1, V + 1)),
    k=st.integers(1, V),
)
def test_with_all_clusters_read_it_is_exact(model, scores, batch, order, k):
    reading = read(model, scores, [user for user, _ in batch])
    excluded = [items for _, items in batch]
    index = clusters(scores, 3, np.array([order[:3], [*order[3:5], 0], [order[5], 0, 0]]))
    item, score = lists(index, reading, excluded, k)
    exact_item, exact_score = lists(ExactIndex(scores), reading, excluded, k)
    np.testing.assert_allclose(score, exact_score, **TOLERANCE)
    is_item = np.isfinite(exact_score)
    np.testing.assert_array_equal(item[is_item], exact_item[is_item])


@settings(max_examples=15, derandomize=True)
@given(batch=st.lists(users, min_size=1, max_size=3), probes=st.integers(1, 3))
def test_a_row_does_not_depend_on_its_batch(model, scores, batch, probes):
    index = clusters(scores, probes)
    item, score = lists(index, read(model, scores, batch))
    for row, user in enumerate(batch):
        alone_item, alone_score = lists(index, read(model, scores, [user]))
        np.testing.assert_array_equal(alone_item[0], item[row])
        np.testing.assert_allclose(alone_score[0], score[row], **TOLERANCE)


def test_every_item_is_in_one_cluster_of_its_like():
    generator = np.random.default_rng(0)
    centre = generator.normal(size=[4, 8]) * 10
    topic = generator.integers(4, size=800)
    items = centre[topic] + generator.normal(size=[800, 8])
    found = find_clusters(items, generator.normal(size=[50, 8]))
    assert found.members.shape[1] == CLUSTER_SIZE
    assert sorted(found.members[found.members > 0]) == list(range(1, 801))
    for row in found.members:
        assert len(set(topic[row[row > 0] - 1])) == 1
    np.testing.assert_array_equal(
        find_clusters(items, np.eye(8)).members, find_clusters(items, np.eye(8)).members
    )


def test_equal_items_are_put_in_clusters_too():
    found = find_clusters(np.ones([300, 3]), np.ones([2, 3]))
    assert sorted(found.members[found.members > 0]) == list(range(1, 301))
    np.testing.assert_allclose(found.spread, 0, atol=1e-3)


def test_as_many_clusters_are_read_as_the_recall_asks_for(model, scores):
    reading = read(model, scores)
    index = clusters(scores, 1)
    chosen = [enough_probes(index, [reading], 3, target) for target in (0.3, 0.6, 0.99)]
    assert chosen == sorted(chosen)
    index.probes = chosen[-1]
    np.testing.assert_array_equal(lists(index, reading)[0], lists(ExactIndex(scores), reading)[0])


def test_recall_is_measured_on_other_requests_than_clusters_are_chosen_on():
    generator = np.random.default_rng(1)
    model = random_model(generator.integers(1, 300, size=1000))
    scores = ItemScores(model)
    batches = [
        read(model, scores, [[(0, [(int(i), 1)])] for i in generator.integers(1, 1001, size=20)])
        for _ in range(4)
    ]
    index, report = cluster_index(scores, batches, 10, 0.9)
    assert 1 <= report["clusters_read"] == index.probes < report["clusters"]
    assert report["recall_vs_exact@10"] > 0.85
    assert report["requests"] == 40
