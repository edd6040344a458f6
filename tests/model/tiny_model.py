"""Histories as Transform gives them, and small models over them, without running Transform."""

import numpy as np
import tensorflow as tf

from model import features, preprocessing
from model.batches import Targets
from model.catalogue import Catalogue
from model.config import ModelConfig
from model.history import History, Requests, from_transformed
from model.item_pairs import ItemPairs
from model.item_table import EMPTY, ItemTable
from model.session_model import SessionModel

DAY = 86_400
# A day is a period; all that is later is the last.
PERIODS = 8
SMALL = {"periods": PERIODS, "dim": 8, "layers": 1, "heads": 2, "dropout": 0.0}
# A session is a list of (vocabulary index, engaged); a user a list of (day, session).
Session = list[tuple[int, int]]
User = list[tuple[float, Session]]


def transformed(users: list[User], targets: list[Session] | None = None) -> dict:
    """Transform's output; a session's events have its time, and a request is one day later.

    Every item's table row is 0.
    """

    def sessions(values: list) -> tf.RaggedTensor:
        return tf.ragged.constant(values, tf.int64, ragged_rank=2, row_splits_dtype=tf.int64)

    def rows(values: list, dtype=tf.int64) -> tf.RaggedTensor:
        return tf.ragged.constant(values, dtype, ragged_rank=1, row_splits_dtype=tf.int64)

    days = [[day for day, _ in user] + [user[-1][0] + 1 if user else 0.0] for user in users]
    gaps = [np.diff(visits, prepend=visits[0]).tolist() for visits in days]
    targets = targets or [[] for _ in users]
    return {
        features.ITEM_INDEX: sessions([[[i for i, _ in s] for _, s in u] for u in users]),
        features.ITEM_ROW: sessions([[[0 for _ in s] for _, s in u] for u in users]),
        features.ENGAGED: sessions([[[e for _, e in s] for _, s in u] for u in users]),
        preprocessing.EVENT_TIME: sessions(
            [[[int(day * DAY) for _ in s] for day, s in u] for u in users]
        ),
        preprocessing.VISIT_TIME: rows([[int(day * DAY) for day in visits] for visits in days]),
        preprocessing.VISIT_GAP: rows(gaps, tf.float32),
        preprocessing.VISIT_HOUR: rows([[int(day * 24) % 24 for day in v] for v in days]),
        preprocessing.VISIT_WEEKDAY: rows([[int(day) % 7 for day in v] for v in days]),
        preprocessing.VISIT_PERIOD: rows([[min(int(day), PERIODS) for day in v] for v in days]),
        preprocessing.REQUEST_KNOWN: tf.ones([len(users)], tf.int64),
        preprocessing.TARGET_INDEX: rows([[i for i, _ in target] for target in targets]),
        features.TARGET_ENGAGED: rows([[e for _, e in target] for target in targets]),
    }


def history(users: list[User], max_sessions: int = 100) -> History:
    return from_transformed(transformed(users), max_sessions)


def catalogue(count: list[int], table: ItemTable = EMPTY) -> Catalogue:
    """`count` is of vocabulary indices 1..V; all stand in row 0 of the table; many rare items."""
    ids = tuple(f"item-{index}" for index in range(1, len(count) + 1))
    row = np.zeros(len(count) + 2, np.int64)
    period_count = np.zeros([PERIODS + 1, len(count) + 2], np.int64)
    period_count[0] = [0, *count, 100_000]
    pairs = in_a_circle(len(count))
    return Catalogue(ids, period_count, np.zeros_like(row), row, table, pairs, pairs)


def in_a_circle(items: int, count: float = 5.0) -> ItemPairs:
    """Item i goes with i + 1, and the last with the first, `count` times each."""
    every = np.arange(1, items + 1)
    start = np.concatenate([[0], every - 1, [items, items]])
    times = np.full(items, count, np.float32)
    least = np.ones(items + 2, np.float32)
    return ItemPairs(start, every % items + 1, times, least, np.pad(times, 1))


def small_model(count: list[int], max_sessions: int = 100, seed: int = 0, **options):
    """An untrained model; zero-initialised weights are made random so that everything counts."""
    tf.keras.utils.set_random_seed(seed)
    config = ModelConfig(**SMALL, **options)
    model = SessionModel(config, catalogue(count), max_sessions)
    logits(model, history([[(0, [(1, 1)])]]))
    return model


def make_random(model: SessionModel, seed: int = 0) -> None:
    """Add noise to every weight: many start at zero, where they would hide what they read."""
    generator = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign_add(generator.normal(0.0, 0.3, weight.shape).astype(np.float32))


def requests(positions: list[list[int]], is_known: bool = True) -> Requests:
    """At positions of each user's history."""
    user = [place for place, of_user in enumerate(positions) for _ in of_user]
    position = [at for of_user in positions for at in of_user]
    known = tf.fill([len(user)], is_known)
    return Requests(tf.constant(user, tf.int64), tf.constant(position, tf.int64), known)


def logits(model: SessionModel, users: History, positions=None, is_known: bool = True):
    """Scores [N, V] at positions of each user's history, after the whole of it unless given."""
    if positions is None:
        positions = users.length.numpy()[:, np.newaxis].tolist()
    vectors = model.item_vectors()
    reading = model.read(users, vectors, requests(positions, is_known))
    index = tf.range(1, model.vocabulary_size + 1, dtype=tf.int64)
    return model.scores(reading, index, vectors[-1][1:-1]).numpy()


def target(positions, index, label) -> Targets:
    """Sessions to predict at positions of each user's history: their items, one list of all."""
    index, label, seed = (tf.constant(values, tf.int64) for values in (index, label, [0, 0]))
    return Targets(requests(positions), index, label, seed)
