"""Any plain column as text, without losing a block to one value in another encoding."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def as_text(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Any plain column as text: ([rows] large_string, bool [rows] of those not valid UTF-8).

    Whole numbers that the source holds as floats, as a null among them makes it do, lose ".0". A
    float that is not finite is null.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    is_invalid = np.zeros(len(values), bool)
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_finite(values), values, None)
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53))
        digits = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.large_string())
        return pc.coalesce(digits, values.cast(pa.large_string())), is_invalid
    try:
        return _decode(values), is_invalid
    except pa.ArrowInvalid:
        coded = values.cast(pa.large_binary()).dictionary_encode()
    valid = pa.array([_is_utf8(value) for value in coded.dictionary.to_pylist()], pa.bool_())
    is_valid = pc.fill_null(valid.take(coded.indices), True)
    return _decode(pc.if_else(is_valid, values, None)), ~np.asarray(is_valid)


def _decode(values: pa.Array) -> pa.Array:
    kind = values.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            return values.cast(pa.large_string())
        # A file's text is only as valid as its writer made it; the cast back checks it.
        return values.cast(pa.large_binary()).cast(pa.large_string())
    text = values.cast(pa.large_string())
    floats = pc.match_substring_regex(text, r"^-?\d+\.0$")
    if pc.any(floats).as_py():
        text = pc.if_else(floats, pc.replace_substring_regex(text, r"\.0$", ""), text)
    return text


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
