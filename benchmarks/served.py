"""What a trained model answers, through the signatures that it is served by."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from sklearn.metrics import ndcg_score

from benchmarks.protocol import K, Task
from model import features

_BATCH = 256


def load(folder: str) -> dict:
    """The signatures of a SavedModel by name."""
    return tf.saved_model.load(folder).signatures


def recommended(signatures: dict, examples: Sequence[bytes]) -> list[list[bytes]]:
    """The lists of `serving_default`, cut at the largest cutoff.

    Raises:
      ValueError: they are shorter.
    """
    lists: list[list[bytes]] = []
    for batch in _batches(examples):
        item_ids = signatures["serving_default"](examples=batch)["item_id"].numpy()
        if item_ids.shape[1] < K:  # [batch, serve.max_k]
            raise ValueError(f"serve.max_k must be {K} or more. Received: {item_ids.shape[1]}")
        lists.extend(item_ids[:, :K].tolist())
    return lists


def metrics(signatures: dict, task: Task) -> dict[str, np.ndarray]:
    """Of the lists for the judged users: float [judged] by metric."""
    return task.metrics(task.positions(recommended(signatures, task.judged_examples)))


def shown_ndcg(signatures: dict, examples: Sequence[bytes]) -> np.ndarray:
    """How well `rank` orders the items that each target session showed, engaged ones first.

    Returns:
      NDCG over the whole list, float [sessions that hold both engaged items and others].
    """
    shown = [(example, *_shown(example)) for example in examples]
    shown = [(example, ids, label) for example, ids, label in shown if 0 < sum(label) < len(ids)]
    values: list[float] = []
    for start in range(0, len(shown), _BATCH):
        part = shown[start : start + _BATCH]
        ids = tf.ragged.constant([ids for _, ids, _ in part]).to_tensor("")
        score = signatures["rank"](
            examples=tf.constant([example for example, _, _ in part]), candidate_item_id=ids
        )["score"].numpy()
        values += [
            ndcg_score([label], [of_request[: len(label)]])
            for of_request, (_, _, label) in zip(score, part, strict=True)
        ]
    return np.array(values)


def _batches(examples: Sequence[bytes]) -> Iterator[tf.Tensor]:
    for start in range(0, len(examples), _BATCH):
        yield tf.constant(examples[start : start + _BATCH])


def _shown(example: bytes) -> tuple[list[bytes], list[int]]:
    """The distinct items of the target session, and whether each was engaged (1) or not (0)."""
    feature = tf.train.Example.FromString(example).features.feature
    engaged: dict[bytes, int] = {}
    for item, label in zip(
        feature[features.TARGET_ITEM_ID].bytes_list.value,
        feature[features.TARGET_ENGAGED].int64_list.value,
        strict=True,
    ):
        engaged[item] = max(engaged.get(item, 0), label)
    return list(engaged), list(engaged.values())
