"""An older version as the newest one, which a model server serves next by its default policy."""

import os
import time

import tensorflow as tf
from tfx.utils import io_utils

from components.publishing.latest_blessed import versions

# Not a number, so that no server takes it for a version.
STAGING_FOLDER = ".rollback"
NOTE = "assets.extra/copy_of"


class RollbackError(ValueError):
    """There is no such version, or it cannot be copied; the message is for the user."""


def origin(serving_folder: str, version: int) -> int:
    """The version that this one is a copy of; itself, if a run pushed it."""
    note = os.path.join(serving_folder, str(version), NOTE)
    return int(io_utils.read_string_file(note)) if tf.io.gfile.exists(note) else version


def was_rolled_back(serving_folder: str, version: int) -> bool:
    """Whether this version's model was gone back from, and not gone forward to again."""
    return origin(serving_folder, version) not in _standing(serving_folder)


def _standing(serving_folder: str) -> list[int]:
    """Models that were not rolled back, oldest first; the last is the newest version's.

    A model is the version that a run pushed; a copy of it takes back all that were pushed after it.
    """
    standing: list[int] = []
    for version in versions(serving_folder):
        model = origin(serving_folder, version)
        standing = [older for older in standing if older < model] + [model]
    return standing


def roll_back(serving_folder: str, version: int | None = None) -> tuple[int, int]:
    """Publish a copy of an older version as the newest; it appears whole, by a rename.

    Nothing is removed: the server loads the copy before it unloads what it serves, and the next
    run compares its model with it.

    Args:
      serving_folder: the versioned folder. One rollback may use it at a time.
      version: which; the one that served before what serves, of those that were not rolled
        back, unless given.

    Returns:
      The number of the copy, and of the version that it is a copy of.

    Raises:
      RollbackError: there is no such version, or none before, it is served already, or the copy
        failed; the server's versions are as they were.
    """
    found = versions(serving_folder)
    chosen = _chosen(serving_folder, found, version)
    try:
        return _publish_copy(serving_folder, chosen), origin(serving_folder, chosen)
    except tf.errors.OpError as error:
        raise RollbackError(f"Version {chosen} cannot be copied: {error.message}") from None


def _publish_copy(serving_folder: str, version: int) -> int:
    staging = os.path.join(serving_folder, STAGING_FOLDER)
    if tf.io.gfile.exists(staging):
        tf.io.gfile.rmtree(staging)  # a killed rollback left it
    io_utils.copy_dir(os.path.join(serving_folder, str(version)), staging)
    note = str(origin(serving_folder, version))
    io_utils.write_string_file(os.path.join(staging, NOTE), note)
    # A version is the time in seconds, but the clock may be behind the newest one.
    copy = max(int(time.time()), versions(serving_folder)[-1] + 1)
    tf.io.gfile.rename(staging, os.path.join(serving_folder, str(copy)))
    return copy


def _chosen(serving_folder: str, found: list[int], version: int | None) -> int:
    """The version to copy."""
    if not found:
        raise RollbackError(f"There is no version in {serving_folder}.")
    with_model = {origin(serving_folder, each): each for each in found}
    *before, served = _standing(serving_folder)
    listed = ", ".join(map(str, found))
    if version is None:
        if not before:
            raise RollbackError(f"There is no model before {served}, which serves, in {listed}.")
        return with_model[before[-1]]
    if version not in found:
        raise RollbackError(f"There is no version {version} in {serving_folder}: {listed}.")
    if origin(serving_folder, version) == served:
        raise RollbackError(f"Version {version} has the model that serves.")
    return version
