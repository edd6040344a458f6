"""What the pushed model recommends to a few users of the test split, beside what they did."""

import dataclasses
import itertools

import tensorflow as tf

from components.evaluation.request_arrays import read_folder
from components.ingestion.shards import split_folder
from model import features
from tfx_pipeline.config import Config
from tfx_pipeline.demonstration import decode_user, has_history, is_judgeable, titles
from tfx_pipeline.runs import Run

USERS, ITEMS, LOOKED_AT = 4, 10, 2_000


@dataclasses.dataclass(frozen=True)
class Answer:
    """One user's list.

    Attributes:
      user_id: of the user.
      sessions: how many the history has.
      last: titles of the last session's engaged items.
      recommended: (title, whether the user engaged with it in the next session).
      did: titles of what the user engaged with in the next session.
    """

    user_id: str
    sessions: int
    last: list[str]
    recommended: list[tuple[str, bool]]
    did: list[str]


def example_answers(config: Config, run: Run) -> list[Answer]:
    """The lists of a few users with a history, those first who can be judged.

    Args:
      config: for titles of items.
      run: whose pushed model answers.
    """
    assert run.pushed_path is not None
    if not tf.saved_model.contains_saved_model(run.pushed_path):
        return []  # an old version that was cleared away
    records = read_folder(split_folder(run.examples_uri, features.TEST_SPLIT))
    with_history = filter(has_history, itertools.islice(records, LOOKED_AT))
    chosen = sorted(with_history, key=lambda record: not is_judgeable(record))[:USERS]
    if not chosen:
        return []
    signature = tf.saved_model.load(run.pushed_path).signatures["serving_default"]
    lists = signature(examples=tf.constant(chosen))["item_id"].numpy()
    names = titles(config)

    def title(item: str) -> str:
        return names.get(item) or item

    return [
        Answer(
            user.request.user_id,
            len(user.request.sessions),
            [title(event.item_id) for event in user.request.sessions[-1] if event.engaged],
            [(title(i), i in user.next_items) for i in map(bytes.decode, items[:ITEMS])],
            sorted(map(title, user.next_items)),
        )
        for user, items in zip(map(decode_user, chosen), lists, strict=True)
    ]
