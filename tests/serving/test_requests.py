import pytest
import tensorflow as tf

from serving.requests import Event, Request, encode_request

HISTORY = (
    (Event("i1", 100), Event("i2", 100, engaged=False)),
    (Event("\u00e9", 500),),
)


def example_of(request: Request) -> tf.train.Example:
    return tf.train.Example.FromString(encode_request(request))


def test_a_history_is_flat_with_session_lengths():
    # Two sessions: (i1 engaged, i2 only shown) at time 100 and (é engaged) at time 500.
    feature = example_of(Request("u", HISTORY, request_timestamp=600)).features.feature
    assert set(feature) == {
        *("user_id", "item_id", "engaged"),
        *("timestamp", "session_length", "request_timestamp"),
    }
    assert list(feature["user_id"].bytes_list.value) == [b"u"]
    assert list(feature["item_id"].bytes_list.value) == [b"i1", b"i2", b"\xc3\xa9"]
    assert list(feature["engaged"].int64_list.value) == [1, 0, 1]
    assert list(feature["timestamp"].int64_list.value) == [100, 100, 500]
    assert list(feature["session_length"].int64_list.value) == [2, 1]
    assert list(feature["request_timestamp"].int64_list.value) == [600]


def test_a_new_user_has_empty_lists_of_the_right_type():
    feature = example_of(Request("u")).features.feature
    assert "request_timestamp" not in feature
    assert feature["item_id"].WhichOneof("kind") == "bytes_list"
    for name in ("engaged", "timestamp", "session_length"):
        assert feature[name].WhichOneof("kind") == "int64_list"
        assert not feature[name].int64_list.value


def test_the_encoding_is_deterministic():
    assert encode_request(Request("u", HISTORY)) == encode_request(Request("u", HISTORY))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(""), "user_id must be a non-empty string. Received: ''"),
        (Request(7), "user_id must be a non-empty string. Received: 7"),
        (Request("u", [[Event("", 1)]]), "item_id must be a non-empty string. Received: ''"),
        (Request("u", [[]]), "Received: an empty session"),
        (Request("u", [[Event("i", -1)]]), "timestamp must be whole unix seconds.*Received: -1"),
        (Request("u", [[Event("i", 2.5)]]), "Received: 2.5"),
        (Request("u", [[Event("i", True)]]), "Received: True"),
        (Request("u", [[Event("i", 1, None)]]), "engaged must be true or false. Received: None"),
        (Request("u", [[Event("i", 1, 7)]]), "engaged must be true or false. Received: 7"),
        (Request("u", [[Event("i", 2), Event("j", 1)]]), r"in time order. Received: \[2, 1\]"),
        (Request("u", [[Event("i", 2)], [Event("j", 1)]]), r"first events at \[2, 1\]"),
        (Request("u", request_timestamp=-5), "request_timestamp must be .*Received: -5"),
    ],
)
def test_what_cannot_be_encoded_is_refused(request_, message):
    with pytest.raises(ValueError, match=message):
        encode_request(request_)
