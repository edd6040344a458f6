import numpy as np
import pytest
import tensorflow as tf
from serving_models import DTYPES

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
    proto = encode(tensor)
    filled = {field.name for field, _ in proto.ListFields()} - {"dtype", "tensor_shape"}
    assert filled == (set() if 0 in shape else {FIELD_OF[dtype]})
    for back in (tf.make_ndarray(proto), decode("x", proto).numpy()):
        np.testing.assert_array_equal(np.asarray(back, object), np.asarray(tensor.numpy(), object))
    assert decode("x", proto).dtype == dtype


def test_content_and_fields_are_both_read():
    array = np.array([[1, 2], [3, 4]], np.int32)
    proto = tf.make_tensor_proto(array)
    assert proto.tensor_content
    np.testing.assert_array_equal(decode("x", proto).numpy(), array)


def test_other_types_are_refused():
    with pytest.raises(StatusError, match="qint8"):
        encode(tf.quantization.quantize([1.0], -1.0, 1.0, tf.qint8).output)
