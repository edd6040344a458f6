"""The schema of what ingestion writes as an artifact, carried by the pipeline and not by a path."""

from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.utils import io_utils

FILE_NAME = "schema.pbtxt"


@tfx.dsl.components.component
def CuratedSchema(  # noqa: N802
    schema: tfx.dsl.components.OutputArtifact[standard_artifacts.Schema],
    text: tfx.dsl.components.Parameter[str],
) -> None:
    """Write `text`, a Schema in protobuf's text format, to the artifact `schema`."""
    io_utils.write_string_file(f"{schema.uri}/{FILE_NAME}", text)
