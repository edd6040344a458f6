import gzip
import struct

import pytest
import tensorflow as tf

from components.config import Columns, DataConfig
from components.errors import DataError
from components.ingestion.canonical import canonicalise
from components.ingestion.log_reader import check_log, read_blocks


def example(**values):
    kinds = {
        bytes: lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=v)),
        int: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v)),
        float: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v)),
    }
    feature = {name: kinds[type(value[0])](value) for name, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write(path, records, options=""):
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)
    return path


def read(path):
    blocks = [b for part in check_log([str(path)], Columns()) for b in read_blocks(part, Columns())]
    rows = {
        int(number): tuple(block.columns[field][row].as_py() for field in block.columns)
        for block in blocks
        for row, number in enumerate(block.row_numbers)
    }
    return rows, {row.number: row.reason for block in blocks for row in block.broken}


ROW = {"user_id": [b"u"], "item_id": [b"a"], "timestamp": [5]}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("log.tfrecord", ""),
        ("log.tfrecord.gz", "GZIP"),
        ("data_tfrecord-00000-of-00001.gz", "GZIP"),
    ],
)
def test_examples_are_rows(tmp_path, name, options):
    records = [example(**ROW), example(**(ROW | {"timestamp": [6], "other": [1.5]}))]
    rows, broken = read(write(tmp_path / name, records, options))
    assert rows == {1: (b"u", b"a", 5), 2: (b"u", b"a", 6)}
    assert not broken


def test_rows_that_are_no_single_values(tmp_path):
    records = [
        example(**ROW),
        example(**(ROW | {"item_id": [b"a", b"b"]})),
        b"no example",
        example(user_id=[b"u"], timestamp=[7]),
        example(**(ROW | {"timestamp": [b"2023-11-14"]})),  # another type than the rows before
    ]
    rows, broken = read(write(tmp_path / "log.tfrecord", records))
    assert rows == {1: (b"u", b"a", 5), 4: (b"u", None, 7), 5: (b"u", b"a", b"2023-11-14")}
    assert broken == {2: "a feature has more than one value", 3: "the record is no tf.Example"}


def test_floats_are_dead_letters_where_digits_count(tmp_path):
    records = [example(**ROW), example(**(ROW | {"timestamp": [1.7e9]}))]
    log = str(write(tmp_path / "log.tfrecord", records))
    [part] = check_log([log], Columns())
    found = [canonicalise(b, log, DataConfig(log=log)) for b in read_blocks(part, Columns())]
    letters = [(letter.row, letter.value) for _, some, _ in found for letter in some]
    assert letters == [(2, "1700000000.0")]
    assert sum(counts.rows_used for *_, counts in found) == 1


def test_a_damaged_record_is_broken_and_a_damaged_length_ends_the_file(tmp_path):
    path = write(tmp_path / "log.tfrecord", [example(**ROW)] * 3)
    size = path.stat().st_size // 3
    data = bytearray(path.read_bytes())
    data[size + 20] ^= 1
    path.write_bytes(data)
    rows, broken = read(path)
    assert list(rows) == [1, 3]
    assert broken == {2: "checksum of the record does not match"}

    data[size : size + 8] = struct.pack("<Q", 1 << 40)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"log.tfrecord cannot be read: the header of record 2"):
        read(path)


def test_a_compressed_file_that_breaks_off(tmp_path):
    path = write(tmp_path / "log.tfrecord.gz", [example(**ROW)] * 300, "GZIP")
    assert len(gzip.decompress(path.read_bytes())) > 1_000
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"log.tfrecord.gz cannot be read"):
        read(path)
