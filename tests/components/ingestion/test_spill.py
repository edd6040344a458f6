"""What comes out does not depend on how the log lies on disk or how the work is divided."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from test_splits import LOGS
from tiny_logs import records, run, table

from components.config import Columns, DataConfig, Events, SessionsConfig, SplitConfig
from components.ingestion.files import PARTIAL
from components.ingestion.ingest import IngestConfig
from components.ingestion.spill import BUCKETS, Piece, load, passes, spill
from components.ingestion.summary import LogCounts
from model import features

DAY = 1 / 86_400


@given(
    LOGS,
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 12),
    st.sampled_from(["global-time", "last-session"]),
    st.sampled_from(["item", "row"]),
    st.randoms(use_true_random=False),
)
def test_order_blocks_partitions_and_passes_do_not_matter(
    tmp_path_factory, rows, partitions, blocks, in_memory, protocol, dedupe, random
):
    split = SplitConfig(protocol=protocol, eval_days=10 * DAY, test_days=10 * DAY)
    limits = SessionsConfig(
        gap_minutes=5 / 60,
        max_sessions=3,
        max_items=2,
        rows_in_memory=in_memory,
        dedupe=dedupe,
    )
    latest = max(row[2] for row in rows)
    rows = [(*row, random.choice(["", "x", "y"])) for row in rows]
    whole = table(rows, "place")
    expected = records(whole, limits, split, latest)

    uri = tmp_path_factory.mktemp("spilled")
    (uri / PARTIAL).mkdir()
    shuffled = random.sample(rows, len(rows))
    pieces = {partition: [] for partition in range(partitions)}
    for block in range(blocks):
        part = table(shuffled[block::blocks], "place")
        for partition, piece in spill(part, LogCounts(), str(block), str(uri), partitions):
            pieces[partition].append(piece)
    found = {name: {} for name in expected}
    generous = limits.model_copy(update={"max_sessions": 1_000})
    for partition, of_partition in pieces.items():
        for buckets in passes(of_partition, in_memory):
            loaded = load(of_partition, partition, buckets, whole.schema, generous, [])
            for name, users in records(loaded, limits, split, latest).items():
                assert not set(users) & set(found[name])
                found[name] |= users
    assert found == expected


def test_passes_hold_no_more_rows_than_allowed_but_for_single_buckets():
    rows = [0] * BUCKETS
    rows[:6] = [3, 2, 9, 0, 1, 4]
    pieces = [Piece(path=None, rows=rows, log=LogCounts()) for _ in range(2)]
    assert list(passes(pieces, 10)) == [
        range(0, 2),  # 6 + 4
        range(2, 3),  # 18 alone
        range(3, BUCKETS),  # 0 + 2 + 8
    ]


def write(rows, folder, files, suffix):
    folder.mkdir()
    columns = zip(*rows, strict=True)
    log = pa.table(dict(zip(("user_id", "item_id", "timestamp", "event"), columns, strict=True)))
    for number in range(files):
        part = log.take(pa.array(range(number, log.num_rows, files), pa.int64()))
        path = folder / f"part-{number}{suffix}"
        if suffix == ".parquet":
            pq.write_table(part, path, row_group_size=7)
        else:
            codec = {".csv": None, ".csv.gz": "gzip", ".csv.zst": "zstd"}[suffix]
            with pa.output_stream(path, compression=codec) as file:
                pacsv.write_csv(part, file)


def test_every_format_and_division_writes_the_same_bytes(tmp_path):
    rng = np.random.default_rng(1)
    rows = [
        (f"u{user}", f"i{item}", int(time), event)
        for user, item, time, event in zip(
            rng.integers(0, 30, 500),
            rng.integers(0, 20, 500),
            rng.integers(0, 10**5, 500),
            rng.choice(["click", "show"], 500),
            strict=True,
        )
    ]
    suffixes = (".parquet", ".csv", ".csv.gz", ".csv.zst")
    written = set()
    for files, suffix in zip((1, 3, 2, 5), suffixes, strict=True):
        shuffled = [rows[n] for n in rng.permutation(len(rows))]
        write(shuffled, tmp_path / suffix, files, suffix)
        config = IngestConfig(
            data=DataConfig(
                log=f"{tmp_path}/{suffix}/*",
                columns=Columns(event="event"),
                events=Events(exposed=("show",)),
            ),
            sessions=SessionsConfig(gap_minutes=60, partitions=2),
            split=SplitConfig(protocol="last-session"),
        )
        out = tmp_path / f"out{suffix}"
        assert run(config, out).log.rows_used == 500
        shards = [path for split in features.SPLITS for path in (out / f"Split-{split}").iterdir()]
        written.add(tuple(path.read_bytes() for path in sorted(shards)))
    assert len(written) == 1


def test_rows_that_were_only_shown_cost_short_histories_no_session(tmp_path):
    """Ten sessions of fifty items shown and one engaged with, of which histories hold ten each."""
    (tmp_path / PARTIAL).mkdir()
    rows = [
        ("u", f"i{place}", 100_000 * session + place, place == 50)
        for session in range(10)
        for place in range(51)
    ]
    pieces = [piece for _, piece in spill(table(rows), LogCounts(), "b", str(tmp_path), 1)]
    limits = SessionsConfig(max_sessions=10, max_items=10, rows_in_memory=100)
    loaded = load(pieces, 0, range(BUCKETS), table([]).schema, limits, [500_000])
    split = SplitConfig(eval_days=1, test_days=1)
    history = records(loaded, limits, split, latest=2_000_000)["train"]["u"]["engaged"]
    assert history == [[0] * 9 + [1]] * 10


def test_spilled_blocks_keep_every_row_and_type(tmp_path):
    (tmp_path / PARTIAL).mkdir()
    rows = table([("ü", "a", 1, True, None, "ö"), ("v", "b", 2, False, "s", "")], "place")
    pieces = [piece for _, piece in spill(rows, LogCounts(), "b", str(tmp_path), 1)]
    loaded = load(pieces, 0, range(BUCKETS), rows.schema, SessionsConfig(), [])
    assert loaded.schema == rows.schema
    assert loaded.sort_by("timestamp") == rows
