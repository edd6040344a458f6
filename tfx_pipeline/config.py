"""One TOML file a data set, read into frozen models; overrides as `section.key=value`."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from components.config import DataConfig, SessionsConfig, SplitConfig
from model.config import ModelConfig, TrainConfig
from tfx_pipeline.evaluate_config import BUILT_IN_SLICES, CROSS, EvaluateConfig
from tfx_pipeline.kubeflow.config import KubeflowConfig


class ConfigError(ValueError):
    """The configuration cannot be used; the message says what was got, where, and what to do."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServeConfig(_Section):
    """`[serve]`: the recommendation lists and the local server."""

    max_k: Annotated[int, Field(gt=0)] = Field(100, description="longest list a request can get")
    index: Literal["exact", "clusters"] = Field(
        "exact",
        description="score the whole catalogue; or, from about a million items on, those of the "
        "most promising clusters",
    )
    min_index_recall: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.98,
        description="of the exact list's items, the share that clusters must find; enough clusters "
        "are read",
    )
    port: Annotated[int, Field(ge=0, lt=65536)] = Field(8500, description="0 takes a free one")


class MonitorConfig(_Section):
    """`[monitor]`: how far served requests may be from evaluation before it is an alert."""

    min_requests: Annotated[int, Field(ge=1)] = Field(
        100, description="fewer logged requests, or fewer with an outcome, say nothing"
    )
    max_skew: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="Jensen-Shannon divergence of a feature from the test split's"
    )
    max_unknown_items: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="share of history items that training did not have"
    )


class PipelineConfig(_Section):
    """`[pipeline]`: where runs and their metadata are kept."""

    name: str = Field(
        description="small letters, digits and _; also the served model's name",
        json_schema_extra={"default": "the file's name"},
    )
    root: str = "output"
    # Unless workers have an image, TFX packs itself for them, seconds a component. In process
    # nobody reads the image's name.
    beam_args: tuple[str, ...] = Field(
        ("--runner=FnApiRunner", "--direct_num_workers=1", "--sdk_container_image=none"),
        description="of every Beam component",
    )
    ingestion_beam_args: tuple[str, ...] = Field(
        (), description="of ingestion alone, after those of all"
    )

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            raise ValueError(
                "must be small letters, digits and _, a letter first; it is the file's name unless "
                f"[pipeline] name is given (received {name!r})"
            )
        return name


class MetadataConfig(_Section):
    """`[metadata]`: a MySQL database for ML Metadata; without a host, a SQLite file."""

    host: str | None = None
    port: Annotated[int, Field(gt=0, lt=65536)] = 3306
    database: str = Field("sessionrec", description="must exist; tables are made")
    user: str = Field(
        "sessionrec", description="the variable SESSIONREC_METADATA_PASSWORD has the password"
    )


class Config(_Section):
    """Everything that decides the result of a run."""

    data: DataConfig
    sessions: SessionsConfig = SessionsConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    serve: ServeConfig = ServeConfig()
    monitor: MonitorConfig = MonitorConfig()
    pipeline: PipelineConfig
    metadata: MetadataConfig = MetadataConfig()
    kubeflow: KubeflowConfig = KubeflowConfig()

    @model_validator(mode="after")
    def _lists_are_long_enough(self) -> "Config":
        if self.evaluate.cutoffs[-1] > self.serve.max_k:
            raise ValueError(
                f"serve.max_k must reach evaluate.cutoffs. Received: {self.serve.max_k} and "
                f"{list(self.evaluate.cutoffs)}"
            )
        return self

    @model_validator(mode="after")
    def _slices_are_known(self) -> "Config":
        table = self.data.item_table
        others = {*BUILT_IN_SLICES, *((*table.features, *table.categorical) if table else ())}
        for name in others.intersection(self.data.columns.further):
            raise ValueError(
                f"data.columns.further may not name another slice. Received: {name!r}; the others "
                f"are {', '.join(sorted(others))}"
            )
        known = others.union(self.data.columns.further)
        for name in sorted(self.evaluate.slicing_features - known):
            raise ValueError(
                f"evaluate.slices takes {', '.join(sorted(known))} and crosses a{CROSS}b of them. "
                f"Received: {name!r}"
            )
        return self

    @property
    def serving_folder(self) -> str:
        """The versioned folder that TensorFlow Serving watches."""
        return f"{self.pipeline.root}/serving/{self.pipeline.name}"

    @property
    def run_folder(self) -> str:
        """Pipeline artifacts, metadata, logs and reports."""
        return f"{self.pipeline.root}/runs/{self.pipeline.name}"

    @property
    def metadata_path(self) -> str:
        """ML Metadata's SQLite file."""
        return f"{self.run_folder}/metadata.db"


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read a TOML file and apply overrides, `section.key=value` with a TOML value or bare text.

    The pipeline's name is the file's unless `[pipeline] name` is given.

    Raises:
      ConfigError: the file is missing, unreadable or not TOML, or a key or a value is not valid.
    """
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration {path}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    for override in overrides:
        _apply(content, override)
    pipeline = content.setdefault("pipeline", {})
    if isinstance(pipeline, dict):
        pipeline.setdefault("name", path.stem)
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        raise ConfigError(f"{path}: " + "; ".join(problems)) from None


def _apply(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    *sections, name = (part.strip() for part in key.split("."))
    if not separator or not sections or not all((*sections, name)):
        raise ConfigError(f"--set takes section.key=value. Received: {override!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise ConfigError(f"--set {override}: {section!r} is a value, not a section.")
    content[name] = value


def _explain(problem: ErrorDetails) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), _names(problem["loc"][:-1]), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key {where!r}{hint}"
    if problem["type"] == "missing":
        return f"{where!r} is required"
    place = f"{where}: " if where else ""
    if problem["type"] == "value_error":  # One of our own, which says what it received.
        return f"{place}{problem['ctx']['error']}"
    return f"{place}{problem['msg']} (received {problem['input']!r})"


def _names(sections: tuple[int | str, ...]) -> list[str]:
    """The valid keys of a section."""
    model: type[BaseModel] = Config
    for section in sections:
        # Else it is a name of the user's in a table of sections.
        if str(section) in model.model_fields:
            nested = section_model(model.model_fields[str(section)].annotation)
            assert nested is not None
            model = nested
    return list(model.model_fields)


def section_model(annotation: Any) -> type[BaseModel] | None:
    """The model behind a field's annotation; None for a value.

    Annotations are `Section`, `Section | None` or `dict[str, Section]`.
    """
    options = [annotation, *getattr(annotation, "__args__", ())]
    models = (o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
    return next(models, None)
