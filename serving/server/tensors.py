"""Tensors to and from the wire, as TensorFlow Serving reads and writes them."""

from collections.abc import Callable

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.server.status import StatusError, invalid_argument


def decode(alias: str, proto: tensor_pb2.TensorProto) -> tf.Tensor:
    """Parses `proto` with TensorFlow's own parser, which TensorFlow Serving uses too.

    Raises:
        StatusError: INVALID_ARGUMENT if shape, type and content do not fit together.
    """
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        return tf.io.parse_tensor(proto.SerializeToString(), out_type=dtype)
    except (TypeError, ValueError, tf.errors.OpError):
        raise invalid_argument(f"tensor parsing error: {alias}") from None


def encode(tensor: tf.Tensor) -> tensor_pb2.TensorProto:
    """Writes `tensor` into the typed field of its dtype (`float_val`, `string_val`, ...).

    `tf.make_tensor_proto` would put numbers into `tensor_content`, where clients that read
    the typed fields do not look.

    Raises:
        StatusError: UNIMPLEMENTED for quantized and other rare types.
    """
    if tensor.dtype not in _TYPED_FIELDS:
        message = f"Outputs of type {dtype_name(tensor.dtype.as_datatype_enum)} are not supported"
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, message)
    field, values_of = _TYPED_FIELDS[tensor.dtype]
    array = tensor.numpy()
    if tensor.shape.rank == 0:
        # numpy() gives a bare scalar here; a fixed-width string array would lose trailing zeros.
        array = np.array([array], dtype=tensor.dtype.as_numpy_dtype)
    proto = tensor_pb2.TensorProto(
        dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )
    getattr(proto, field).extend(values_of(array.ravel()))
    return proto


def dtype_name(dtype: int) -> str:
    """TensorFlow's C++ name of a DataType, as its messages have it (`float`, not `float32`)."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def _plain(array: np.ndarray) -> list:
    return array.tolist()


def _bits16(array: np.ndarray) -> list:
    return array.view(np.uint16).tolist()


def _interleaved(part: type) -> Callable[[np.ndarray], list]:
    return lambda array: array.view(part).tolist()  # real, imaginary, real, ...


# tensorflow/core/framework/tensor.proto: which field holds which type.
_TYPED_FIELDS: dict[tf.DType, tuple[str, Callable[[np.ndarray], list]]] = {
    tf.float32: ("float_val", _plain),
    tf.float64: ("double_val", _plain),
    tf.float16: ("half_val", _bits16),
    tf.bfloat16: ("half_val", _bits16),
    tf.int8: ("int_val", _plain),
    tf.int16: ("int_val", _plain),
    tf.int32: ("int_val", _plain),
    tf.uint8: ("int_val", _plain),
    tf.uint16: ("int_val", _plain),
    tf.int64: ("int64_val", _plain),
    tf.uint32: ("uint32_val", _plain),
    tf.uint64: ("uint64_val", _plain),
    tf.bool: ("bool_val", _plain),
    tf.string: ("string_val", _plain),
    tf.complex64: ("scomplex_val", _interleaved(np.float32)),
    tf.complex128: ("dcomplex_val", _interleaved(np.float64)),
}
