"""Notes on a run in ML Metadata that TFX does not take: the configuration and the code."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from tfx_pipeline.config import Config
from tfx_pipeline.metadata import open_store

PIPELINE_CONTEXT, RUN_CONTEXT = "pipeline", "pipeline_run"
SETTINGS, CODE = "sessionrec_settings", "sessionrec_code"
PACKAGES = ("components", "model", "serving", "tfx_pipeline")


def code_version() -> str:
    """The package's version and a digest of its sources, which differs for any change of them."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"{metadata.version('sessionrec-tfx')} ({digest.hexdigest()[:12]})"


def fingerprint(settings: dict) -> str:
    """Twelve hexadecimal digits that differ for other settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def shared_as(config: Config) -> str | None:
    """The pipeline's name, if other pipelines may have runs in the same store."""
    return None if config.metadata.host is None else config.pipeline.name


def run_contexts(
    store: metadata_store.MetadataStore, pipeline: str | None = None
) -> list[metadata_store_pb2.Context]:
    """The runs, oldest first; those of one pipeline, if several share the store."""
    runs = sorted(store.get_contexts_by_type(RUN_CONTEXT), key=lambda context: context.id)
    return [run for run in runs if pipeline is None or _is_of(store, run, pipeline)]


def record(config: Config) -> None:
    """Note configuration and code on the latest run, the one that just ended, once."""
    store = open_store(config)
    for context in run_contexts(store, shared_as(config))[-1:]:
        if SETTINGS not in context.custom_properties:
            context.custom_properties[SETTINGS].string_value = config.model_dump_json()
            context.custom_properties[CODE].string_value = code_version()
            store.put_contexts([context])


def _is_of(
    store: metadata_store.MetadataStore, run: metadata_store_pb2.Context, pipeline: str
) -> bool:
    executions = store.get_executions_by_context(run.id)
    contexts = store.get_contexts_by_execution(executions[0].id) if executions else ()
    kind = store.get_context_type(PIPELINE_CONTEXT).id if contexts else None
    return any(context.type_id == kind and context.name == pipeline for context in contexts)


def changes(before: dict, after: dict) -> dict[str, tuple[str, str]]:
    """Settings that differ: 'section.key' -> (before, after), as JSON; '' where there is none."""
    old, new = _flat(before), _flat(after)
    names = sorted(old.keys() | new.keys())
    return {n: (old.get(n, ""), new.get(n, "")) for n in names if old.get(n) != new.get(n)}


def _flat(settings: dict, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value)
    return found
