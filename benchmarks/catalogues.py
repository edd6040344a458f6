"""Servables of any catalogue size, from the model's own code, with weights that nobody trained.

`python -m benchmarks.catalogues` builds them in a process of its own, whose memory is given back.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.public import tfxio

from components.ingestion import SCHEMA
from model import features
from model.catalogue import Catalogue
from model.clustering import cluster_index
from model.config import ModelConfig
from model.export import export
from model.history import at_the_end, from_transformed
from model.index import ExactIndex
from model.item_pairs import MOST_LISTED, ItemPairs
from model.item_scores import ItemScores
from model.item_table import EMPTY
from model.preprocessing import preprocessing_fn
from model.session_model import SessionModel
from model.signatures import Servable
from model.user_encoder import Reading
from serving.requests import Event, Request, encode_request

EXACT, CLUSTERS = "exact", "clusters"
MAX_K, MAX_SESSIONS, MIN_RECALL = 100, 100, 0.98
USERS, BATCH, SAMPLED_ITEMS = 1024, 32, 10_000
START, SPAN = 1_700_000_000, 90 * 86_400
ITEMS_PER_TOPIC, TOPICS_PER_USER = 500, 3
ZIPF_EXPONENT, ENGAGEMENTS_PER_ITEM = 1.05, 50
# Standard deviations: of an item vector's elements, as after training, and of how much better or
# worse items fit a user than users on average. With 4, the lists of two users share about a quarter
# of their 100 items, as after training; with less, popularity decides every list.
VECTOR_STD, SIMILARITY_STD = 0.12, 4.0
OWN_SHARE = 0.3


class World(NamedTuple):
    """What is known of V items before there is a model.

    Attributes:
      topic: of each item, [V]; None: items have nothing in common.
      share: of engagements, [V].
    """

    topic: np.ndarray | None
    share: np.ndarray


def world(items: int, has_topics: bool, generator: np.random.Generator) -> World:
    """Items in the order of their popularity, a Zipf law, each of one topic."""
    share = np.arange(1, items + 1) ** -ZIPF_EXPONENT
    topic = generator.integers(max(items // ITEMS_PER_TOPIC, 8), size=items)
    return World(topic if has_topics else None, share / share.sum())


def users(of: World, count: int, generator: np.random.Generator) -> list[bytes]:
    """Serialized requests: about ten sessions of about three items of a few topics."""
    drawn = generator.choice(len(of.share), 200_000, p=of.share)
    of_topic: dict[int, np.ndarray] = {}
    if of.topic is not None:
        order = np.argsort(of.topic[drawn], kind="stable")
        topics, starts = np.unique(of.topic[drawn][order], return_index=True)
        of_topic = dict(zip(topics.tolist(), np.split(drawn[order], starts[1:]), strict=True))
    made = []
    for _ in range(count):
        pool = drawn
        if of_topic:
            chosen = generator.choice(list(of_topic), TOPICS_PER_USER)
            pool = np.concatenate([of_topic[topic] for topic in chosen])
        times = START + np.sort(generator.integers(SPAN, size=generator.geometric(0.1)))
        sessions = [
            [Event(f"item-{i}", int(at)) for i in generator.choice(pool, generator.geometric(0.33))]
            for at in times
        ]
        made.append(encode_request(Request("user", sessions, START + SPAN)))
    return made


def build(items: int, has_topics: bool, folder: Path) -> None:
    """Export one model with each index to `folder`/INDEX/1; its requests are in users.json.

    Without topics there are clusters only: what exact scoring takes does not depend on the items.

    The export is the trainer's. Nothing was trained: item vectors are drawn by topic, popularity
    and trend come from drawn counts, all else is random. One factor scales user vectors.

    Args:
      items: size of the catalogue.
      has_topics: false draws every item vector from one normal distribution.
      folder: is made.
    """
    generator = np.random.default_rng(items)
    tf.keras.utils.set_random_seed(items)
    of = world(items, has_topics, generator)
    requests = users(of, USERS, generator)
    folder.mkdir(parents=True)
    (folder / "users.json").write_text(json.dumps([request.hex() for request in requests]))
    config = ModelConfig(dropout=0.0)
    transform = _transform(folder / "transform", items, config.periods, requests)
    catalogue = _catalogue(of, config.periods, generator)
    model = SessionModel(config, catalogue, MAX_SESSIONS)
    read = _reader(model, transform)
    read(requests[:1])  # makes the weights
    _set_weights(model, of, generator)
    _set_similarity(model, read(requests).vector)
    scores = ItemScores(model)
    readings = [read(requests[at : at + BATCH]) for at in range(0, USERS, BATCH)]
    clusters, report = cluster_index(scores, readings, MAX_K, MIN_RECALL)
    if has_topics:
        exact = Servable(model, transform, catalogue, MAX_K, ExactIndex(scores))
        export(exact, requests[:BATCH], str(folder / EXACT / "1"), EXACT)
    approximate = Servable(model, transform, catalogue, MAX_K, clusters)
    export(approximate, requests[:BATCH], str(folder / CLUSTERS / "1"), CLUSTERS, report)


def _transform(
    folder: Path, items: int, periods: int, requests: list[bytes]
) -> tft.TFTransformOutput:
    """Transform's graph as it analyses the requests, with the vocabulary of all items."""
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    source = tfxio.TFExampleBeamRecord("benchmarks", schema=schema)
    config = {"min_sessions_per_item": 1, "periods": periods}
    metadata_io.write_metadata(
        dataset_metadata.DatasetMetadata(schema),
        os.path.join(folder, tft.TFTransformOutput.RAW_METADATA_DIR),
    )
    with tft_beam.Context(str(folder / "temp")), beam.Pipeline(runner="FnApiRunner") as pipeline:
        data = pipeline | beam.Create(requests) | source.BeamSource()
        analyze = tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, config))
        _ = (data, source.TensorAdapterConfig()) | analyze | tft_beam.WriteTransformFn(str(folder))
    transform = tft.TFTransformOutput(str(folder))
    vocabulary = Path(str(transform.vocabulary_file_by_name(features.ITEM_VOCABULARY)))
    vocabulary.write_text("".join(f"item-{item}\n" for item in range(items)))
    return transform


def _catalogue(of: World, periods: int, generator: np.random.Generator) -> Catalogue:
    items = len(of.share)
    expected = of.share * items * ENGAGEMENTS_PER_ITEM / periods
    count = np.zeros([periods + 1, items + 2], np.int64)
    for period in range(periods):
        count[period, 1:-1] = generator.poisson(expected)
    ids = tuple(f"item-{item}" for item in range(items))
    none = np.zeros(items + 2, np.int64)
    followers, companions = _pairs(of, generator), _pairs(of, generator)
    return Catalogue(ids, count, none, none, EMPTY, followers, companions)


def _pairs(of: World, generator: np.random.Generator) -> ItemPairs:
    """As many of each item as are listed at most, by popularity."""
    items = len(of.share)
    start = np.concatenate([[0], np.arange(items + 1) * MOST_LISTED, [items * MOST_LISTED]])
    index = 1 + generator.choice(items, items * MOST_LISTED, p=of.share)
    count = 1 + generator.poisson(1.0, len(index)).astype(np.float32)
    least = np.ones(items + 2, np.float32)
    return ItemPairs(start, index, count, least, np.full(items + 2, 2.0 * MOST_LISTED, np.float32))


def _reader(model: SessionModel, transform: tft.TFTransformOutput):
    layer = transform.transform_features_layer()
    spec = transform.raw_feature_spec()
    spec = {name: spec[name] for name in spec if name not in features.TARGET_FEATURES}

    def read(requests: list[bytes]) -> Reading:
        found = layer(tf.io.parse_example(tf.constant(requests), spec))
        history = from_transformed(model.arrange(found), MAX_SESSIONS)
        return model.read(history, None, at_the_end(history, found))

    return read


def _set_weights(model: SessionModel, of: World, generator: np.random.Generator) -> None:
    """Item vectors by topic; noise in all other small weights, many of which start at zero."""
    for weight in model.trainable_variables:
        if "item_id_embedding" in weight.name:
            vectors = generator.normal(size=weight.shape)
            if of.topic is not None:
                centre = generator.normal(size=[of.topic.max() + 1, weight.shape[1]])
                vectors[1:-1] *= np.sqrt(OWN_SHARE)
                vectors[1:-1] += np.sqrt(1 - OWN_SHARE) * centre[of.topic]
            weight.assign(VECTOR_STD * vectors)
        elif "item_bias" not in weight.name:
            weight.assign_add(generator.normal(0.0, 0.05, weight.shape))


def _set_similarity(model: SessionModel, users: tf.Tensor) -> None:
    """Scale the query, which gave the vectors of `users` [N, dim], to SIMILARITY_STD."""
    items = model.item_vectors()[-1][1 : 1 + SAMPLED_ITEMS]
    similarity = tf.matmul(users, items, transpose_b=True)
    own = similarity - tf.reduce_mean(similarity, axis=0)
    factor = SIMILARITY_STD / tf.math.reduce_std(own)
    for weight in model.trainable_variables:
        if "query/" in weight.name:
            weight.assign(factor * weight)


def main(arguments: list[str]) -> None:
    """Build what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogues")
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--unstructured", action="store_true", help="items have no topics")
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(arguments)
    build(given.items, not given.unstructured, given.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
