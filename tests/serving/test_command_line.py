import signal
import socket
import subprocess
import time
from pathlib import Path

import grpc
import pytest
from peers import wait_until
from server_process import running, start, target_of
from serving_models import MODEL, half_request, publish
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server.flags import parse_flags

BASE = ["--model_base_path", "models"]
LOG_NOWHERE = (
    'logging_config { log_collector_config { type: "tfrecord" filename_prefix: "/proc/log" } }'
)


def test_defaults_are_those_of_tensorflow_serving():
    flags = parse_flags(BASE)
    assert (flags.port, flags.model_name, flags.host) == (8500, "default", "127.0.0.1")
    assert flags.file_system_poll_wait_seconds == 1
    assert flags.model_config_file_poll_wait_seconds == 0
    assert (flags.max_num_load_retries, flags.load_retry_interval_micros) == (5, 60_000_000)
    assert flags.enable_grpc_healthcheck_service is False
    assert flags.tensorflow_inter_op_parallelism == 0


def test_an_operation_has_one_thread_unless_the_flag_says_more():
    assert parse_flags(BASE).tensorflow_intra_op_parallelism == 1
    flag = "--tensorflow_intra_op_parallelism=0"
    assert parse_flags([*BASE, flag]).tensorflow_intra_op_parallelism == 0


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
        ["--port=65536"],
        ["--rest_api_port=99999"],
        ["--grpc_channel_arguments=grpc.max_connection_age_ms"],
        ["--enable_grpc_healthcheck_service=maybe"],
        ["--model_n=x"],
    ],
)
def test_flags_it_does_not_know_or_cannot_use_are_errors(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_flags([*BASE, *arguments])
    assert caught.value.code == 2
    assert arguments[0].split("=")[0] in capsys.readouterr().err


def test_the_highest_port():
    flags = parse_flags([*BASE, "--port=65535", "--rest_api_port=65535"])
    assert (flags.port, flags.rest_api_port) == (65535, 65535)


def test_flags_about_what_is_left_out_are_accepted_with_one_notice(caplog):
    ignored = ["--rest_api_port=8501", "--rest_api_timeout_in_ms=1", "--prefer_tflite_model"]
    parse_flags([*BASE, *ignored])
    [record] = caplog.records
    for flag in ignored:
        assert flag.split("=")[0] in record.getMessage()


def test_channel_arguments_are_numbers_or_text():
    text = "grpc.max_receive_message_length=-1,grpc.primary_user_agent=a=b"
    assert parse_flags([*BASE, f"--grpc_channel_arguments={text}"]).grpc_channel_arguments == (
        ("grpc.max_receive_message_length", -1),
        ("grpc.primary_user_agent", "a=b"),
    )


def test_a_model_is_needed(capsys):
    with pytest.raises(SystemExit):
        parse_flags([])
    assert "one of --model_base_path and --model_config_file is needed" in capsys.readouterr().err


def test_serves_until_a_signal(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    process = start(f"--model_name={MODEL}", f"--model_base_path={base_path}")
    try:
        with grpc.insecure_channel(target_of(process)) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(half_request(0.0), timeout=30).outputs["y"].float_val[0] == 1.0
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()


def model_config(*folders: Path, extra: str = "") -> str:
    entries = [
        f'config {{ name: "{path.name}" base_path: "{path}" model_platform: "tensorflow" {extra} }}'
        for path in folders
    ]
    return f"model_config_list {{ {' '.join(entries)} }}"


@pytest.mark.slow
def test_the_config_file_is_read_again_and_a_bad_one_ignored(half_plus, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        publish(half_plus(1), folder, 1)
    file = tmp_path / "models.config"
    file.write_text(model_config(one))
    arguments = [f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1"]
    with running(*arguments) as (target, _), grpc.insecure_channel(target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def answers(name: str) -> bool:
            try:
                return bool(stub.Predict(half_request(0.0, name=name), timeout=30).outputs)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND
                return False

        assert (answers("one"), answers("other")) == (True, False)
        useless = (model_config(one, extra=LOG_NOWHERE), model_config(one, tmp_path / "nowhere"))
        for text in ("no proto", "", *useless):
            file.write_text(text)
            time.sleep(2.5)
            assert answers("one")
        file.write_text(model_config(other))
        wait_until(lambda: answers("other"), lambda: "the new model does not answer")
        wait_until(lambda: not answers("one"), lambda: "the old model still answers")


@pytest.mark.slow
def test_a_config_file_poll_of_zero_never_reads_it_again(half_plus, tmp_path):
    publish(half_plus(1), tmp_path / "one", 1)
    file = tmp_path / "models.config"
    file.write_text(model_config(tmp_path / "one"))
    with running(f"--model_config_file={file}") as (target, _):
        file.write_text(model_config())
        time.sleep(2.5)
        with grpc.insecure_channel(target) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(half_request(0.0, name="one"), timeout=30).outputs


@pytest.mark.slow
def test_a_taken_port_a_bad_model_and_a_bad_file_end_with_status_1(half_plus, base_path):
    publish(half_plus(1), base_path, 1)
    good, bad = base_path, base_path.with_name("bad")
    (bad / "1").mkdir(parents=True)
    file = base_path.with_name("models.config")
    file.write_text("no proto")
    no_log = base_path.with_name("no_log.config")
    no_log.write_text(model_config(good, extra=LOG_NOWHERE))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = {
            (f"--port={port}", f"--model_base_path={good}"): f"127.0.0.1:{port}",
            (f"--model_base_path={bad}",): "did not become available",
            (f"--model_config_file={file}",): "Error parsing text-format",
            (f"--model_config_file={no_log}",): "ERROR serving.server: Model served has no request",
        }
        processes = [start("--max_num_load_retries=0", *arguments) for arguments in expected]
        for process, text in zip(processes, expected.values(), strict=True):
            output, errors = process.communicate(timeout=120)
            assert (process.returncode, output) == (1, ""), errors
            assert text in errors


@pytest.mark.slow
def test_a_server_that_waits_for_its_first_version_stops_too(tmp_path):
    process = start(f"--model_base_path={tmp_path}")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "")
