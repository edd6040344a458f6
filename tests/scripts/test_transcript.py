"""The pages of docs/transcripts: how they are read, run and compared."""

import pytest

from scripts.transcript import SHOWN_FOLDER, read_steps, run_steps, shape

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
