"""Damaged logs: a clear refusal, or every row used or in the dead letters.

MUTATIONS=10000 tries more of them.
"""

import json
import os
import random

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tiny_logs import run

from components.config import Columns, DataConfig, Events, SessionsConfig, SplitConfig
from components.errors import DataError
from components.ingestion.ingest import IngestConfig, ReadLog, make_folders
from components.ingestion.log_reader import check_log
from components.ingestion.spill import Piece
from components.ingestion.summary import LogCounts

MUTATIONS = int(os.environ.get("MUTATIONS", "250"))
COLUMNS = {
    "user_id": [f"u{n % 7}" for n in range(60)],
    "item_id": [f"é{n % 11}" for n in range(60)],
    "timestamp": [1_700_000_000 + 700 * n for n in range(60)],
    "event": ["click", "show", "skip"] * 20,
}
ODD = (b"NaN", b"null", b"", b"-1", b"1e400", b"9" * 30, b"\x00", b"\xff\xfe", b'"', b",", b"[1]")
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".csv.zst", ".tfrecord", ".tfrecord.gz")


def config(path):
    return IngestConfig(
        data=DataConfig(
            log=str(path),
            columns=Columns(event="event"),
            events=Events(engaged=("click",), exposed=("show",), ignored=("skip",)),
        ),
        sessions=SessionsConfig(partitions=2),
        split=SplitConfig(protocol="last-session"),
    )


def csv_bytes():
    sink = pa.BufferOutputStream()
    pacsv.write_csv(pa.table(COLUMNS), sink)
    return sink.getvalue().to_pybytes()


def parquet_bytes(columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, row_group_size=25)
    return sink.getvalue().to_pybytes()


def tfrecord_bytes(path):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for values in zip(*COLUMNS.values(), strict=True):
            example = tf.train.Example()
            for name, value in zip(COLUMNS, values, strict=True):
                feature = example.features.feature[name]
                if isinstance(value, int):
                    feature.int64_list.value.append(value)
                else:
                    feature.bytes_list.value.append(value.encode())
            writer.write(example.SerializeToString())
    return path.read_bytes()


def retyped(rng):
    """A Parquet file with a column of another type, with nulls or with odd values."""
    name = rng.choice(list(COLUMNS))
    values = list(COLUMNS[name])
    odd = rng.choice(
        [
            [None] * 60,
            [float("nan")] * 60,
            [rng.random() for _ in values],
            [value if rng.random() < 0.5 else None for value in values],
            [str(value).encode() + rng.choice(ODD) for value in values],
            [rng.random() < 0.5 for _ in values],
            [[value] for value in values],
            [rng.randrange(-(2**62), 2**62) for _ in values],
        ]
    )
    return parquet_bytes(COLUMNS | {name: odd})


def mutate(data, rng):
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    kinds = (
        lambda: data[:at],
        lambda: data[:at] + data[end:],
        lambda: data[:at] + rng.randbytes(rng.randrange(1, 40)) + data[at:],
        lambda: data[:at] + rng.randbytes(min(8, end - at)) + data[at + min(8, end - at) :],
        lambda: data[:at] + rng.choice(ODD) + data[at:],
        lambda: data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n")), rng.randrange(1, 60)),
        lambda: data[:at] + b"x" * rng.randrange(10_000, 200_000) + data[at:],
        lambda: data[:at] + data[at:end] * 2 + data[end:],
    )
    return rng.choice(kinds)()


def compressed(data, suffix):
    for end, codec in ((".gz", "gzip"), (".zst", "zstd")):
        if suffix.endswith(end):
            sink = pa.BufferOutputStream()
            with pa.CompressedOutputStream(sink, codec) as stream:
                stream.write(data)
            return sink.getvalue().to_pybytes()
    return data


def read(path, uri):
    """What the workers that read do with a log; its counts."""
    chosen = config(path)
    make_folders(str(uri))
    counts, spilled = [], 0
    for part in check_log([str(path)], chosen.data.columns):
        for partition, text in ReadLog(chosen, str(uri)).process(part):
            piece = Piece.model_validate_json(text)
            spilled += sum(piece.rows)
            if partition == 0:
                counts.append(piece.log)
    total = LogCounts.total(counts)
    if total.error:
        raise DataError(total.error)
    assert spilled == total.rows_used
    return total


def check(total, uri):
    dead = sum(total.dead_letters.values())
    assert total.rows_read == total.rows_used + total.rows_ignored + dead
    files = (uri / "dead_letters").iterdir()
    letters = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert bool(letters) == bool(dead)
    # An unclosed quote is one letter for all the lines that it swallows.
    assert len(letters) <= dead
    assert all(letter["reason"] and letter["row"] > 0 for letter in letters)


@pytest.mark.timeout(3_600)
def test_every_row_is_used_or_a_dead_letter_or_the_log_is_refused(tmp_path):
    rng = random.Random(0)
    plain = {
        ".parquet": parquet_bytes(COLUMNS),
        ".csv": csv_bytes(),
        ".tfrecord": tfrecord_bytes(tmp_path / "whole.tfrecord"),
    }
    read_whole = refused = 0
    for number in range(MUTATIONS):
        suffix = rng.choice(SUFFIXES)
        form = next(form for form in plain if suffix.startswith(form))
        if form == ".parquet" and rng.random() < 0.5:
            data = retyped(rng)
        elif rng.random() < 0.5:
            data = compressed(mutate(plain[form], rng), suffix)
        else:
            data = mutate(compressed(plain[form], suffix), rng)
        folder = tmp_path / f"{number:05d}"
        folder.mkdir()
        path = folder / f"log{suffix}"
        path.write_bytes(data)
        try:
            total = read(path, folder / "out")
        except DataError as error:
            assert str(path) in str(error), error
            refused += 1
        else:
            check(total, folder / "out")
            read_whole += 1
    assert read_whole > MUTATIONS / 10
    assert refused > MUTATIONS / 10


def test_the_whole_pipeline_with_damaged_rows(tmp_path):
    rng = random.Random(1)
    lines = csv_bytes().splitlines(keepends=True)
    for number in range(10):
        damaged = [mutate(line, rng) if rng.random() < 0.2 else line for line in lines[1:]]
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "log.csv").write_bytes(b"".join([lines[0], *damaged]))
        summary = run(config(folder / "log.csv"), folder / "out")
        check(summary.log, folder / "out")
