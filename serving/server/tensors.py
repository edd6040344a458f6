"""Tensors to and from the wire, as TensorFlow Serving reads and writes them."""

import math
from collections.abc import Callable

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.server.status import StatusError, invalid_argument


def decode(alias: str, proto: tensor_pb2.TensorProto) -> np.ndarray:
    """The tensor's values; strings are bytes objects.

    Raises:
        StatusError: INVALID_ARGUMENT if shape, type and content do not fit together.
    """
    try:
        if _is_complete(proto):
            return tf.make_ndarray(proto)
    except (TypeError, ValueError, OverflowError):
        pass  # the parser below says whether it is of use
    try:
        # TensorFlow's own parser, which TensorFlow Serving uses too.
        dtype = tf.dtypes.as_dtype(proto.dtype)
        tensor = tf.io.parse_tensor(proto.SerializeToString(), out_type=dtype)
        return np.asarray(tensor.numpy(), dtype.as_numpy_dtype)
    except (TypeError, ValueError, tf.errors.OpError):
        raise invalid_argument(f"tensor parsing error: {alias}") from None


def encode(value: np.ndarray, dtype: int, proto: tensor_pb2.TensorProto, as_content: bool) -> None:
    """Writes a tensor into `proto`.

    Args:
        value: the values; strings are bytes objects.
        dtype: the DataType.
        proto: an empty TensorProto.
        as_content: write numbers as bytes (`tensor_content`), not into the typed field of their
            dtype (`float_val`, `string_val`, ...).

    Raises:
        StatusError: UNIMPLEMENTED for quantized and other rare types.
    """
    if dtype not in _TYPED_FIELDS:
        message = f"Outputs of type {dtype_name(dtype)} are not supported"
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, message)
    field, values_of = _TYPED_FIELDS[dtype]
    array = np.asarray(value, tf.dtypes.as_dtype(dtype).as_numpy_dtype)  # a scalar comes bare
    proto.dtype = dtype
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.SetInParent()  # a scalar has a shape too
    if as_content and dtype != types_pb2.DT_STRING:
        proto.tensor_content = array.tobytes()
    else:
        getattr(proto, field).extend(values_of(array.ravel()))


def dtype_name(dtype: int) -> str:
    """TensorFlow's C++ name of a DataType, as its messages have it (`float`, not `float32`)."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def _is_complete(proto: tensor_pb2.TensorProto) -> bool:
    """Whether each element has a value of its own, so that reading it needs no rules."""
    if proto.dtype not in _TYPED_FIELDS or proto.tensor_shape.unknown_rank:
        return False
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in sizes):
        return False
    if proto.tensor_content:
        item_bytes = tf.dtypes.as_dtype(proto.dtype).size
        is_plain = proto.dtype != types_pb2.DT_STRING
        return is_plain and len(proto.tensor_content) == math.prod(sizes) * item_bytes
    values_per_element = 2 if proto.dtype in _COMPLEX else 1
    values = getattr(proto, _TYPED_FIELDS[proto.dtype][0])
    return len(values) == math.prod(sizes) * values_per_element


def _plain(array: np.ndarray) -> list:
    return array.tolist()


def _bits16(array: np.ndarray) -> list:
    return array.view(np.uint16).tolist()


def _interleaved(part: type) -> Callable[[np.ndarray], list]:
    return lambda array: array.view(part).tolist()  # real, imaginary, real, ...


_COMPLEX = (types_pb2.DT_COMPLEX64, types_pb2.DT_COMPLEX128)
# tensorflow/core/framework/tensor.proto: which field holds which type.
_TYPED_FIELDS: dict[int, tuple[str, Callable[[np.ndarray], list]]] = {
    types_pb2.DT_FLOAT: ("float_val", _plain),
    types_pb2.DT_DOUBLE: ("double_val", _plain),
    types_pb2.DT_HALF: ("half_val", _bits16),
    types_pb2.DT_BFLOAT16: ("half_val", _bits16),
    types_pb2.DT_INT8: ("int_val", _plain),
    types_pb2.DT_INT16: ("int_val", _plain),
    types_pb2.DT_INT32: ("int_val", _plain),
    types_pb2.DT_UINT8: ("int_val", _plain),
    types_pb2.DT_UINT16: ("int_val", _plain),
    types_pb2.DT_INT64: ("int64_val", _plain),
    types_pb2.DT_UINT32: ("uint32_val", _plain),
    types_pb2.DT_UINT64: ("uint64_val", _plain),
    types_pb2.DT_BOOL: ("bool_val", _plain),
    types_pb2.DT_STRING: ("string_val", _plain),
    types_pb2.DT_COMPLEX64: ("scomplex_val", _interleaved(np.float32)),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", _interleaved(np.float64)),
}
