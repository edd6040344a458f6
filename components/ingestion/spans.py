"""Which files a log's pattern stands for: TFX's spans and versions, a window of spans at once."""

import logging
import re
from dataclasses import dataclass
from typing import Any

from google.protobuf import wrappers_pb2
from tfx import v1 as tfx
from tfx.components.example_gen import driver, utils
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.config import DataConfig
from components.errors import DataError
from components.ingestion.ingest import IngestConfig


@dataclass(frozen=True)
class Window:
    """The newest spans of a log.

    Attributes:
      patterns: of each span's newest version, below the log's folder; without placeholders.
      span: the newest; 0 where the log has none.
      version: the newest of that span; None where the log has none.
      fingerprint: of the files.
    """

    patterns: list[str]
    span: int
    version: int | None
    fingerprint: str


def resolve(data: DataConfig) -> Window:
    """The files that `data.log` stands for now.

    A span of the window that has no files is left out, with a warning in the log.

    Raises:
      DataError: the placeholders cannot be used, or no file matches.
    """
    folder, pattern = folder_and_pattern(data.log)
    try:
        first, span, version, fingerprint = _find(folder, pattern, None)
    except ValueError as error:
        raise DataError(
            f"No span of data.log = {data.log!r} can be read: {error}. Spans are {{SPAN}}, or "
            "{YYYY}, {MM} and {DD}; versions {VERSION}, numbers both."
        ) from None
    patterns, fingerprints = [first], [fingerprint]
    for earlier in range(span - data.spans + 1, span) if first != pattern else ():
        try:
            found, _, _, fingerprint = _find(folder, pattern, max(earlier, 0))
        except ValueError:
            logging.warning("%s has no span %d.", data.log, earlier)
            continue
        patterns.append(found)
        fingerprints.append(fingerprint)
    return Window(patterns, span, version, "\n".join(fingerprints))


def paths(data: DataConfig, window: Window) -> list[str]:
    """The window's patterns with the log's folder."""
    folder, _ = folder_and_pattern(data.log)
    return [f"{folder}/{pattern}" for pattern in window.patterns]


def folder_and_pattern(log: str) -> tuple[str, str]:
    """The part of the path before the first folder or name with a wildcard, and the rest."""
    plain = re.split(r"[*?\[{]", log)[0]
    folder, slash, _ = plain.rpartition("/")
    return folder or slash or ".", log[len(folder + slash) :]


def stated_config(exec_properties: dict[str, Any]) -> IngestConfig:
    """The configuration that the component was made with."""
    custom, text = tfx.proto.CustomConfig(), wrappers_pb2.StringValue()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], custom)
    custom.custom_config.Unpack(text)
    return IngestConfig.model_validate_json(text.value)


class WindowDriver(driver.FileBasedDriver):
    """TFX's driver, for a window of spans: an input split for each.

    The component's cache key then covers the files of the whole window.
    """

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """Put the window's patterns, its newest span and its fingerprint in the properties."""
        window = resolve(stated_config(exec_properties).data)
        splits = [
            tfx.proto.Input.Split(name=f"span-{number}", pattern=pattern)
            for number, pattern in enumerate(window.patterns)
        ]
        given = tfx.proto.Input(splits=splits)
        exec_properties |= {
            standard_component_specs.INPUT_CONFIG_KEY: proto_utils.proto_to_json(given),
            utils.SPAN_PROPERTY_NAME: window.span,
            utils.VERSION_PROPERTY_NAME: window.version,
            utils.FINGERPRINT_PROPERTY_NAME: window.fingerprint,
        }
        return exec_properties


def _find(folder: str, pattern: str, span: int | None) -> tuple[str, int, int | None, str]:
    """The pattern of a span's newest version, of the newest span unless one is given."""
    split = tfx.proto.Input.Split(name="log", pattern=pattern)
    only = None
    if span is not None:
        static = tfx.proto.StaticRange(start_span_number=span, end_span_number=span)
        only = tfx.proto.RangeConfig(static_range=static)
    fingerprint, found, version = utils.calculate_splits_fingerprint_span_and_version(
        folder, [split], only
    )
    return split.pattern, found, version, fingerprint
