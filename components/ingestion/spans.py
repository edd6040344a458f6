"""Which files a log's pattern stands for: TFX's spans and versions, a window of spans at once."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from google.protobuf import wrappers_pb2
from tfx.components.example_gen import driver, utils
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.config import DataConfig
from components.errors import DataError
from components.ingestion.ingest import IngestConfig

NEWEST_SPAN = "newest_span"
_SPAN = re.compile(r"\{(SPAN|YYYY|MM|DD)")
_EPOCH = date(1970, 1, 1)


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


class _Span(NamedTuple):
    pattern: str
    number: int
    version: int | None
    fingerprint: str


def resolve(data: DataConfig, newest: str = "") -> Window:
    """The files that `data.log` stands for now.

    A span of the window that has no files is left out, with a warning in the log.

    Args:
      data: of the configuration.
      newest: the window's last span, a number or a day (2026-01-31); the newest there is if ''.

    Raises:
      DataError: the placeholders or `newest` cannot be used, or no file matches.
    """
    folder, pattern = folder_and_pattern(data.log)
    if newest:
        last = span_number(newest)
        if not _SPAN.search(pattern):
            raise DataError(f"Span {newest} was asked for, but data.log = {data.log!r} has none.")
        found = _find_all(folder, pattern, range(last, last - data.spans, -1))
        if not found:
            raise DataError(f"data.log = {data.log!r} has no span {newest}.")
    else:
        try:
            first = _find(folder, pattern, None)
        except ValueError as error:
            raise DataError(
                f"No span of data.log = {data.log!r} can be read: {error}. Spans are {{SPAN}}, or "
                "{YYYY}, {MM} and {DD}; versions {VERSION}, numbers both."
            ) from None
        earlier = range(first.number - 1, first.number - data.spans, -1)
        found = [first, *_find_all(folder, pattern, earlier if _SPAN.search(pattern) else ())]
    patterns, _, _, fingerprints = zip(*found, strict=True)
    return Window(list(patterns), found[0].number, found[0].version, "\n".join(fingerprints))


def span_number(text: str) -> int:
    """A span's number; a day's is TFX's, the days since 1970.

    Raises:
      DataError: the text is neither.
    """
    if text.isdecimal():
        return int(text)
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise DataError(
            f"A span is a number or a day like 2026-01-31. Received: {text!r}"
        ) from None


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
    """The configuration of ingestion, with the log that the component was given."""
    custom, text = example_gen_pb2.CustomConfig(), wrappers_pb2.StringValue()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], custom)
    custom.custom_config.Unpack(text)
    config = IngestConfig.model_validate_json(text.value)
    log = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    return config.model_copy(update={"data": config.data.model_copy(update={"log": log})})


def stated_paths(exec_properties: dict[str, Any]) -> list[str]:
    """The window's patterns: as `WindowDriver` found them or, where no driver runs, now.

    Kubeflow Pipelines runs no drivers of components.
    """
    data = stated_config(exec_properties).data
    if utils.FINGERPRINT_PROPERTY_NAME not in exec_properties:
        return paths(data, resolve(data, exec_properties[NEWEST_SPAN]))
    given = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], given)
    folder, _ = folder_and_pattern(data.log)
    return [f"{folder}/{split.pattern}" for split in given.splits]


class WindowDriver(driver.FileBasedDriver):
    """TFX's driver, for a window of spans: an input split for each.

    The component's cache key then covers the files of the whole window.
    """

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """Put the window's patterns, its newest span and its fingerprint in the properties."""
        window = resolve(stated_config(exec_properties).data, exec_properties[NEWEST_SPAN])
        splits = [
            example_gen_pb2.Input.Split(name=f"span-{number}", pattern=pattern)
            for number, pattern in enumerate(window.patterns)
        ]
        given = example_gen_pb2.Input(splits=splits)
        exec_properties |= {
            standard_component_specs.INPUT_CONFIG_KEY: proto_utils.proto_to_json(given),
            utils.SPAN_PROPERTY_NAME: window.span,
            utils.VERSION_PROPERTY_NAME: window.version,
            utils.FINGERPRINT_PROPERTY_NAME: window.fingerprint,
        }
        return exec_properties


def _find_all(folder: str, pattern: str, spans: Iterable[int]) -> list[_Span]:
    """Those of the spans that are there."""
    found = []
    for span in spans:
        try:
            found.append(_find(folder, pattern, max(span, 0)))
        except ValueError:
            logging.warning("%s/%s has no span %d.", folder, pattern, span)
    return found


def _find(folder: str, pattern: str, span: int | None) -> _Span:
    """The newest version of a span, of the newest span unless one is given."""
    split = example_gen_pb2.Input.Split(name="log", pattern=pattern)
    only = None
    if span is not None:
        static = range_config_pb2.StaticRange(start_span_number=span, end_span_number=span)
        only = range_config_pb2.RangeConfig(static_range=static)
    fingerprint, found, version = utils.calculate_splits_fingerprint_span_and_version(
        folder, [split], only
    )
    return _Span(split.pattern, found, version, fingerprint)
