"""Rows that cannot be used: written as JSON lines with file, row, reason and value."""

import json
from dataclasses import dataclass

from apache_beam.io.filesystems import FileSystems

from components.ingestion.files import write_atomically

FOLDER = "dead_letters"
# An unclosed quote can make one value of the rest of a file.
LONGEST_VALUE = 1_000


@dataclass(frozen=True)
class DeadLetter:
    """One row that cannot be used.

    Attributes:
      file: the log file it stands in.
      row: 1 for the file's first data row.
      reason: what is wrong with it.
      value: the offending value, or the whole line where its columns do not fit; its first
        `LONGEST_VALUE` characters are written.
      lines: how many lines of the file are lost with it.
    """

    file: str
    row: int
    reason: str
    value: str | None
    lines: int


def write_letters(letters: list[DeadLetter], uri: str, name: str) -> None:
    """Write one block's letters into `dead_letters` under `uri`; nothing when there are none.

    Args:
      letters: of the block.
      uri: the artifact.
      name: of the block, so that a retried bundle overwrites its own.
    """
    if not letters:
        return
    lines = [
        json.dumps(
            {
                "file": letter.file,
                "row": letter.row,
                "reason": letter.reason,
                "value": letter.value and letter.value[:LONGEST_VALUE],
            }
        )
        for letter in letters
    ]
    with write_atomically(FileSystems.join(uri, FOLDER, f"{name}.jsonl"), uri) as file:
        file.write("\n".join([*lines, ""]).encode())


def keep_letters(uri: str) -> str:
    """Copy the letters out of `uri`, which TFX deletes when a component fails.

    Returns:
      the folder that holds them now: `dead_letters/NAME` beside the artifacts of the component.
    """
    artifacts, name = FileSystems.split(uri.rstrip("/"))
    target = FileSystems.join(FileSystems.split(artifacts)[0], FOLDER, name)
    found = FileSystems.match([FileSystems.join(uri, FOLDER, "*")])[0].metadata_list
    paths = [file.path for file in found]
    if not FileSystems.exists(target):
        FileSystems.mkdirs(target)
    FileSystems.copy(
        paths, [FileSystems.join(target, FileSystems.split(path)[1]) for path in paths]
    )
    return target
