"""Record a page of docs/transcripts again, or replay it: commands and what they print.

    .venv/bin/python -m scripts.transcript docs/transcripts/main-job.md FOLDER

runs the commands of the page's console blocks in FOLDER, a fresh clone, and writes what they
print into the page. A command starts with `$ `, its further lines with `> `.
"""

import argparse
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

# What a reader sees for the folder of the recording.
SHOWN_FOLDER = "/home/me/sessionrec"
_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_ONCE = ("set-up:", "make: Nothing to be done", "writing ")
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
_END = "end of the command, status"


class Step(NamedTuple):
    """A command of several lines, perhaps, and everything it printed."""

    command: str
    printed: str


def read_steps(page: str) -> list[Step]:
    """The steps of a page's console blocks."""
    return [step for block in _BLOCK.findall(page) for step in _steps(block)]


def run_steps(commands: list[str], folder: Path) -> list[Step]:
    """Run commands in one shell; what they leave running is killed in the end.

    Raises:
      RuntimeError: a command failed with another status than 1, which `run` has for an error that
        it explains.
    """
    script = "trap 'kill $(jobs -p) 2> /dev/null' EXIT\n"
    script += "".join(f"{command}\necho '{_END}' $?\n" for command in commands)
    # A page may call make, which tells where it is if another make, that of the tests, called it.
    environment = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    everything = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**environment, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    *printed, rest = re.split(rf"^{_END} (\d+)\n", everything, flags=re.MULTILINE)
    outputs, statuses = printed[::2], printed[1::2]
    if rest or len(outputs) < len(commands) or set(statuses) - {"0", "1"}:
        raise RuntimeError(f"A command of the page failed: {everything}")
    return [
        Step(command, output.replace(str(folder), SHOWN_FOLDER))
        for command, output in zip(commands, outputs, strict=True)
    ]


def shape(printed: str) -> list[str]:
    """What two runs of a command have in common: no numbers or digests, no contents of tables.

    Lines of the same shape that follow each other are one: another run may have more epochs. Left
    out is what is only done the first time: set-up, and writing a log that a package holds.
    """
    lines: list[str] = []
    for line in printed.splitlines():
        line = re.sub(r"\b[0-9a-f]{12,}\b|-?\d[\d,.]*", "#", line)
        line = re.sub(r"\S*\.venv/bin/", ".venv/bin/", line)
        line = re.sub(r"[^│]+", " ", line) if line.startswith("│") else line
        line = re.sub(r"([\s━─])\1+", r"\1", line).strip()
        if line != (lines or [None])[-1] and not line.startswith(_ONCE):
            lines.append(line)
    return lines


def _steps(block: str) -> list[Step]:
    found = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        first, *lines = part.splitlines(keepends=True)
        further = next((n for n, line in enumerate(lines) if line[:1] != ">"), len(lines))
        command = "".join([first, *(line[2:] or "\n" for line in lines[:further])])
        found.append(Step(command.rstrip("\n"), "".join(lines[further:])))
    return found


def _written(steps: list[Step]) -> str:
    return "".join(
        "$ " + step.command.replace("\n", "\n> ").replace("> \n", ">\n") + "\n" + step.printed
        for step in steps
    )


def main() -> None:
    """Record a page again."""
    parser = argparse.ArgumentParser(prog="python -m scripts.transcript")
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    page = given.page.read_text()
    commands = [step.command for step in read_steps(page)]
    steps = iter(run_steps(commands, given.folder.resolve()))
    recorded = _BLOCK.sub(lambda block: _written([next(steps) for _ in _steps(block[0])]), page)
    given.page.write_text(recorded)


if __name__ == "__main__":
    main()
