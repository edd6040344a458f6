"""What the commands share: options, exit statuses, and errors that are one line."""

import sys
from pathlib import Path
from typing import IO, Annotated, NoReturn

import typer

from tfx_pipeline.config import Config, ConfigError, load_config

DEFAULT_CONFIG = Path("configs/complete_journey.toml")
LOG_FILE = "sessionrec.log"
USAGE_ERROR, FAILURE = 2, 1

ConfigOption = Annotated[Path, typer.Option("--config", help="The data set's TOML file.")]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting.")
]


def load(path: Path, overrides: list[str]) -> Config:
    """The configuration; ends the process with a usage error if it is none."""
    try:
        return load_config(path, tuple(overrides))
    except ConfigError as error:
        fail(str(error), USAGE_ERROR)


def log_in(folder: Path) -> Path:
    """The log's path in a folder, made if need be, that can be written."""
    log = folder / LOG_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        fail(f"{folder} cannot be written: {error.strerror}.")
    return log


def fail(message: str, code: int = FAILURE, errors: IO[str] | None = None) -> NoReturn:
    """End the process with an error of the user's, on standard error unless `errors` is given."""
    print(f"error: {message}", file=errors or sys.stderr)
    sys.exit(code)
