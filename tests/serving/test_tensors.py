import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from serving_models import DTYPES
from tensorflow.core.framework import tensor_pb2

from serving.server.status import StatusError
from serving.server.tensors import decode, encode

# tensorflow/core/framework/tensor.proto
FIELD_OF = {
    **dict.fromkeys((tf.float16, tf.bfloat16), "half_val"),
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.uint8, tf.uint16), "int_val"),
    **{tf.float32: "float_val", tf.float64: "double_val", tf.int64: "int64_val"},
    **{tf.uint32: "uint32_val", tf.uint64: "uint64_val", tf.bool: "bool_val"},
    **{tf.string: "string_val", tf.complex64: "scomplex_val", tf.complex128: "dcomplex_val"},
}


def values(dtype: tf.DType) -> tf.Tensor:
    """A 2 x 2 tensor with the type's extremes where it has any."""
    if dtype == tf.string:
        return tf.constant([[b"", b"a\0"], [b"\xff", "\u00e9".encode()]])
    if dtype == tf.bool:
        return tf.constant([[True, False], [False, True]])
    if dtype.is_complex:
        return tf.cast(tf.constant([[1 + 2j, -3.5j], [0, 1]]), dtype)
    if dtype.is_floating:
        return tf.constant([[1.5, -np.inf], [0, 3]], dtype)
    return tf.constant([[dtype.min, dtype.max], [0, 1]], dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("shape", [(2, 2), (0, 3), ()], ids=str)
def test_every_dtype_goes_through_its_typed_field(dtype, shape):
    tensor = values(dtype)[0, 0] if shape == () else values(dtype)
    tensor = tf.zeros(shape, dtype) if 0 in shape else tensor
    proto = tensor_pb2.TensorProto()
    encode(tensor.numpy(), dtype.as_datatype_enum, proto, as_content=False)
    filled = {field.name for field, _ in proto.ListFields()} - {"dtype", "tensor_shape"}
    assert filled == (set() if 0 in shape else {FIELD_OF[dtype]})
    for back in (tf.make_ndarray(proto), decode("x", proto)):
        np.testing.assert_array_equal(np.asarray(back, object), np.asarray(tensor.numpy(), object))
    assert decode("x", proto).dtype == dtype.as_numpy_dtype


def test_content_and_fields_are_both_read():
    array = np.array([[1, 2], [3, 4]], np.int32)
    proto = tf.make_tensor_proto(array)
    assert proto.tensor_content
    np.testing.assert_array_equal(decode("x", proto), array)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_content_is_written_on_demand_except_for_strings(dtype):
    proto = tensor_pb2.TensorProto()
    encode(values(dtype).numpy(), dtype.as_datatype_enum, proto, as_content=True)
    filled = {field.name for field, _ in proto.ListFields()} - {"dtype", "tensor_shape"}
    assert filled == {"string_val" if dtype == tf.string else "tensor_content"}
    np.testing.assert_array_equal(decode("x", proto), values(dtype).numpy())


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        # Fewer values than elements: the last is repeated. More: the rest is ignored.
        ("dtype: DT_INT32 tensor_shape { dim { size: 3 } } int_val: [1, 2]", [1, 2, 2]),
        ("dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: 'a'", [b"a", b"a"]),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 2 } }", [0, 0]),
        ("dtype: DT_INT64 tensor_shape { dim { size: 1 } } int64_val: [1, 2]", [1]),
        ("dtype: DT_INT8 tensor_shape { dim { size: 1 } } int_val: 257", [1]),
        ("dtype: DT_STRING tensor_shape { } string_val: 'a\\000'", b"a\0"),
    ],
)
def test_incomplete_tensors_are_read_by_tensorflows_rules(proto, expected):
    decoded = decode("x", text_format.Parse(proto, tensor_pb2.TensorProto()))
    np.testing.assert_array_equal(decoded, np.array(expected, decoded.dtype))


@pytest.mark.parametrize(
    "proto",
    [
        "",
        "dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: -1 } } float_val: 1",
        "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: 'abc'",
        "dtype: DT_FLOAT_REF tensor_shape { } float_val: 1",
        "dtype: 99 tensor_shape { }",
    ],
)
def test_what_is_no_tensor_is_refused(proto):
    with pytest.raises(StatusError, match="tensor parsing error: x"):
        decode("x", text_format.Parse(proto, tensor_pb2.TensorProto()))


def test_other_types_are_refused():
    with pytest.raises(StatusError, match="qint8"):
        encode(np.zeros(1, np.int8), tf.qint8.as_datatype_enum, tensor_pb2.TensorProto(), False)
