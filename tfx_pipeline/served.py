"""What was served: the requests and lists of PredictionLog files, and what users did next."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.errors import DataError
from components.ingestion import spans
from components.ingestion.canonical import canonicalise
from components.ingestion.log_reader import check_log, read_blocks
from components.ingestion.sessionize import sessionize
from model import features
from tfx_pipeline.config import Config
from tfx_pipeline.demonstration import decode_user

EXAMPLES, LIST = "examples", "item_id"
K, EXCLUDED, EXCLUDE_SEEN = "k", "exclude_item_id", "exclude_seen"


@dataclasses.dataclass(frozen=True)
class Served:
    """One user of one logged request.

    Attributes:
      example: the serialized tf.Example.
      user_id: of the user.
      time: when the answer was for, unix seconds.
      items: the list that was answered, best first; [] for signatures that answer none.
      asked: how many of the best items the list was to have; 0 if there is none or some items were
        excluded, as evaluation excludes none.
      model: the name and the version that answered.
    """

    example: bytes
    user_id: str
    time: int
    items: list[str]
    asked: int
    model: tuple[str, int]


def read_served(pattern: str) -> list[Served]:
    """The users of all logged requests, in the order of the files' names.

    Raises:
      DataError: no file matches, or one is no TFRecord of PredictionLogs.
    """
    paths = sorted(tf.io.gfile.glob(pattern))
    if not paths:
        raise DataError(f"No file matches --requests {pattern!r}.")
    served: list[Served] = []
    for path in paths:
        try:
            for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
                served += _of_call(prediction_log_pb2.PredictionLog.FromString(record))
        except (tf.errors.OpError, DecodeError, ValueError) as error:
            raise DataError(f"{path} is no TFRecord of PredictionLogs: {error}") from error
    return served


def _of_call(entry: prediction_log_pb2.PredictionLog) -> list[Served]:
    call = entry.predict_log
    if EXAMPLES not in call.request.inputs:
        return []
    inputs = {name: tf.make_ndarray(value) for name, value in call.request.inputs.items()}
    examples = inputs[EXAMPLES]
    lists = np.empty([len(examples), 0], object)
    if LIST in call.response.outputs:
        lists = tf.make_ndarray(call.response.outputs[LIST])
    has_spec = call.response.HasField("model_spec")
    spec = call.response.model_spec if has_spec else entry.log_metadata.model_spec
    found = []
    for example, items, asked in zip(examples, lists, _asked(inputs, lists.shape), strict=True):
        request = decode_user(example).request
        time = request.request_timestamp
        found.append(
            Served(
                example,
                request.user_id,
                entry.log_metadata.timestamp_secs if time is None else time,
                [item.decode() for item in items if item],
                int(asked),
                (spec.name, spec.version.value),
            )
        )
    return found


def _asked(inputs: dict[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """`Served.asked` of each user [B], of lists [B, K]."""
    users, slots = shape
    asked = np.minimum(inputs.get(K, slots), slots)
    is_restricted = inputs.get(EXCLUDE_SEEN, np.zeros(users, bool))
    if EXCLUDED in inputs:
        is_restricted = is_restricted | (inputs[EXCLUDED] != b"").any(axis=1)
    return np.where(is_restricted, 0, asked)


def outcomes(served: Sequence[Served], config: Config) -> list[set[str]]:
    """What each user engaged with in the first such session that does not start before the request.

    The log that `data.log` names is read and cut into sessions as ingestion does.

    Returns:
      Item ids for each of `served`; empty where there is no such session yet.

    Raises:
      DataError: the log cannot be read.
    """
    rows = _interactions(config, {each.user_id for each in served})
    sessions = sessionize(rows, config.sessions.gap_minutes * 60)
    items = sessions.item_ids.to_pylist()
    users = {user: index for index, user in enumerate(sessions.user_ids.to_pylist())}
    bounds = np.searchsorted(sessions.session, np.arange(len(sessions.start) + 1))

    def engaged(session: int) -> set[str]:
        rows = slice(bounds[session], bounds[session + 1])
        return {items[i] for i in sessions.item[rows][sessions.engaged[rows]]}

    def of(each: Served) -> set[str]:
        user = users.get(each.user_id, -1)
        first, last = np.searchsorted(sessions.user, (user, user + 1))
        after = (s for s in range(first, last) if sessions.start[s] >= each.time)
        return next(filter(None, map(engaged, after)), set())

    return list(map(of, served))


def _interactions(config: Config, user_ids: set[str]) -> pa.Table:
    """The usable rows of some users."""
    data = config.data
    wanted = pa.array(sorted(user_ids), pa.large_string())
    tables = []
    for part in check_log(spans.paths(data, spans.resolve(data)), data.columns):
        for block in read_blocks(part, data.columns):
            rows, _, _ = canonicalise(block, part.path, data)
            tables.append(rows.filter(pc.is_in(rows[features.USER_ID], wanted)))
    return pa.concat_tables(tables).combine_chunks()
