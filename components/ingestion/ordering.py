"""Sorting rows by several columns, and finding the runs of equal values that it makes."""

from collections.abc import Sequence

import numpy as np

_LARGEST = 2**62


def order_by(columns: Sequence[np.ndarray]) -> np.ndarray:
    """int64 [rows]: the order by integer columns, the first one most significant.

    Rows that agree in all of them come in any order. Neighbouring columns are packed into one
    number as far as it holds their ranges, because one sort of it is faster than one for each.
    """
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    packed: list[np.ndarray] = []
    room = 0
    for column in columns:
        low = int(column.min())
        size = int(column.max()) - low + 1
        digits = column.astype(np.int64) - low
        if size <= room:
            packed[-1] = packed[-1] * size + digits
            room //= size
        else:
            packed.append(digits)
            room = _LARGEST // size
    return np.argsort(packed[0]) if len(packed) == 1 else np.lexsort(packed[::-1])


def changes(values: np.ndarray) -> np.ndarray:
    """bool [n]: the first value, and each that differs from the one before."""
    return np.diff(values, prepend=values[:1] - 1) != 0


def runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each run of equal values starts, and how long it is; int64 [runs] both."""
    starts = np.flatnonzero(changes(values))
    return starts, np.diff(starts, append=len(values))
