"""Every encoder, and item vectors of both kinds, saved and loaded: the model's own answers."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from saved_ops import foreign_ops
from tiny_log import DAY, MONDAY, TRAIN, VOCABULARY
from tiny_model import history, in_a_circle, logits, make_random
from tiny_transform import PERIODS, example

from model.catalogue import Catalogue
from model.config import ModelConfig
from model.index import ExactIndex
from model.item_scores import ItemScores
from model.item_table import read_item_table
from model.session_model import SessionModel
from model.signatures import Servable

pytestmark = pytest.mark.slow

USERS = [
    example(),
    example(TRAIN[0], MONDAY + 6 * DAY),
    example([(MONDAY, [("e", 0)]), (MONDAY + DAY, [("never seen", 1)])]),
]
CONFIGS = {
    "max-hstu": {"session_encoder": "max", "sequence_encoder": "hstu"},
    "attention-gru-own": {
        "session_encoder": "attention",
        "sequence_encoder": "gru",
        "shared_embedding": False,
    },
    "transformer": {"session_encoder": "transformer", "retrieval_loss": "sampled"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_saved_model_answers_as_the_model_does(name, transformed, item_table, tmp_path):
    table = read_item_table(item_table["path"], "item_id", ("brand",))
    count = np.array([[0, 8, 4, 3, 9]] + [[0] * 5] * PERIODS)
    exposed, row = np.array([0, 0, 2, 1, 5]), np.array([0, 1, 2, 3, 0])
    pairs = in_a_circle(len(VOCABULARY))
    items = Catalogue(tuple(VOCABULARY), count, exposed, row, table, pairs, pairs)
    config = ModelConfig(periods=PERIODS, dim=8, layers=1, **CONFIGS[name])
    model = SessionModel(config, items, 4)
    logits(model, history([[(0, [(1, 1)])]]))
    make_random(model)
    graph = tft.TFTransformOutput(str(transformed / "graph"))
    servable = Servable(model, graph, items, 3, ExactIndex(ItemScores(model)))
    expected = servable.serving_default(tf.constant(USERS))
    servable.save(str(tmp_path))
    served = tf.saved_model.load(str(tmp_path)).signatures
    found = served["serving_default"](examples=tf.constant(USERS))
    assert found["item_id"].numpy().tolist() == expected["item_id"].numpy().tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-4, atol=1e-5)
    listed = {"examples": tf.constant(USERS), "candidate_item_id": found["item_id"]}
    expected, ranked = servable.rank(**listed), served["rank"](**listed)
    np.testing.assert_allclose(ranked["score"], expected["score"], rtol=1e-4, atol=1e-5)
    assert not foreign_ops(tmp_path)
