import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_logs import read_split, records, run, table

from components.config import Columns, DataConfig, Events, SessionsConfig, SplitConfig
from components.ingestion.checks import complaint
from components.ingestion.dead_letters import keep_letters
from components.ingestion.ingest import IngestConfig
from components.ingestion.summary import read_summary, write_summary
from model import features

LAST = SplitConfig(protocol="last-session")
BROKEN = ["u1,i1", "u1,i1,x,click", ",i1,5,click", "u1,,5,click", "u1,i1,5,click,5"]


def config(log, **data):
    return IngestConfig(
        data=DataConfig(log=str(log), columns=Columns(event="event"), **data),
        sessions=SessionsConfig(gap_minutes=5, partitions=3),
        split=LAST,
    )


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 40, 990), rng.integers(0, 30, 990)
    times, events = rng.integers(0, 10**5, 990), rng.choice(["click", "show"], 990)
    return [
        (f"u{user}", f"i{item}", int(time), str(event))
        for user, item, time, event in zip(users, items, times, events, strict=True)
    ]


@pytest.fixture
def broken_csv(rows, tmp_path):
    """1,000 rows of which ten are broken, in two files; returns the glob."""
    lines = [",".join(map(str, row)) for row in rows]
    for k, row in enumerate(BROKEN + BROKEN):
        lines.insert(100 * k, row)
    for name, part in (("a.csv", lines[:500]), ("b.csv", lines[500:])):
        text = "\n".join(["user_id,item_id,timestamp,event", *part, ""])
        (tmp_path / name).write_text(text)
    return tmp_path / "*.csv"


def test_one_percent_of_broken_rows_become_dead_letters(rows, broken_csv, tmp_path):
    uri = tmp_path / "examples" / "1"
    chosen = config(broken_csv, events=Events(exposed=("show",)))
    summary = run(chosen, uri)

    assert complaint(summary, chosen) is None
    assert (summary.log.rows_read, summary.log.rows_used) == (1_000, 990)
    assert summary.log.dead_letters == {
        "wrong number of columns": 4,
        "timestamp cannot be read as a time": 2,
        "user_id is empty": 2,
        "item_id is empty": 2,
    }
    letters = [
        json.loads(line)
        for path in sorted((uri / "dead_letters").iterdir())
        for line in path.read_text().splitlines()
    ]
    assert [letter["row"] for letter in letters] == [1, 101, 201, 301, 401] * 2
    assert letters[1] == {
        "file": str(tmp_path / "a.csv"),
        "row": 101,
        "reason": "timestamp cannot be read as a time",
        "value": "x",
    }

    good = table([(user, item, time, event == "click") for user, item, time, event in rows])
    expected = records(good, chosen.sessions, LAST, max(row[2] for row in rows))
    for split in features.SPLITS:
        assert read_split(uri, split) == expected[split]
        counts = summary.users.splits[split]
        assert counts["examples"] == len(expected[split]) > 10
        sessions = [session for user in expected[split].values() for session in user["item_id"]]
        assert counts["sessions"] == len(sessions)
        assert counts["events"] == sum(map(len, sessions))

    write_summary(summary, str(uri))
    assert read_summary(str(uri)) == summary
    assert summary.properties()["dead_letters: item_id is empty"] == 2
    assert "1,000 read, 990 used, 0 ignored, 10 dead letters\n" in summary.describe()


def test_too_many_broken_rows_are_refused_with_counts_and_the_letters_kept(broken_csv, tmp_path):
    uri = tmp_path / "SessionExampleGen" / "examples" / "7"
    chosen = config(broken_csv, max_bad_rows=0.005)
    message = complaint(run(chosen, uri), chosen)
    assert message is not None
    assert "10 of 1000 rows" in message
    assert "wrong number of columns: 4" in message
    assert "data.max_bad_rows = 0.005" in message
    kept = keep_letters(str(uri))
    assert kept == str(tmp_path / "SessionExampleGen" / "dead_letters" / "7")
    assert len(list((tmp_path / "SessionExampleGen/dead_letters/7").iterdir())) == 2


def test_an_unclosed_quote_counts_every_line_that_it_swallows(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        'user_id,item_id,timestamp,event\nu,a,1,click\nu,"b,2,click\n' + 999 * "u,c,3,d\n"
    )
    summary = run(config(path), tmp_path / "out")
    assert summary.log.rows_read == 1_001
    assert summary.log.dead_letters == {"wrong number of columns": 1_000}
    [file] = (tmp_path / "out" / "dead_letters").iterdir()
    assert len(json.loads(file.read_text())["value"]) == 1_000


def test_workers_do_not_import_tensorflow():
    code = "import sys, components.ingestion.ingest; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def refusal(tmp_path, columns, unit="s", split=LAST):
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    chosen = IngestConfig(
        data=DataConfig(log=str(tmp_path / "log.parquet"), timestamp_unit=unit),
        sessions=SessionsConfig(partitions=2),
        split=split,
    )
    return complaint(run(chosen, tmp_path / "out"), chosen)


@pytest.mark.parametrize(
    ("factor", "unit", "expected"),
    [(10**3, "s", "'ms'"), (10**6, "s", "'us'"), (10**9, "s", "'ns'"), (1, "ms", "coarser unit")],
)
def test_a_wrong_timestamp_unit_is_named(tmp_path, factor, unit, expected):
    times = np.arange(1_700_000_000, 1_700_000_010) * factor
    columns = {"user_id": ["u"] * 10, "item_id": ["a"] * 10, "timestamp": times}
    message = refusal(tmp_path, columns, unit)
    assert "data.timestamp_unit" in message
    assert expected in message


def test_a_short_log_is_refused_with_its_span_and_the_settings(tmp_path):
    times = 1_700_000_000 + np.arange(0, 10 * 86_400, 86_400)
    columns = {"user_id": ["u"] * 10, "item_id": ["a"] * 10, "timestamp": times}
    message = refusal(tmp_path, columns, split=SplitConfig())
    assert "train and eval split" in message
    assert "spans 9.0 days" in message
    assert "split.test_days = 14" in message
    assert "split.eval_days = 14" in message


def test_no_user_with_enough_sessions(tmp_path):
    columns = {"user_id": ["u", "v"], "item_id": ["a", "a"], "timestamp": [1, 2]}
    message = refusal(tmp_path, columns)
    assert "None of the 2 users has split.min_sessions = 3" in message


def test_a_file_that_breaks_off_is_refused(tmp_path):
    path = tmp_path / "log.parquet"
    columns = {"user_id": ["u"] * 999, "item_id": ["a"] * 999, "timestamp": range(999)}
    pq.write_table(pa.table(columns), path, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:40] = b"\xff" * 36  # the first page's header; the footer still reads
    path.write_bytes(data)
    chosen = IngestConfig(data=DataConfig(log=str(path)), sessions=SessionsConfig(), split=LAST)
    assert f"{path} cannot be read" in complaint(run(chosen, tmp_path / "out"), chosen)
