"""One loaded version of a SavedModel: Predict and the warm-up."""

import functools
from collections.abc import Callable
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions, ConfigProto
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.server.signature import decode_inputs, find_signature, select_outputs
from serving.server.status import StatusError, invalid_argument, status_of
from serving.server.tensors import encode

MAX_WARM_UP_RECORDS = 1000
_SERVE_TAG = "serve"
_WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
# Bounds what clients can make the server keep by asking for ever other outputs.
_MAX_CALLABLES = 64


class Servable:
    """A SavedModel in memory, ready for concurrent Predict calls.

    It is loaded into a session, as TensorFlow Serving does, so any SavedModel with Predict
    signatures can be served, and inputs reach the graph by the signature's tensor names.

    Args:
        name: the model's name, echoed in responses.
        version: the version number, echoed in responses.
        path: the version's folder.
        config: of its session; TensorFlow's own if None.

    Raises:
        Exception: whatever TensorFlow raises on a folder that is not a SavedModel.
    """

    def __init__(self, name: str, version: int, path: Path, config: ConfigProto | None = None):
        self.name = name
        self.version = version
        self._path = path
        with tf.Graph().as_default() as graph:
            self._session = tf.compat.v1.Session(graph=graph, config=config)
            try:
                loader = tf.compat.v1.saved_model.load
                meta_graph = loader(self._session, [_SERVE_TAG], str(path))
            except BaseException:
                self._session.close()
                raise
        self.signature_defs = dict(meta_graph.signature_def.items())
        self._callable = functools.lru_cache(_MAX_CALLABLES)(self._make_callable)

    def predict(
        self, request: predict_pb2.PredictRequest, as_content: bool = False
    ) -> predict_pb2.PredictResponse:
        """Runs the request's signature on its inputs.

        Args:
            request: names the signature and has its inputs.
            as_content: answer numbers as `tensor_content`, not in typed fields.

        Raises:
            StatusError: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for
                inputs or an output filter that do not fit it, else the status of the run.
        """
        key, signature = find_signature(self.signature_defs, request.model_spec.signature_name)
        inputs = decode_inputs(signature, request.inputs)
        aliases = select_outputs(signature, request.output_filter)
        try:
            outputs = self._callable(key, aliases)(*inputs)
        except tf.errors.OpError as error:
            raise status_of(error) from None

        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = key
        for alias, output in zip(aliases, outputs, strict=True):
            encode(output, signature.outputs[alias].dtype, response.outputs[alias], as_content)
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
        # Read before any is replayed: an iterator that stays open is slow to end.
        dataset = tf.data.TFRecordDataset(str(path)).take(MAX_WARM_UP_RECORDS + 1)
        records = list(dataset.as_numpy_iterator())
        if len(records) > MAX_WARM_UP_RECORDS:
            raise invalid_argument(
                f"Number of warmup records exceeds the maximum ({MAX_WARM_UP_RECORDS}) at {path}"
            )
        for record in records:
            self._replay(prediction_log_pb2.PredictionLog.FromString(record))
        return len(records)

    def close(self) -> None:
        """Frees the model; no call may be under way."""
        self._callable.cache_clear()
        self._session.close()

    def _make_callable(self, key: str, aliases: tuple[str, ...]) -> Callable:
        signature = self.signature_defs[key]
        options = CallableOptions(
            feed=[signature.inputs[alias].name for alias in sorted(signature.inputs)],
            fetch=[signature.outputs[alias].name for alias in aliases],
        )
        # The public make_callable refuses what differs from the signature's static shape, which
        # TensorFlow Serving leaves to the graph, and takes several times as long.
        return self._session._make_callable_from_options(options)

    def _replay(self, log: prediction_log_pb2.PredictionLog) -> None:
        kind = log.WhichOneof("log_type")
        if kind != "predict_log":
            message = f"Unsupported log_type for warmup: {kind}"
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, message)
        self.predict(log.predict_log.request)
