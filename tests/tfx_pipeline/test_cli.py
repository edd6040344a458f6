"""The command line's mistakes: one clear line, an exit code, no traceback."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from tfx_pipeline.cli import app
from tfx_pipeline.command_line import FAILURE, USAGE_ERROR

COMMANDS = [
    *(("run",), ("serve",), ("recommend",), ("models",), ("rollback",), ("report",)),
    ("benchmark", "quality"),
]
SHOP = '[data]\nlog = "clicks.csv"\n'


class Answer(NamedTuple):
    """What a command ended with: its exit code and everything it printed, also to stderr."""

    code: int
    printed: str
    on_stderr: str

    @property
    def error(self) -> str:
        """The one line on stderr that says what is wrong."""
        assert "Traceback" not in self.printed
        [error] = [line for line in self.on_stderr.splitlines() if line.startswith("error: ")]
        return error.removeprefix("error: ")


@pytest.fixture
def sessionrec(tmp_path, monkeypatch, capfd):
    """Run a command in a folder with the configuration shop.toml and nothing else."""
    (tmp_path / "shop.toml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Answer:
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        # Beside the streams that the runner captures, commands write to the process's own.
        out, err = capfd.readouterr()
        return Answer(result.exit_code, result.output + out + err, result.stderr + err)

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(sessionrec, command):
    code, printed, _ = sessionrec(*command, "--help")
    assert code == 0
    assert f"Usage: root {' '.join(command)}" in printed
    assert "--config" in printed
    assert "--set" in printed


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_configuration(sessionrec, command):
    answer = sessionrec(*command, "--config", "shp.toml")
    assert answer.code == USAGE_ERROR
    assert answer.error == "There is no configuration shp.toml."


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_typing_error_in_the_configuration(sessionrec, command):
    answer = sessionrec(*command, "--config", "shop.toml", "--set", "train.epoch=3")
    assert answer.code == USAGE_ERROR
    assert answer.error == "shop.toml: unknown key 'train.epoch'; did you mean 'epochs'?"
    assert not Path("output").exists()


def test_a_folder_as_the_configuration(sessionrec):
    answer = sessionrec("run", "--config", ".")
    assert (answer.code, answer.error) == (USAGE_ERROR, ". cannot be read: Is a directory.")


@pytest.mark.parametrize(
    "arguments", [("rnu",), ("run", "--confg=x"), ("recommend", "--k=0"), ("serve", "--port=x")]
)
def test_an_unknown_command_or_a_wrong_option(sessionrec, arguments):
    code, printed, _ = sessionrec(*arguments)
    assert code == USAGE_ERROR
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["serve", "recommend"])
def test_a_port_that_there_is_not(sessionrec, command):
    code, printed, _ = sessionrec(command, "--config", "shop.toml", "--port", "65536")
    assert code == USAGE_ERROR
    assert "--port" in printed
    assert "65535" in printed


def test_serve_without_a_model(sessionrec):
    answer = sessionrec("serve", "--config", "shop.toml")
    assert answer.code == FAILURE
    assert answer.error == (
        "There is no model in output/serving/shop; `sessionrec run` pushes one."
    )


def test_models_and_rollback_without_a_model(sessionrec):
    answer = sessionrec("models", "--config", "shop.toml")
    assert answer.code == 0
    assert "There is no model in output/serving/shop" in answer.printed
    answer = sessionrec("rollback", "--config", "shop.toml")
    assert (answer.code, answer.error) == (FAILURE, "There is no version in output/serving/shop.")


def test_a_version_without_a_model_is_listed_as_such(sessionrec):
    versions = Path("output/serving/shop")
    for number in (5, 9):
        (versions / f"{number}").mkdir(parents=True)
    (versions / "5/saved_model.pb").write_text("")
    answer = sessionrec("models", "--config", "shop.toml")
    assert answer.code == 0
    newest, pushed, _, older, *_ = answer.printed.splitlines()
    assert (newest, older) == ("version 9", "version 5")
    assert pushed == "  pushed    not known: the folder has no saved_model.pb"


def test_a_folder_as_the_item_table(sessionrec):
    Path("clicks.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    Path("items.csv").mkdir()
    table = 'data.item_table={path="items.csv"}'
    answer = sessionrec("run", "--config", "shop.toml", "--set", table)
    assert answer.code == FAILURE
    path = Path("items.csv").absolute()
    assert answer.error == f"The item table {path} cannot be read: {path}; Is a directory."


def test_artifacts_that_the_metadata_store_does_not_know(sessionrec):
    """As when the store was moved away: a new one would number its executions from 1 again."""
    Path("clicks.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    artifacts = Path("output/runs/shop/artifacts").absolute()
    (artifacts / "SessionExampleGen/examples/3").mkdir(parents=True)
    answer = sessionrec("run", "--config", "shop.toml")
    assert answer.code == FAILURE
    assert answer.error == (
        f"{artifacts} holds artifacts of execution 3, which the metadata store does not know: its "
        "newest is 0, and new artifacts would get among them. Move the folder away, or use the "
        "store that they are of."
    )


def test_a_loader_that_raises(sessionrec, caplog):
    answer = sessionrec("run", "--config", "shop.toml", "--set", "data.loader=json.loads")
    assert answer.code == FAILURE
    assert answer.error == (
        "data.loader 'json.loads' failed to write clicks.csv: "
        "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    )
    assert "Traceback" in caplog.text


def test_a_title_that_the_item_table_lacks_is_told_before_anything_runs(sessionrec):
    Path("clicks.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    Path("items.csv").write_text("item_id,brand\ni,x\n")
    table = 'data.item_table={path="items.csv", title="name"}'
    answer = sessionrec("run", "--config", "shop.toml", "--set", table)
    assert answer.code == FAILURE
    assert "items.csv has no column 'name'; it has ['item_id', 'brand']" in answer.error


@pytest.mark.parametrize("flags", [(), ("--user", "u1", "--history", "history.json")])
def test_recommend_needs_a_user_or_a_history(sessionrec, flags):
    answer = sessionrec("recommend", "--config", "shop.toml", *flags)
    assert (answer.code, answer.error) == (USAGE_ERROR, "Give either --user or --history.")


@pytest.mark.parametrize(
    "command", [("recommend", "--user", "u1"), ("report",), ("monitor", "--requests", "x")]
)
def test_what_needs_a_run_before_the_first_run(sessionrec, command):
    answer = sessionrec(*command, "--config", "shop.toml")
    assert answer.code == FAILURE
    assert answer.error == (
        "There is no metadata store output/runs/shop/metadata.db; `sessionrec run` makes it."
    )


@pytest.mark.parametrize(
    "content",
    ["not JSON", '{"item_id": "i1"}', "3", '["i1"]', '[["i1"]]', '[[{"item_id": "i1"}]]'],
)
def test_a_history_of_another_form(sessionrec, content):
    Path("history.json").write_text(content)
    answer = sessionrec("recommend", "--config", "shop.toml", "--history", "history.json")
    assert answer.code == FAILURE
    assert answer.error.startswith("history.json must be a JSON list of sessions")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("item_id", 1),
        ("timestamp", "noon"),
        *(("engaged", value) for value in (None, "no", 7)),
    ],
)
def test_a_history_with_a_wrong_value(sessionrec, key, value):
    event = {"item_id": "i1", "timestamp": 1, "engaged": True, key: value}
    Path("history.json").write_text(json.dumps([[event]]))
    answer = sessionrec("recommend", "--config", "shop.toml", "--history", "history.json")
    assert answer.code == FAILURE
    assert answer.error.startswith(f"{key} must be ")
    assert answer.error.endswith(f"Received: {value!r}")


def test_a_history_that_does_not_exist(sessionrec):
    answer = sessionrec("recommend", "--config", "shop.toml", "--history", "history.json")
    assert answer.code == FAILURE
    assert "history.json" in answer.error


def test_recommend_without_a_server(sessionrec):
    history = [[{"item_id": "i1", "timestamp": 1, "engaged": True}]]
    Path("history.json").write_text(json.dumps(history))
    # Nothing listens on port 1.
    flags = ("--history", "history.json", "--port", "1")
    answer = sessionrec("recommend", "--config", "shop.toml", *flags)
    assert answer.code == FAILURE
    assert "127.0.0.1:1" in answer.error


def test_run_without_a_log(sessionrec):
    answer = sessionrec("run", "--config", "shop.toml")
    assert answer.code == FAILURE
    assert "clicks.csv" in answer.error


@pytest.mark.parametrize(
    "command", [("run",), ("recommend", "--user=u1"), ("report",)], ids=" ".join
)
def test_an_output_folder_that_cannot_be_written(sessionrec, command):
    Path("output").write_text("a file where the folder should be")
    answer = sessionrec(*command, "--config", "shop.toml")
    assert answer.code == FAILURE
    assert answer.error == "output/runs/shop cannot be written: Not a directory."
