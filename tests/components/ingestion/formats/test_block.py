"""Streams over the files of a log."""

import gzip

import pyarrow as pa
import pytest

from components.ingestion.formats.block import open_stream


@pytest.mark.parametrize(("name", "pack"), [("log.csv", bytes), ("log.csv.gz", gzip.compress)])
def test_a_local_file_is_read_to_its_end(tmp_path, name, pack):
    content = b"user,item\n" + b"u,i\n" * 1000
    (tmp_path / name).write_bytes(pack(content))
    with open_stream(str(tmp_path / name)) as file:
        assert file.read() == content


def test_a_local_file_is_not_read_through_python(tmp_path):
    """A thread that reads ahead would abort a process that ends on an error in the header."""
    (tmp_path / "log.csv").write_bytes(b"user,item\n")
    with open_stream(str(tmp_path / "log.csv")) as file:
        assert isinstance(file, pa.OSFile)
