"""One block of the log to typed interactions; what cannot be used becomes dead letters."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.config import Columns, DataConfig, Events
from components.ingestion.column_types import EXACT
from components.ingestion.dead_letters import DeadLetter
from components.ingestion.formats.block import Block
from components.ingestion.summary import LogCounts
from components.ingestion.text import as_text
from components.ingestion.times import UNITS_PER_SECOND, YEAR_2100, to_seconds
from model import features

SESSION_ID = "session_id"
INTERACTIONS = pa.schema(
    [
        (features.USER_ID, pa.large_string()),
        (features.ITEM_ID, pa.large_string()),
        (features.TIMESTAMP, pa.int64()),
        (features.ENGAGED, pa.bool_()),
        (SESSION_ID, pa.large_string()),
    ]
)
EXPOSED, ENGAGED, IGNORED, UNKNOWN = range(4)


def interactions_schema(columns: Columns) -> pa.Schema:
    """`INTERACTIONS` and, after it, the further columns as text, '' where there is none."""
    return pa.schema([*INTERACTIONS, *((name, pa.large_string()) for name in columns.further)])


class Problems:
    """The first problem of each row of a block.

    Attributes:
      found: [(reason, field)], in the order noted.
      of_row: int64 [rows], 1-based into `found`, 0 for a good row.
    """

    def __init__(self, rows: int):
        self.found: list[tuple[str, str]] = []
        self.of_row = np.zeros(rows, np.int64)

    def note(self, reason: str, field: str, is_bad: pa.Array | np.ndarray) -> None:
        """Give `reason` to the bad rows that have none yet; `is_bad`: bool [rows]."""
        self.found.append((reason, field))
        self.of_row[np.asarray(is_bad) & (self.of_row == 0)] = len(self.found)


def canonicalise(
    block: Block, file: str, data: DataConfig
) -> tuple[pa.Table, list[DeadLetter], LogCounts]:
    """The block's usable rows, the others as dead letters, and the counts.

    Usable rows are as `interactions_schema` says.
    """
    problems = Problems(len(block.row_numbers))
    _note_coarse_floats(block, problems)
    text = {
        field: as_text(values) for field, values in block.columns.items() if field != "timestamp"
    }
    user, item = (_identifier(text[field], field, problems) for field in ("user_id", "item_id"))
    problems.note("item_id contains a tab or a newline", features.ITEM_ID, _has_break(item))
    time = _time(block.columns["timestamp"], data.timestamp_unit, problems)
    meaning = _meaning(text.get("event"), data.events, problems)
    session = text[SESSION_ID][0] if SESSION_ID in text else pa.nulls(len(user), pa.large_string())
    session = pc.if_else(pc.equal(session, ""), None, session)
    further = [_further(text[name], name, problems) for name in data.columns.further]
    columns = [user, item, time, pa.array(meaning == ENGAGED), session, *further]
    table = pa.table(columns, schema=interactions_schema(data.columns))
    used = table.filter(pa.array((problems.of_row == 0) & (meaning != IGNORED)))
    letters = _letters(block, file, problems)
    counts = LogCounts.of_block(
        rows=len(problems.of_row) + sum(row.lines for row in block.broken),
        used=used[features.TIMESTAMP],
        ignored=int(np.sum((problems.of_row == 0) & (meaning == IGNORED))),
        letters=letters,
        in_finer_unit=_in_finer_unit(time, data.timestamp_unit),
    )
    return used, letters, counts


def _note_coarse_floats(block: Block, problems: Problems) -> None:
    """Floats of TFRecord, which tells types only record by record and has no finer float."""
    for field, values in block.columns.items():
        if field in EXACT and pa.types.is_float32(values.type):
            reason = f"{field} is a 32-bit float, which loses digits: write an int64 or text"
            problems.note(reason, field, pc.is_valid(values))


def _identifier(text: tuple[pa.Array, np.ndarray], field: str, problems: Problems) -> pa.Array:
    problems.note(f"{field} is not valid UTF-8", field, text[1])
    problems.note(f"{field} is empty", field, pc.fill_null(pc.equal(text[0], ""), True))
    return text[0]


def _further(text: tuple[pa.Array, np.ndarray], name: str, problems: Problems) -> pa.Array:
    problems.note(f"{name} is not valid UTF-8", name, text[1])
    return pc.fill_null(text[0], "")


def _has_break(text: pa.Array) -> np.ndarray:
    """bool [rows]: whether the value holds a tab or an end of line."""
    content = text.buffers()[2]
    # Most blocks hold none, which the bytes of all values tell faster than each of them.
    if content is None or not re.search(rb"[\t\r\n]", content):
        return np.zeros(len(text), bool)
    return np.asarray(pc.fill_null(pc.match_substring_regex(text, r"[\t\r\n]"), False))


def _time(values: pa.Array, unit: str, problems: Problems) -> pa.Array:
    is_invalid = np.zeros(len(values), bool)
    if not (pa.types.is_primitive(values.type) or pa.types.is_decimal(values.type)):
        values, is_invalid = as_text(values)
    seconds = to_seconds(values, unit)
    is_bad = is_invalid | np.asarray(pc.is_null(seconds))
    problems.note("timestamp cannot be read as a time", "timestamp", is_bad)
    inside = pc.and_(pc.greater_equal(seconds, 0), pc.less(seconds, YEAR_2100))
    outside = pc.invert(pc.fill_null(inside, True))
    problems.note("timestamp is outside 1970 to 2100", "timestamp", outside)
    return seconds


def _in_finer_unit(seconds: pa.Array, unit: str) -> dict[str, int]:
    """How many times lie past 2100 in the unit they were read in, but not in a finer one."""
    values = pc.fill_null(seconds, 0).to_numpy()
    found, above = {}, YEAR_2100
    for finer, per_second in UNITS_PER_SECOND.items():
        if per_second <= UNITS_PER_SECOND[unit]:
            continue
        limit = YEAR_2100 * per_second // UNITS_PER_SECOND[unit]
        found[finer] = int(np.sum((values >= above) & (values < limit)))
        above = limit
    return found


def _meaning(
    event: tuple[pa.Array, np.ndarray] | None, events: Events, problems: Problems
) -> np.ndarray:
    """int64 [rows]: what each row's event says; every row is an engagement without an event."""
    if event is None:
        return np.full(len(problems.of_row), ENGAGED)
    coded = pc.fill_null(event[0], "").dictionary_encode()
    other = UNKNOWN if events.engaged else ENGAGED
    listed = {"": UNKNOWN}
    for values, meaning in (
        (events.engaged, ENGAGED),
        (events.exposed, EXPOSED),
        (events.ignored, IGNORED),
    ):
        listed |= dict.fromkeys(values, meaning)
    of_value = np.array([listed.get(value, other) for value in coded.dictionary.to_pylist()], int)
    meaning = of_value[coded.indices.to_numpy()]
    problems.note("event is not valid UTF-8", "event", event[1])
    problems.note("event is empty or not listed in data.events", "event", meaning == UNKNOWN)
    return meaning


def _letters(block: Block, file: str, problems: Problems) -> list[DeadLetter]:
    letters = [
        DeadLetter(file, row.number, row.reason, row.text, row.lines) for row in block.broken
    ]
    for code, (reason, field) in enumerate(problems.found, start=1):
        rows = np.flatnonzero(problems.of_row == code)
        values = block.columns[field].take(pa.array(rows)).to_pylist() if len(rows) else []
        numbers = block.row_numbers[rows].tolist()
        letters += [
            DeadLetter(file, number, reason, _printable(value), 1)
            for number, value in zip(numbers, values, strict=True)
        ]
    return sorted(letters, key=lambda letter: letter.row)


def _printable(value: object) -> str | None:
    if value is None:
        return None
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
