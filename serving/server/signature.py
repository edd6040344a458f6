"""Checks of a Predict request against a signature, with TensorFlow Serving's messages."""

from collections.abc import Iterable, Mapping

import grpc
import numpy as np
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from serving.server.status import StatusError, invalid_argument
from serving.server.tensors import decode, dtype_name

DEFAULT_SIGNATURE = "serving_default"
_METHODS = [f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress")]


def find_signature(
    signatures: Mapping[str, meta_graph_pb2.SignatureDef], name: str
) -> tuple[str, meta_graph_pb2.SignatureDef]:
    """The signature of that name and its key; '' stands for serving_default.

    Raises:
        StatusError: FAILED_PRECONDITION if there is none, INTERNAL if it is none to predict
            with (initializers are stored as signatures too).
    """
    key = name or DEFAULT_SIGNATURE
    if key not in signatures:
        message = f'Serving signature key "{key}" not found.'
        raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, message)
    signature = signatures[key]
    if signature.method_name not in _METHODS:
        raise StatusError(
            grpc.StatusCode.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{', '.join(_METHODS)}}}. Was: {signature.method_name}",
        )
    return key, signature


def decode_inputs(
    signature: meta_graph_pb2.SignatureDef, sent: Mapping[str, tensor_pb2.TensorProto]
) -> list[np.ndarray]:
    """The signature's inputs in the order of their names, from the request or its defaults.

    Raises:
        StatusError: INVALID_ARGUMENT if names, types or contents do not fit.
    """
    _check_names(signature, sent)
    aliases = sorted(signature.inputs)
    protos = [sent[alias] if alias in sent else signature.defaults[alias] for alias in aliases]
    inputs = [decode(alias, proto) for alias, proto in zip(aliases, protos, strict=True)]
    for position, (alias, proto) in enumerate(zip(aliases, protos, strict=True)):
        expected = signature.inputs[alias].dtype
        if proto.dtype != expected:
            raise invalid_argument(
                f"Expects arg[{position}] to be {dtype_name(expected)} "
                f"but {dtype_name(proto.dtype)} is provided"
            )
    return inputs


def select_outputs(
    signature: meta_graph_pb2.SignatureDef, output_filter: Iterable[str]
) -> tuple[str, ...]:
    """The filter's names in alphabetical order, or all outputs when it is empty.

    Raises:
        StatusError: INVALID_ARGUMENT if a name is unknown or given twice.
    """
    selected: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}."
            )
        if alias in selected:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        selected.add(alias)
    return tuple(sorted(selected or signature.outputs))


def _check_names(
    signature: meta_graph_pb2.SignatureDef, sent: Mapping[str, tensor_pb2.TensorProto]
) -> None:
    if sent.keys() == signature.inputs.keys():
        return
    extra = sorted(sent.keys() - signature.inputs.keys())
    missing = sorted(signature.inputs.keys() - sent.keys())
    too_few = len(sent) < len(signature.inputs) and not signature.defaults
    if len(sent) > len(signature.inputs) or too_few:
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(signature.inputs)} "
            f"len({_braced(sent)}) != len({_braced(signature.inputs)}). "
            f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}."
        )
    for alias in missing:
        if alias not in signature.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not "
                "found in request and no default value provided. Inputs expected to be in the "
                f"request {_braced(sent)}, or default input alias set: "
                f"{','.join(sorted(signature.defaults))}"
            )
    if extra:
        used = sorted(sent.keys() & signature.inputs.keys())
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(used)}, "
            f"request input: {','.join(sorted(sent))}"
        )


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
