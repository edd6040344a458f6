"""Read a split's tf.Examples back as arrays: what evaluated users engaged with, and the targets."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystems import FileSystems
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.ingestion import SCHEMA
from components.ingestion.records import read_records
from model import features


@dataclass(frozen=True)
class Requests:
    """One request per user, engaged items only; items are positions in `item_ids`.

    Attributes:
      users: how many requests there are.
      item_ids: bytes [items], sorted.
      history_user, history_item: int64 [entries], an entry per session and distinct item in it,
        in the order of time.
      history_session: which of the user's sessions it is, 0 the first, int64 [entries].
      history_time: of the item's first event in the session, unix seconds, int64 [entries].
      target_user, target_item: int64 [targets], an entry per user and distinct target item.
    """

    users: int
    item_ids: np.ndarray
    history_user: np.ndarray
    history_item: np.ndarray
    history_session: np.ndarray
    history_time: np.ndarray
    target_user: np.ndarray
    target_item: np.ndarray

    def of_users(self, start: int, stop: int) -> "Requests":
        """The requests from `start` to before `stop`, over the same `item_ids`."""
        history = slice(*np.searchsorted(self.history_user, (start, stop)))
        target = slice(*np.searchsorted(self.target_user, (start, stop)))
        return Requests(
            users=stop - start,
            item_ids=self.item_ids,
            history_user=self.history_user[history] - start,
            history_item=self.history_item[history],
            history_session=self.history_session[history],
            history_time=self.history_time[history],
            target_user=self.target_user[target] - start,
            target_item=self.target_item[target],
        )


def read_folder(folder: str) -> Iterator[bytes]:
    """Yields the records of the TFRecord files in a folder, in the order of the files' names.

    Raises:
      FileNotFoundError: if the folder holds no file.
      ValueError: if a file is damaged.
    """
    matched = FileSystems.match([FileSystems.join(folder, "*")])[0].metadata_list
    if not matched:
        raise FileNotFoundError(f"no TFRecord file in {folder}")
    for path in sorted(metadata.path for metadata in matched):
        with FileSystems.open(path) as file:
            try:
                for number, record in enumerate(read_records(file), start=1):
                    if record is None:
                        raise ValueError(f"the checksum of record {number} does not match")
                    yield record
            except (OSError, ValueError, zlib.error) as error:
                raise ValueError(f"{path} is damaged: {error}") from error


def decode_requests(examples: Sequence[bytes]) -> Requests:
    """Decodes serialized tf.Examples, one a user; all of them are held in memory.

    Exposures are dropped, and with them sessions that hold nothing else.
    """
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    batch = ExamplesToRecordBatchDecoder(schema.SerializeToString()).DecodeBatch(examples)
    history, targets = batch.column(features.ITEM_ID), batch.column(features.TARGET_ITEM_ID)
    item_ids, codes = _encode(pa.concat_arrays([history.flatten(), targets.flatten()]))
    events = len(history.flatten())

    session_length = batch.column(features.SESSION_LENGTH)
    user_of_session = _list_of_each_value(session_length)
    session_of_event = np.repeat(
        np.arange(len(user_of_session)), _numpy(session_length.flatten()).astype(np.int64)
    )
    engaged = _numpy(batch.column(features.ENGAGED).flatten()) == 1
    time = _numpy(batch.column(features.TIMESTAMP).flatten())[engaged]
    session, item = session_of_event[engaged], codes[:events][engaged]
    first = _distinct(session, item, len(item_ids))
    session = session[first]

    engaged = _numpy(batch.column(features.TARGET_ENGAGED).flatten()) == 1
    target_user, target_item = _list_of_each_value(targets)[engaged], codes[events:][engaged]
    first_target = _distinct(target_user, target_item, len(item_ids))
    return Requests(
        users=batch.num_rows,
        item_ids=item_ids,
        history_user=user_of_session[session],
        history_item=item[first],
        history_session=_place_among_the_users(session, user_of_session[session]),
        history_time=time[first],
        target_user=target_user[first_target],
        target_item=target_item[first_target],
    )


def _place_among_the_users(session: np.ndarray, user: np.ndarray) -> np.ndarray:
    """0 for a user's first session, 1 for the second: of ascending sessions, int64 [entries]."""
    _, place = np.unique(session, return_inverse=True)
    _, first, inverse = np.unique(user, return_index=True, return_inverse=True)
    return place - place[first][inverse]


def _numpy(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False)


def _list_of_each_value(lists: pa.Array) -> np.ndarray:
    """Which list each of the flattened values comes from: int64 [values]."""
    return _numpy(pc.list_parent_indices(lists)).astype(np.int64)


def _encode(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The sorted distinct ids, and int64 positions in them."""
    encoded = ids.dictionary_encode()
    order = _numpy(pc.sort_indices(encoded.dictionary))
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    codes = _numpy(encoded.indices).astype(np.int64)
    return _numpy(encoded.dictionary.take(pa.array(order))), position[codes]


def _distinct(group: np.ndarray, item: np.ndarray, items: int) -> np.ndarray:
    """Where the distinct (group, item) pairs first stand, ascending: int64 [pairs]."""
    _, first = np.unique(group * items + item, return_index=True)
    first.sort()
    return first
