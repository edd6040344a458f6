"""`sessionrec kubeflow submit` and `schedule` against a server that plays Kubeflow's API."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from tfx_pipeline.cli import app
from tfx_pipeline.command_line import FAILURE
from tfx_pipeline.kubeflow.client import TOKEN_VARIABLE

CRON = "0 30 2 * * *"


class Request(NamedTuple):
    path: str
    token: str | None
    body: dict


class FakeKubeflow(ThreadingHTTPServer):
    """Knows one experiment, and gives every run and recurring run an id."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.forbidden = False

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: FakeKubeflow

    def do_GET(self):
        self.answer({"experiments": [{"experiment_id": "e1", "display_name": "my-shop"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        self.server.requests.append(Request(path, self.headers["Authorization"], body))
        self.answer(
            {"run_id": "r1", "recurring_run_id": "rr1"}, 403 if self.server.forbidden else 200
        )

    def answer(self, content: dict, status: int = 200) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def kubeflow():
    with FakeKubeflow() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def sessionrec(package, kubeflow, capfd, monkeypatch):
    """Run a `kubeflow` command on the package; (exit code, the last line that it printed)."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)

    def run(command, *options, host=kubeflow.host, file=package):
        arguments = ("kubeflow", command, str(file), "--host", host, *options)
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, "".join([result.output, *capfd.readouterr()]).splitlines()[-1]

    return run


def test_a_run_gets_the_pipeline_and_the_parameters(sessionrec, kubeflow):
    given = ("--parameter", "epochs=3", "--parameter", "span=2026-01-31")
    options = ("--namespace", "team", "--service-account", "trainer")
    assert sessionrec("submit", *given, *options) == (0, "run: r1")
    [request] = kubeflow.requests
    assert request.path == "/apis/v2beta1/runs"
    assert request.token is None
    assert request.body["runtime_config"]["parameters"] == {"epochs": 3, "span": "2026-01-31"}
    assert request.body["service_account"] == "trainer"
    assert request.body["experiment_id"] == "e1"
    spec = request.body["pipeline_spec"]
    assert spec["pipelineInfo"]["name"] == "my-shop"
    assert spec["root"]["dag"]["tasks"]["Trainer"]["cachingOptions"]["enableCache"]


def test_the_token_comes_from_a_file_or_the_environment(
    sessionrec, kubeflow, tmp_path, monkeypatch
):
    monkeypatch.setenv(TOKEN_VARIABLE, "of-the-environment")
    sessionrec("submit")
    (tmp_path / "token").write_text("of-a-file\n")
    sessionrec("submit", "--token-file", str(tmp_path / "token"))
    assert [r.token for r in kubeflow.requests] == ["Bearer of-the-environment", "Bearer of-a-file"]


@pytest.mark.parametrize(("flag", "no_catchup"), [((), True), (("--catchup",), False)])
def test_a_schedule_reads_the_day_of_each_run(sessionrec, kubeflow, flag, no_catchup):
    assert sessionrec("schedule", "--cron", CRON, *flag) == (0, "recurring run: rr1")
    [request] = kubeflow.requests
    assert request.path == "/apis/v2beta1/recurringruns"
    assert request.body["trigger"]["cron_schedule"]["cron"] == CRON
    assert request.body["no_catchup"] is no_catchup
    assert request.body["max_concurrency"] == 1
    parameters = request.body["runtime_config"]["parameters"]
    assert parameters == {"span": "[[ScheduledTime.2006-01-02]]"}
    tasks = request.body["pipeline_spec"]["root"]["dag"]["tasks"]
    assert tasks["SessionExampleGen"]["cachingOptions"]["enableCache"]


def test_a_schedule_on_a_log_without_days_takes_nothing_from_the_cache(sessionrec, kubeflow):
    sessionrec("schedule", "--cron", CRON, "--parameter", "data_path=gs://shop/log.csv")
    [request] = kubeflow.requests
    assert request.body["runtime_config"]["parameters"] == {"data_path": "gs://shop/log.csv"}
    tasks = request.body["pipeline_spec"]["root"]["dag"]["tasks"]
    assert not any(t["cachingOptions"].get("enableCache") for t in tasks.values())


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("epoch=3", "has no parameter 'epoch'; did you mean 'epochs'?"),
        ("epochs=many", "Parameter epochs is a whole number. Received: 'many'"),
        ("epochs", "--parameter takes NAME=VALUE. Received: 'epochs'"),
    ],
)
def test_a_wrong_parameter(sessionrec, kubeflow, parameter, message):
    code, printed = sessionrec("submit", "--parameter", parameter)
    assert (code, kubeflow.requests) == (FAILURE, [])
    assert message in printed


def test_an_api_that_refuses(sessionrec, kubeflow):
    kubeflow.forbidden = True
    code, printed = sessionrec("submit")
    assert code == FAILURE
    assert printed.startswith(f"error: {kubeflow.host} answered 403 Forbidden: ")


def test_an_api_that_is_not_there(sessionrec):
    code, printed = sessionrec("submit", host="http://127.0.0.1:1")
    assert code == FAILURE
    assert printed.startswith("error: http://127.0.0.1:1 cannot be reached: ")


@pytest.mark.parametrize("content", ["no pipeline", "a: 1", "", "[1"])
def test_a_file_that_is_no_pipeline(sessionrec, tmp_path, content):
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    code, printed = sessionrec("submit", file=path)
    assert code == FAILURE
    assert printed.startswith(f"error: {path} is no compiled pipeline; `sessionrec kubeflow ")


def test_a_token_file_that_cannot_be_used(sessionrec, tmp_path):
    path = tmp_path / "token"
    assert sessionrec("submit", "--token-file", str(path)) == (
        FAILURE,
        f"error: The token file {path} cannot be read: No such file or directory.",
    )
    path.write_text("\n")
    code, printed = sessionrec("submit", "--token-file", str(path))
    assert (code, printed) == (FAILURE, f"error: The token file {path} is empty.")
