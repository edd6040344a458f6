from hypothesis import given
from hypothesis import strategies as st
from test_splits import LOGS
from tiny_logs import table

from components.ingestion.heavy_users import keep_recent


def times(rows, user):
    return sorted(row["timestamp"] for row in rows.to_pylist() if row["user_id"] == user)


def test_the_latest_rows_of_each_period_and_the_first_after_a_cut_are_kept():
    log = [("u", "a", time, True) for time in range(30)] + [("v", "a", 3, True)]
    kept = keep_recent(table(log), 2, [10, 20])
    assert times(kept, "u") == [8, 9, 10, 11, 18, 19, 20, 21, 28, 29]
    assert times(kept, "v") == [3]
    assert times(keep_recent(table(log), 2, []), "u") == [28, 29]


@given(LOGS, st.integers(1, 6), st.integers(0, 40), st.randoms(use_true_random=False))
def test_order_and_earlier_cutting_do_not_matter(rows, limit, middle, random):
    cuts = [20, 40]
    rows = [(*row, random.choice("xy")) for row in rows]
    expected = keep_recent(table(rows, "place"), limit, cuts).to_pylist()
    shuffled = random.sample(rows, len(rows))
    first = keep_recent(table(shuffled[:middle], "place"), limit, cuts)
    both = [tuple(row.values()) for row in first.to_pylist()] + shuffled[middle:]
    found = keep_recent(table(both, "place"), limit, cuts).to_pylist()
    assert sorted(map(str, found)) == sorted(map(str, expected))
