"""The status of a call or of a load: a gRPC code with TensorFlow Serving's message text."""

import grpc
import tensorflow as tf

# tensorflow_serving/model_servers/grpc_status_util.cc
MESSAGE_LIMIT = 1024  # characters
_TRUNCATED = "...TRUNCATED"

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """Ends a call or a load with a status.

    Args:
        code: the gRPC status code.
        message: the status text, of any length.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> StatusError:
    """The status of a request that no server state would make right."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> StatusError:
    """The status of a model or version that is not there."""
    return StatusError(grpc.StatusCode.NOT_FOUND, message)


def status_of(error: Exception) -> StatusError:
    """The status that stands for any exception; TensorFlow's codes are gRPC's."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, tf.errors.OpError):
        return StatusError(_CODES[error.error_code], error.message)
    return StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def truncate(message: str) -> str:
    """`message`, cut after 1024 characters as TensorFlow Serving cuts it."""
    if len(message) <= MESSAGE_LIMIT:
        return message
    return message[:MESSAGE_LIMIT] + _TRUNCATED
