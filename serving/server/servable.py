"""One loaded version of a SavedModel: its signatures, Predict and the warm-up."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.server.status import StatusError, invalid_argument, status_of
from serving.server.tensors import decode, dtype_name, encode

DEFAULT_SIGNATURE = "serving_default"
MAX_WARM_UP_RECORDS = 1000
_SERVE_TAG = "serve"
_WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"


class Servable:
    """A SavedModel in memory, ready for concurrent Predict calls.

    Args:
        name: the model's name, echoed in responses.
        version: the version number, echoed in responses.
        path: the version's folder.

    Raises:
        Exception: whatever TensorFlow raises on a folder that is not a SavedModel.
    """

    def __init__(self, name: str, version: int, path: Path):
        self.name = name
        self.version = version
        self._path = path
        self.signature_defs = _read_signature_defs(path)
        # The signatures' variables and tables live only as long as the loaded object.
        self._loaded = tf.saved_model.load(str(path), tags=[_SERVE_TAG])
        self._functions = dict(self._loaded.signatures.items())

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Runs the request's signature on its inputs.

        Raises:
            StatusError: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for
                inputs or an output filter that do not fit it, else the status of the run.
        """
        key = request.model_spec.signature_name or DEFAULT_SIGNATURE
        if key not in self._functions:
            message = f'Serving signature key "{key}" not found.'
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, message)
        signature = self.signature_defs[key]
        inputs = _decode_inputs(signature, request.inputs)
        aliases = _select_outputs(signature, request.output_filter)
        _check_dtypes(signature, inputs)
        try:
            outputs = self._functions[key](**inputs)
        except tf.errors.OpError as error:
            raise status_of(error) from None

        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = key
        for alias in aliases:
            response.outputs[alias].CopyFrom(encode(outputs[alias]))
        return response

    def warm_up(self) -> int:
        """Replays the version's recorded requests, if it has any; returns how many.

        Raises:
            StatusError: if a record fails or there are more than 1000.
            tf.errors.DataLossError: if the file is not a TFRecord file.
        """
        path = self._path / _WARM_UP_FILE
        if not path.exists():
            return 0
        count = 0
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
            if count > MAX_WARM_UP_RECORDS:
                raise invalid_argument(
                    "Number of warmup records exceeds the maximum "
                    f"({MAX_WARM_UP_RECORDS}) at {path}"
                )
            self._replay(prediction_log_pb2.PredictionLog.FromString(record))
        return count

    def _replay(self, log: prediction_log_pb2.PredictionLog) -> None:
        kind = log.WhichOneof("log_type")
        if kind != "predict_log":
            message = f"Unsupported log_type for warmup: {kind}"
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, message)
        self.predict(log.predict_log.request)


def _read_signature_defs(path: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    saved_model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if list(meta_graph.meta_info_def.tags) == [_SERVE_TAG]:
            # Copies, so that the graph itself, which can be large, is not kept.
            return {
                key: meta_graph_pb2.SignatureDef.FromString(signature.SerializeToString())
                for key, signature in meta_graph.signature_def.items()
            }
    raise _no_meta_graph(path)


def _no_meta_graph(path: Path) -> StatusError:
    """The status of a SavedModel that has nothing for a server to serve."""
    message = f"Could not find meta graph def matching supplied tags: {{ {_SERVE_TAG} }} in {path}"
    return StatusError(grpc.StatusCode.NOT_FOUND, message)


def _decode_inputs(
    signature: meta_graph_pb2.SignatureDef, sent: Mapping[str, tensor_pb2.TensorProto]
) -> dict[str, tf.Tensor]:
    """The signature's inputs by alias, from the request or the signature's defaults."""
    extra = sorted(sent.keys() - signature.inputs.keys())
    missing = sorted(signature.inputs.keys() - sent.keys())
    too_few = len(sent) < len(signature.inputs) and not signature.defaults
    if len(sent) > len(signature.inputs) or too_few:
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(signature.inputs)} "
            f"len({_braced(sent)}) != len({_braced(signature.inputs)}). "
            f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}."
        )
    inputs = {}
    for alias in sorted(signature.inputs):
        if alias not in sent and alias not in signature.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not "
                "found in request and no default value provided. Inputs expected to be in the "
                f"request {_braced(sent)}, or default input alias set: "
                f"{','.join(sorted(signature.defaults))}"
            )
        inputs[alias] = decode(alias, sent[alias] if alias in sent else signature.defaults[alias])
    if extra:
        used = sorted(sent.keys() & signature.inputs.keys())
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(used)}, "
            f"request input: {','.join(sorted(sent))}"
        )
    return inputs


def _select_outputs(
    signature: meta_graph_pb2.SignatureDef, output_filter: Iterable[str]
) -> list[str]:
    """The filter's aliases, or all outputs when it is empty."""
    selected: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}."
            )
        if alias in selected:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        selected.append(alias)
    return selected or list(signature.outputs)


def _check_dtypes(signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, tf.Tensor]) -> None:
    for position, (alias, tensor) in enumerate(inputs.items()):
        expected, got = signature.inputs[alias].dtype, tensor.dtype.as_datatype_enum
        if got != expected:
            raise invalid_argument(
                f"Expects arg[{position}] to be {dtype_name(expected)} "
                f"but {dtype_name(got)} is provided"
            )


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
