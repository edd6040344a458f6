"""The transcripts of docs/transcripts happen again, on a slice of the data."""

import shutil
import subprocess
from pathlib import Path

import pytest
from grocery_slice import write_slice

from scripts.transcript import SHOWN_FOLDER, Step, read_steps, run_steps, shape

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "transcripts"
SMALLER = "\n[model]\nmin_sessions_per_item = 3\ndim = 32\n[train]\nepochs = 2\n"
PAGE = """
Text.

```console
$ for i in 1 2
> do echo "$i of $PWD"
> done
$ false
```

```console
$ cat <<'EOF'
> above
>
> below
> EOF
```
"""


def test_commands_of_a_page_share_a_shell_and_their_output_is_theirs(tmp_path):
    commands = [step.command for step in read_steps(PAGE)]
    assert [step.printed for step in run_steps(commands, tmp_path)] == [
        f"1 of {SHOWN_FOLDER}\n2 of {SHOWN_FOLDER}\n",
        "",
        "above\n\nbelow\n",
    ]


def test_a_command_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="no-such-command"):
        run_steps(["no-such-command"], tmp_path)


def test_numbers_tables_contents_and_repetitions_have_no_shape():
    one = "  epoch 1: loss 8.25\n  epoch 2: loss 7.9\n┃ item ┃ score ┃\n│ 995 │ 6.8 │\n│ 8 │ -6 │\n"
    other = "set-up: done\n  writing a\n  epoch 1: loss 3.1\n┃ item  ┃ score ┃\n│ 12345 │ 6.86  │\n"
    assert shape(one) == shape(other)
    assert shape(one) != shape(other.replace("score", "title"))
    assert shape(one) != shape("error\n")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The files of a clone with the environment of this one, and with little data."""
    folder = tmp_path_factory.mktemp("home") / "sessionrec"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)  # with its time, or set-up would start again
    (folder / ".venv").symlink_to(ROOT / ".venv")
    data = folder / "data" / "complete_journey"
    data.mkdir(parents=True)
    write_slice(data)
    with (folder / "configs" / "complete_journey.toml").open("a") as file:
        file.write(SMALLER)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["main-job", "own-program", "own-log"])
def test_a_transcript_happens_again(clone, name):
    expected = read_steps((PAGES / f"{name}.md").read_text())
    found = run_steps([step.command for step in expected], clone)
    assert [shaped(step) for step in found] == [shaped(step) for step in expected]


def shaped(step: Step) -> tuple[str, list[str]]:
    return step.command, shape(step.printed)
