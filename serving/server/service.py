"""The gRPC services: which call does what, and how errors leave the server."""

import functools
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.manager import VersionManager
from serving.server.status import StatusError, invalid_argument, not_found, status_of, truncate

_LOG = logging.getLogger(__name__)
_SIGNATURE_DEF = "signature_def"


def _reports_status(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turns exceptions of a call into its status; an unexpected one is logged too."""

    @functools.wraps(method)
    def call(service: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(service, request, context)
        except Exception as error:  # the server must outlive any request
            if not isinstance(error, StatusError):
                _LOG.exception("%s failed", method.__name__)
            status = status_of(error)
        context.abort(status.code, truncate(status.message))

    return call


def _not_implemented(name: str) -> NoReturn:
    message = f"{name} is not part of the embedded server; TensorFlow Serving has it"
    raise StatusError(grpc.StatusCode.UNIMPLEMENTED, message)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`tensorflow.serving.PredictionService` over one model's versions."""

    def __init__(self, manager: VersionManager):
        self._manager = manager

    @_reports_status
    def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Runs a signature of the version that the request asks for."""
        _require_model_spec(request)
        with self._manager.use(request.model_spec) as servable:
            return servable.predict(request)

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

    @_reports_status
    def Classify(self, request: Any, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        """Answers UNIMPLEMENTED."""
        _not_implemented("Classify")

    @_reports_status
    def Regress(self, request: Any, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        """Answers UNIMPLEMENTED."""
        _not_implemented("Regress")

    @_reports_status
    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        """Answers UNIMPLEMENTED."""
        _not_implemented("MultiInference")


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`tensorflow.serving.ModelService` over one model's versions."""

    def __init__(self, manager: VersionManager):
        self._manager = manager

    @_reports_status
    def GetModelStatus(  # noqa: N802
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of one version, or of all seen so far."""
        _require_model_spec(request)
        spec = request.model_spec
        statuses = self._manager.statuses() if spec.name == self._manager.name else []
        if spec.WhichOneof("version_choice") == "version":
            statuses = [status for status in statuses if status.version == spec.version.value]
            if not statuses:
                raise not_found(f"Could not find version {spec.version.value} of model {spec.name}")
        if not statuses:
            raise not_found(f"Could not find any versions of model {spec.name}")
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=statuses)

    @_reports_status
    def HandleReloadConfigRequest(  # noqa: N802
        self, request: Any, context: grpc.ServicerContext
    ) -> NoReturn:
        """Answers UNIMPLEMENTED."""
        _not_implemented("HandleReloadConfigRequest")


def _require_model_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
