"""The gRPC services: which call does what, and how errors leave the server."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.manager import ModelManager
from serving.server.metrics import Metrics
from serving.server.status import StatusError, invalid_argument, status_of, truncate

_LOG = logging.getLogger(__name__)
_SIGNATURE_DEF = "signature_def"


def _reports_status(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turns exceptions of a call into its status; an unexpected one is logged too."""

    @functools.wraps(method)
    def call(service: Any, request: Any, context: grpc.ServicerContext) -> Any:
        begun = time.perf_counter()
        try:
            response = method(service, request, context)
        except Exception as error:  # the server must outlive any request
            if not isinstance(error, StatusError):
                _LOG.exception("%s failed", method.__name__)
            status = status_of(error)
            service.record(method.__name__, request, status.code, begun)
            context.abort(status.code, truncate(status.message))
        service.record(method.__name__, request, grpc.StatusCode.OK, begun)
        return response

    return call


class _Service:
    def __init__(self, manager: ModelManager, metrics: Metrics, as_content: bool = False):
        self._manager = manager
        self._metrics = metrics
        self._as_content = as_content

    def record(self, api: str, request: Any, code: grpc.StatusCode, begun: float) -> None:
        spec = getattr(request, "model_spec", None)
        # Names that clients make up must not become series.
        name = spec.name if spec is not None and self._manager.is_served(spec.name) else ""
        self._metrics.record(name, api, code.name, time.perf_counter() - begun)


class PredictionService(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
    """`tensorflow.serving.PredictionService`; Classify, Regress, MultiInference: UNIMPLEMENTED."""

    @_reports_status
    def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Runs a signature of the version that the request asks for."""
        _require_model_spec(request)
        with self._manager.use(request.model_spec) as servable:
            response = servable.predict(request, self._as_content)
        log = self._manager.request_log(request.model_spec.name)
        if log is not None:
            log.collect(request, response)
        return response

    @_reports_status
    def GetModelMetadata(  # noqa: N802
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        context: grpc.ServicerContext,
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tells a version's signatures."""
        _require_model_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {field} is not supported")
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._manager.use(request.model_spec) as servable:
            for key, signature in servable.signature_defs.items():
                signatures.signature_def[key].CopyFrom(signature)
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        return response


class ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    """`tensorflow.serving.ModelService`."""

    @_reports_status
    def GetModelStatus(  # noqa: N802
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of one version, or of all seen so far."""
        _require_model_spec(request)
        statuses = self._manager.statuses(request.model_spec)
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=statuses)

    @_reports_status
    def HandleReloadConfigRequest(  # noqa: N802
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves another list of models; answers once the new ones are AVAILABLE."""
        if not request.config.HasField("model_config_list"):
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        # A cancelled call and one whose deadline has passed give their thread back.
        context.add_callback(self._manager.look_again)
        self._manager.reload(request.config, is_active=context.is_active)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


def _require_model_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
