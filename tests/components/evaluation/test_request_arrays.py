"""Decoding a split: distinct engaged items by session, and files that are not whole."""

import gzip

import pytest
from tiny_examples import serialize, write_tfrecord

from components.evaluation.request_arrays import decode_requests, read_folder

USERS = [
    # b is only shown; c is engaged twice in one session.
    ([[("a", 1), ("b", 0)], [("c", 1), ("c", 1), ("a", 1)]], [("b", 1), ("d", 0), ("b", 1)]),
    ([], [("a", 1)]),
    ([[("b", 0)]], [("a", 0)]),
]


def test_decodes_engaged_items_only():
    requests = decode_requests(serialize(USERS))
    assert requests.users == 3
    assert requests.item_ids.tolist() == [b"a", b"b", b"c", b"d"]
    history = zip(requests.history_user.tolist(), requests.history_item.tolist(), strict=True)
    assert list(history) == [(0, 0), (0, 2), (0, 0)]
    assert requests.history_session.tolist() == [0, 1, 1]
    targets = zip(requests.target_user.tolist(), requests.target_item.tolist(), strict=True)
    assert list(targets) == [(0, 1), (1, 0)]


def test_sessions_without_an_engagement_have_no_place_among_a_users_sessions():
    ab, shown, c = [("a", 1), ("b", 1)], [("a", 0)], [("c", 1)]
    requests = decode_requests(serialize([([shown, ab, shown, c], []), ([c, ab], [])]))
    assert requests.history_session.tolist() == [0, 0, 1, 0, 1, 1]


def test_some_users_of_all():
    requests = decode_requests(serialize([*USERS, *USERS[:2]]))
    some = requests.of_users(1, 4)
    assert (some.users, some.item_ids.tolist()) == (3, requests.item_ids.tolist())
    assert some.history_user.tolist() == [2, 2, 2]
    assert some.history_item.tolist() == [0, 2, 0]
    assert some.history_session.tolist() == [0, 1, 1]
    assert (some.target_user.tolist(), some.target_item.tolist()) == ([0, 2], [0, 1])


def test_decodes_when_nobody_has_a_history_or_a_target():
    requests = decode_requests(serialize([([], []), ([], [])]))
    assert requests.users == 2
    assert not len(requests.item_ids) and not len(requests.target_user)


def test_reads_all_files_in_order(tmp_path):
    write_tfrecord(tmp_path / "data-1.gz", [b"c"])
    write_tfrecord(tmp_path / "data-0.gz", [b"a", b""])
    assert list(read_folder(str(tmp_path))) == [b"a", b"", b"c"]


@pytest.mark.parametrize("length", [5, 13, 18])
def test_a_file_that_ends_within_a_record_is_refused(tmp_path, length):
    write_tfrecord(tmp_path / "whole.gz", [b"abc"])
    content = gzip.decompress((tmp_path / "whole.gz").read_bytes())
    (tmp_path / "whole.gz").unlink()
    (tmp_path / "cut.gz").write_bytes(gzip.compress(content[:length]))
    with pytest.raises(ValueError, match=r"cut\.gz is damaged: the .* record 1"):
        list(read_folder(str(tmp_path)))


def test_a_record_of_another_checksum_is_refused(tmp_path):
    write_tfrecord(tmp_path / "whole.gz", [b"abc"])
    content = gzip.decompress((tmp_path / "whole.gz").read_bytes())
    (tmp_path / "whole.gz").write_bytes(gzip.compress(content.replace(b"abc", b"abd")))
    with pytest.raises(ValueError, match=r"whole\.gz is damaged: the checksum of record 1"):
        list(read_folder(str(tmp_path)))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_folder(str(tmp_path)))
