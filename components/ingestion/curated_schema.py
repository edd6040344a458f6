"""The schema of what ingestion writes as an artifact, carried by the pipeline and not by a path."""

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils

FILE_NAME = "schema.pbtxt"


@component
def CuratedSchema(  # noqa: N802
    schema: OutputArtifact[standard_artifacts.Schema],
    text: Parameter[str],
) -> None:
    """Write `text`, a Schema in protobuf's text format, to the artifact `schema`."""
    io_utils.write_string_file(f"{schema.uri}/{FILE_NAME}", text)
