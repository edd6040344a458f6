"""Write the SavedModel with warm-up requests that also record what the trainer answered."""

import json
import os
from itertools import chain

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from model import features
from model.catalogue import Catalogue
from model.preprocessing import EVENT_TIME
from model.signatures import Servable

EXTRA_FOLDER, WARM_UP_FILE = "assets.extra", "tf_serving_warmup_requests"
INDEX_FILE = "index.json"


def export(
    servable: Servable,
    examples: list[bytes],
    folder: str,
    model_name: str,
    index_report: dict | None = None,
) -> None:
    """Save `servable` to `folder`.

    Args:
      servable: the signatures.
      examples: serialized tf.Examples of real users, for warm-up.
      folder: where the SavedModel goes; must not exist.
      model_name: the name it will be served under.
      index_report: what an approximate index was measured to find.
    """
    servable.save(folder)
    extra = os.path.join(folder, EXTRA_FOLDER)
    tf.io.gfile.makedirs(extra)
    with tf.io.TFRecordWriter(os.path.join(extra, WARM_UP_FILE)) as writer:
        for log in _prediction_logs(servable, examples, model_name):
            writer.write(log.SerializeToString(deterministic=True))
    if index_report is not None:
        with tf.io.gfile.GFile(os.path.join(extra, INDEX_FILE), "w") as file:
            file.write(f"{json.dumps(index_report, indent=2)}\n")


def requests(users: dict, items: Catalogue) -> list[bytes]:
    """Serialized requests of a new user and of each user of a batch of Transform's output.

    Items out of the vocabulary are left unnamed.
    """
    examples = [_example([], [], [], [])]
    for index, engaged, time in zip(
        users[features.ITEM_INDEX].to_list(),
        users[features.ENGAGED].to_list(),
        users[EVENT_TIME].to_list(),
        strict=True,
    ):
        ids = [_item_id(items, i) for i in chain.from_iterable(index)]
        roles, times = (list(chain.from_iterable(sessions)) for sessions in (engaged, time))
        examples.append(_example(ids, roles, times, [len(session) for session in index]))
    return examples


def _item_id(items: Catalogue, index: int) -> bytes:
    known = index <= len(items.item_ids)
    return items.item_ids[index - 1].encode() if known else b"unknown item"


def _example(ids: list[bytes], engaged: list[int], times: list[int], lengths: list[int]) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    feature[features.USER_ID].bytes_list.value.append(b"")
    feature[features.ITEM_ID].bytes_list.value.extend(ids)
    feature[features.ENGAGED].int64_list.value.extend(engaged)
    feature[features.TIMESTAMP].int64_list.value.extend(times)
    feature[features.SESSION_LENGTH].int64_list.value.extend(lengths)
    return example.SerializeToString(deterministic=True)


def _prediction_logs(servable: Servable, examples: list[bytes], model_name: str):
    """One request a signature, with the answer of the model in memory."""
    batch = tf.constant(examples)
    best = servable.serving_default(batch)["item_id"]
    calls = {
        "serving_default": {"examples": batch},
        "recommend": {
            "examples": batch,
            "k": tf.fill([len(examples)], min(10, servable.max_k)),
            # The second best: a catalogue may have one item only.
            "exclude_item_id": best[:, 1:2],
            "exclude_seen": tf.fill([len(examples)], False),
        },
        "rank": {"examples": batch, "candidate_item_id": best[:, :3]},
        "encode": {"examples": batch},
    }
    for signature, inputs in calls.items():
        log = prediction_log_pb2.PredictionLog()
        request, response = log.predict_log.request, log.predict_log.response
        for spec in (request.model_spec, response.model_spec):
            spec.name, spec.signature_name = model_name, signature
        _fill(request.inputs, inputs)
        _fill(response.outputs, getattr(servable, signature)(**inputs))
        yield log


def _fill(field: predict_pb2.PredictRequest.InputsEntry, tensors: dict) -> None:
    for name, tensor in tensors.items():
        field[name].CopyFrom(tf.make_tensor_proto(tensor))
