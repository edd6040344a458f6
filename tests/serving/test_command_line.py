import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from serving_models import MODEL, half_request, publish
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.flags import parse_flags

ROOT = Path(__file__).parents[2]
BASE = ["--model_base_path", "models"]


def test_defaults_are_those_of_tensorflow_serving():
    flags = parse_flags(BASE)
    assert (flags.port, flags.model_name, flags.host) == (8500, "default", "127.0.0.1")
    assert flags.file_system_poll_wait_seconds == 1
    assert flags.model_config_file_poll_wait_seconds == 0
    assert (flags.max_num_load_retries, flags.load_retry_interval_micros) == (5, 60_000_000)
    assert flags.enable_grpc_healthcheck_service is False


@pytest.mark.parametrize(
    ("arguments", "expected"), [([], True), (["=true"], True), (["=false"], False)]
)
def test_switches_may_carry_a_value(arguments, expected):
    flag = "--enable_grpc_healthcheck_service" + "".join(arguments)
    assert parse_flags([*BASE, flag]).enable_grpc_healthcheck_service is expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model_bas_path=x"],
        ["--file_system_poll_wait_seconds=-1"],
        ["--grpc_max_threads=-1"],
        ["--enable_grpc_healthcheck_service=maybe"],
        ["--model_n=x"],
    ],
)
def test_flags_it_does_not_know_or_cannot_use_are_errors(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_flags([*BASE, *arguments])
    assert caught.value.code == 2
    assert arguments[0].split("=")[0] in capsys.readouterr().err


def test_flags_about_what_is_left_out_are_accepted_with_one_notice(caplog):
    ignored = ["--rest_api_port=8501", "--rest_api_timeout_in_ms=1", "--prefer_tflite_model"]
    parse_flags([*BASE, *ignored, "--grpc_channel_arguments=grpc.max_connection_age_ms=2000"])
    [record] = caplog.records
    for flag in ignored:
        assert flag.split("=")[0] in record.getMessage()


def test_serves_until_a_signal(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    command = [sys.executable, "-m", "serving.server", "--port", "0", "--model_name", MODEL]
    process = subprocess.Popen(
        [*command, "--model_base_path", str(base_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        matched = re.fullmatch(r"ready: (127\.0\.0\.1:\d+)\n", ready)
        assert matched, ready + process.communicate()[1]
        with grpc.insecure_channel(matched[1]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(half_request(0.0), timeout=30).outputs["y"].float_val[0] == 1.0
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()


@pytest.mark.slow
def test_a_taken_port_and_a_bad_model_end_with_status_1(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    (base_path.with_name("bad") / "1").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        runs = [
            (["--port", port, "--model_base_path", str(base_path)], f"127.0.0.1:{port}"),
            (
                ["--port", "0", "--model_base_path", str(base_path.with_name("bad"))],
                "did not become available",
            ),
        ]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "serving.server", "--max_num_load_retries=0", *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for arguments, _ in runs
        ]
        for process, (_, text) in zip(processes, runs, strict=True):
            output, errors = process.communicate(timeout=60)
            assert (process.returncode, output) == (1, ""), errors
            assert text in errors


@pytest.mark.slow
def test_a_server_that_waits_for_its_first_version_stops_too(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.server", "--port=0", f"--model_base_path={tmp_path}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=15)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", None)
    assert process.returncode == 0
