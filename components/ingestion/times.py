"""Timestamps of any source type to whole unix seconds."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
YEAR_2100 = 4_102_444_800
# Those that fit into an int64, but none that rounds up to 0.
NUMBER = r"^\s*(-[1-9]\d{0,17}|\d{1,18}|[1-8]\d{18})(\.\d*)?\s*$"


def to_seconds(values: pa.Array, unit: str) -> pa.Array:
    """Unix seconds, rounded down; null where the value is no time.

    Args:
      values: [rows] numbers in `unit`; ISO-8601 text, or text of numbers; or Arrow timestamps and
        dates. Times without a zone are UTC.
      unit: of numbers, one of `UNITS_PER_SECOND`.
    """
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # Casting to seconds refuses to lose a fraction unless told otherwise.
        return (
            values.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
            .cast(pa.timestamp("s"), safe=False)
            .cast(pa.int64())
        )
    if pa.types.is_integer(kind):
        return _from_numbers(values.cast(pa.int64(), safe=False), unit)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _from_numbers(_whole(values.cast(pa.float64())), unit)
    return _from_text(values, unit)


def _whole(numbers: pa.Array) -> pa.Array:
    usable = pc.less(pc.abs(numbers), 2.0**63)  # false for NaN and infinity
    return pc.floor(pc.if_else(usable, numbers, None)).cast(pa.int64())


def _from_numbers(numbers: pa.Array, unit: str) -> pa.Array:
    if unit == "s":
        return numbers
    quotient = np.floor_divide(pc.fill_null(numbers, 0).to_numpy(), UNITS_PER_SECOND[unit])
    return pa.array(quotient, mask=pc.is_null(numbers).to_numpy(zero_copy_only=False))


def _from_text(text: pa.Array, unit: str) -> pa.Array:
    try:
        return _from_numbers(text.cast(pa.int64()), unit)
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(text, NUMBER)
    # Not by way of a float: it would round nanoseconds up.
    whole = pc.replace_substring_regex(pc.if_else(is_number, text, None), r"\s|\..*", "")
    seconds = _from_numbers(whole.cast(pa.int64()), unit)
    if pc.all(pc.fill_null(is_number, True)).as_py():
        return seconds
    # Without a digit it is no time, but pandas takes "now" and "today" for the clock's.
    may_be_iso = pc.and_not(pc.match_substring_regex(text, r"\d"), is_number)
    rest = pc.if_else(may_be_iso, text, None).to_pandas()
    parsed = pd.to_datetime(rest, errors="coerce", utc=True, format="ISO8601")
    iso = pa.array(parsed).cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    return pc.if_else(pc.fill_null(is_number, False), seconds, iso)
