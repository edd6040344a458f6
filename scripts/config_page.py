"""Print docs/configuration.md from the configuration models: `python scripts/config_page.py`."""

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tfx_pipeline.config import Config, section_model

HEAD = """# Configuration

One TOML file a data set. Unknown keys are refused with the nearest valid name; `--set
section.key=value` overrides one. Only `data.log` is required.
"""
TABLE = "| key | default | meaning |\n| --- | --- | --- |"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, field in Config.model_fields.items():
        model = section_model(field.annotation)
        assert model is not None
        meaning = " ".join((model.__doc__ or "").split("\n\n")[0].split()).partition(": ")[2]
        parts.append(f"## [{name}]\n\n{meaning[:1].upper()}{meaning[1:]}\n\n{TABLE}")
        parts.append("\n".join(_rows(model, "")) + "\n")
    return "\n".join(parts)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = section_model(field.annotation)
        if nested is not None:
            named = "NAME." if get_origin(field.annotation) is dict else ""
            yield from _rows(nested, f"{prefix}{name}.{named}")
        else:
            yield f"| `{prefix}{name}` | {_default(field)} | {_meaning(field)} |"


def _meaning(field: FieldInfo) -> str:
    values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    listed = f"one of {', '.join(f'`{value}`' for value in values)}" if values else None
    return "; ".join(filter(None, (field.description, listed)))


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        extra = field.json_schema_extra
        return str(extra["default"]) if isinstance(extra, dict) else "required"
    if value is None:
        return "none"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    print(page(), end="")
