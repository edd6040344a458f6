"""Transform's output of a tiny log: vocabulary, item rows, visits, requests, no history."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio
from tiny_log import DAY, EVAL, HOUR, MONDAY, TRAIN, VOCABULARY
from tiny_transform import PERIODS, example, transform

from model import catalogue, features, preprocessing
from model.config import ModelConfig
from model.item_table import EMPTY, read_item_table

A, B, C, RARE = 1, 2, 3, 4


def read(folder, split: str) -> dict:
    """All users of a split in one batch, in the order of the log."""
    schema = tft.TFTransformOutput(str(folder / "graph")).transformed_metadata.schema
    source = tfxio.TFExampleRecord(
        [str(folder / f"Split-{split}" / "*")], schema=schema, telemetry_descriptors=["t"]
    )
    options = tfxio.TensorFlowDatasetOptions(batch_size=100, num_epochs=1, shuffle=False)
    return next(iter(source.TensorFlowDataset(options)))


@pytest.fixture(scope="module")
def train(transformed):
    return read(transformed, "train")


@pytest.fixture(scope="module")
def evaluation(transformed):
    return read(transformed, "eval")


def vocabulary_path(folder) -> str:
    return tft.TFTransformOutput(str(folder / "graph")).vocabulary_file_by_name(
        features.ITEM_VOCABULARY
    )


def as_served(folder, requests: list[bytes]) -> dict:
    """What the graph makes of requests, which have no targets."""
    graph = tft.TFTransformOutput(str(folder / "graph"))
    spec = graph.raw_feature_spec()
    spec = {name: spec[name] for name in spec if name not in features.TARGET_FEATURES}
    return graph.transform_features_layer()(tf.io.parse_example(requests, spec))


def test_the_vocabulary_is_of_items_with_enough_engaged_sessions(transformed):
    lines = tf.io.gfile.GFile(vocabulary_path(transformed)).read().split("\n")
    assert lines == [*VOCABULARY, ""]


def test_indices_and_rows_keep_the_sessions(train):
    # The first user of the log: AB, Ac, ABd; d is rare; rows of the item table follow its file.
    assert train[features.ITEM_INDEX][0].to_list() == [[A, B], [A, C], [A, B, RARE]]
    assert train[features.ITEM_ROW][0].to_list() == [[1, 2], [1, 3], [1, 2, 4]]
    assert train[features.ENGAGED][0].to_list() == [[1, 1], [1, 0], [1, 1, 0]]
    assert train[preprocessing.EVENT_TIME][0].to_list() == [
        [MONDAY] * 2,
        [MONDAY + DAY] * 2,
        [MONDAY + 2 * DAY] * 3,
    ]
    # e is neither in the vocabulary nor in the item table.
    assert train[features.ITEM_INDEX][1].to_list()[2] == [A, RARE]
    assert train[features.ITEM_ROW][1].to_list()[2] == [1, 0]


def test_visits_are_sessions_and_the_request(train, evaluation):
    days = [MONDAY + day * DAY for day in range(3)]
    # No request in training: the time of the last event.
    assert train[preprocessing.VISIT_TIME][0].numpy().tolist() == [*days, days[-1]]
    assert train[preprocessing.VISIT_WEEKDAY][0].numpy().tolist() == [0, 1, 2, 2]
    assert train[preprocessing.VISIT_HOUR][0].numpy().tolist() == [0, 0, 0, 0]
    assert not train[preprocessing.REQUEST_KNOWN].numpy().any()
    assert evaluation[preprocessing.VISIT_TIME][0].numpy().tolist() == [*days, MONDAY + 3 * DAY]
    assert evaluation[preprocessing.REQUEST_KNOWN].numpy().all()


def test_gaps_are_standardised_over_the_training_split(train):
    gaps = train[preprocessing.VISIT_GAP]
    raw = [0.0, np.log(25), np.log(25), 0.0]  # log1p of hours; the first visit has none before.
    everything = []
    for user in TRAIN:
        everything += [0.0] + [np.log(25)] * (len(user) - 1) + [0.0]
    expected = (np.array(raw) - np.mean(everything)) / np.std(everything)
    np.testing.assert_allclose(gaps[0].numpy(), expected, rtol=1e-4)


def test_targets(evaluation):
    assert evaluation[preprocessing.TARGET_INDEX].to_list() == [[A, C], [B], [A], [RARE]]
    assert evaluation[features.TARGET_ENGAGED].to_list() == [[1, 0], [1], [1], [1]]


def test_a_user_without_history(evaluation):
    row = next(place for place, (history, *_) in enumerate(EVAL) if not history)
    assert evaluation[features.ITEM_INDEX][row].to_list() == []
    assert evaluation[preprocessing.VISIT_TIME][row].numpy().tolist() == [MONDAY + 5 * DAY]
    assert evaluation[preprocessing.VISIT_WEEKDAY][row].numpy().tolist() == [5]


def test_a_request_is_as_one_at_serving(transformed):
    late = [(MONDAY + 5 * HOUR, [("a", 1)])]
    requests = [example(late, MONDAY + 30 * HOUR), example(late), example()]
    found = as_served(transformed, requests)
    assert found[preprocessing.REQUEST_KNOWN].numpy().tolist() == [1, 0, 0]
    assert found[preprocessing.VISIT_HOUR].to_list() == [[5, 6], [5, 5], [0]]
    # With neither events nor a time, the request is made at the latest session of the log.
    assert found[preprocessing.VISIT_WEEKDAY].to_list() == [[0, 1], [0, 0], [2]]
    assert found[features.ITEM_INDEX].to_list() == [[[A]], [[A]], []]


def test_only_what_is_later_than_all_training_sessions_is_in_the_last_period(transformed, train):
    assert train[preprocessing.VISIT_PERIOD].flat_values.numpy().max() < PERIODS
    latest = max(time for user in TRAIN for time, _ in user)
    found = as_served(transformed, [example((), latest), example((), latest + 1)])
    [[at_the_end], [later]] = found[preprocessing.VISIT_PERIOD].to_list()
    assert at_the_end < PERIODS
    assert later == PERIODS


def test_catalogue_counts_engaged_sessions(transformed, item_table, train):
    table = read_item_table(item_table["path"], "item_id", ("brand",))
    data = tf.data.Dataset.from_tensors(train).repeat(2)  # Two batches.
    config = ModelConfig(periods=PERIODS, follow=False, together=False)
    built = catalogue.build(vocabulary_path(transformed), table, data, config)
    assert built.item_ids == tuple(VOCABULARY)
    assert built.count.tolist() == [0, 2 * 8, 2 * 4, 2 * 3, 2 * 1]
    # Days are whole in a period: five first sessions hold a four times, b, c and d once.
    by_period = [row for row in built.period_count.tolist() if any(row)]
    assert by_period[0] == [0, 2 * 4, 2 * 1, 2 * 1, 2 * 1]
    assert built.exposed_count.tolist() == [0, 0, 0, 2 * 1, 2 * 2]
    assert built.row.tolist() == [0, 1, 2, 3, 0]
    assert built.followers is None
    assert built.companions is None


def test_an_item_table_of_other_items_is_refused(transformed, train, tmp_path):
    (tmp_path / "items.csv").write_text("item_id,brand\nA,x\nB,y\n")
    table = read_item_table(str(tmp_path / "items.csv"), "item_id", ("brand",))
    data = tf.data.Dataset.from_tensors(train)
    message = r"None of the item table's 2 items is among the 3 of the vocabulary: 'A' .* 'a' of"
    with pytest.raises(ValueError, match=message):
        catalogue.build(vocabulary_path(transformed), table, data, ModelConfig(periods=PERIODS))


@pytest.mark.slow
def test_no_item_is_frequent_enough(tmp_path):
    users = [example([(0, [("a", 1), ("b", 0)])])]
    transform(tmp_path, train=users, refit=users)
    train = tf.data.Dataset.from_tensors(read(tmp_path, "train"))
    with pytest.raises(ValueError, match="No item has enough engaged sessions"):
        catalogue.build(vocabulary_path(tmp_path), EMPTY, train, ModelConfig(periods=PERIODS))
