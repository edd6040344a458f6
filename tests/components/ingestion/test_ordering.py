import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.ordering import order_by, runs

WHOLE = st.integers(-(2**40), 2**40) | st.integers(-3, 3)


@given(st.lists(st.tuples(WHOLE, WHOLE, WHOLE), max_size=30))
def test_order_is_that_of_tuples_also_where_their_ranges_do_not_fit_one_number(rows):
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)] or [np.array([])]
    assert [rows[at] for at in order_by(columns)] == sorted(rows)


def test_runs_by_hand():
    starts, counts = runs(np.array([4, 4, 7, 4, 4, 4]))
    assert (starts.tolist(), counts.tolist()) == ([0, 2, 3], [2, 1, 3])
    assert [len(each) for each in runs(np.array([], np.int64))] == [0, 0]
