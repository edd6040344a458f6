"""Which types of a log's columns can be used, told before any row is read."""

import pyarrow as pa

EXACT = {"user_id", "item_id", "session_id", "timestamp"}

_TIMES = (
    pa.types.is_integer,
    pa.types.is_float64,
    pa.types.is_decimal,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_null,
)


def needed_type(field: str, kind: pa.DataType) -> str | None:
    """What a field's column of type `kind` should be instead; None if it can be used."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind):
        return "one plain value a row"
    if field == "timestamp" and not any(is_time(kind) for is_time in _TIMES):
        return "timestamps, dates, integers, 64-bit floats, decimals or text"
    # 32 bits hold 24 of a whole number: times in steps of 128 s, and one text for several ids.
    if pa.types.is_float16(kind) or (pa.types.is_float32(kind) and field in EXACT):
        return "integers, 64-bit floats or text"
    return None
