"""Served requests against evaluation: the same traffic, other traffic, and worse lists."""

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tiny_store import EVALUATE, make_store

from components.errors import DataError
from components.evaluation.request_arrays import read_folder
from components.ingestion.shards import split_folder
from tfx_pipeline.evaluation import CANDIDATE
from tfx_pipeline.monitor import monitor
from tfx_pipeline.results import OVERALL, read_results
from tfx_pipeline.runs import RunError, latest_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(tmp_path_factory, artifacts):
    return make_store(tmp_path_factory.mktemp("store") / "output", *artifacts, runs=1)


@pytest.fixture(scope="module")
def requests(config) -> list[bytes]:
    run = latest_run(config)
    return list(read_folder(split_folder(run.examples_uri, "test")))


@pytest.fixture(scope="module")
def answer(artifacts):
    """The lists of the model that the run evaluated."""
    _, made = artifacts
    model = tf.saved_model.load(str(Path(made["first"]).parents[1] / "stale" / "Format-Serving"))
    signature = model.signatures["serving_default"]
    return lambda examples: signature(examples=tf.constant(examples))["item_id"].numpy()


VERSION = 7  # that `make_store` pushes


def log(folder: Path, examples: list[bytes], lists, version: int = VERSION, **inputs) -> str:
    """Writes one PredictionLog and gives the pattern of all."""
    entry = prediction_log_pb2.PredictionLog()
    entry.log_metadata.model_spec.name = "shop"
    entry.log_metadata.model_spec.version.value = version
    call = entry.predict_log
    for name, value in {"examples": examples, **inputs}.items():
        call.request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    call.response.outputs["item_id"].CopyFrom(tf.make_tensor_proto(lists))
    number = len(list(folder.glob("requests-*"))) + 1
    with tf.io.TFRecordWriter(str(folder / f"requests-{number}.tfrecord")) as writer:
        writer.write(entry.SerializeToString())
    return str(folder / "requests-*.tfrecord")


def renamed(example: bytes) -> bytes:
    """The request of a user who knows other items."""
    parsed = tf.train.Example.FromString(example)
    ids = parsed.features.feature["item_id"].bytes_list
    ids.value[:] = [b"other-" + item for item in ids.value]
    return parsed.SerializeToString()


def test_the_traffic_of_the_evaluation_raises_no_alert(tmp_path, config, requests, answer):
    """What users did next is found in the log: the same recall as in the evaluation."""
    found = monitor(config, log(tmp_path, requests, answer(requests)))
    assert found.alerts == []
    assert found.requests == found.with_outcome == len(requests)
    evaluated = read_results(latest_run(config).outputs["Evaluator.evaluation"].uri)
    for name in ("recall@10", "ndcg@10"):
        [measure] = [m for m in found.measures if m.name == f"{name} of served lists"]
        expected = evaluated[CANDIDATE][OVERALL][name].value
        assert measure.served.startswith(f"{expected:.4f} [")
    divergences = [m.served for m in found.measures if "divergence" in m.served]
    assert len(divergences) == 4
    assert all(served.startswith("divergence 0.000") for served in divergences)
    written = json.loads((Path(config.run_folder) / "monitor.json").read_text())
    assert len(written["measures"]) == len(found.measures)


def test_other_items_in_requests_are_an_alert(tmp_path, config, requests, answer):
    others = [renamed(example) for example in requests]
    found = monitor(config, log(tmp_path, others, answer(requests)))
    names = {alert.name for alert in found.alerts}
    assert "items that training did not have, share" in names
    assert "item id" in names
    assert "history sessions" not in names


def test_lists_that_miss_are_an_alert(tmp_path, config, requests, answer):
    """Every user gets the next one's list."""
    lists = answer(requests)
    found = monitor(config, log(tmp_path, requests, lists[[*range(1, len(lists)), 0]]))
    assert {alert.name.partition("@")[0] for alert in found.alerts} == {"recall", "ndcg"}


def test_short_lists_are_compared_at_the_cutoff_that_they_reach(tmp_path, config, requests, answer):
    lists = answer(requests)[:, :10].copy()
    lists[:, 5:] = b""
    found = monitor(config, log(tmp_path, requests, lists, k=[5] * len(requests)))
    evaluated = read_results(latest_run(config).uri("Evaluator.evaluation"))[CANDIDATE][OVERALL]
    hits = {m.name: m.served for m in found.measures if m.name.endswith("of served lists")}
    assert list(hits) == ["recall@5 of served lists", "ndcg@5 of served lists"]
    assert hits["recall@5 of served lists"].startswith(f"{evaluated['recall@5'].value:.4f} [")


@pytest.mark.parametrize(
    "restriction",
    [{"exclude_seen": True}, {"exclude_item_id": [b"", b"some item"]}],
    ids=["seen", "items"],
)
def test_lists_with_exclusions_are_not_judged(tmp_path, config, requests, answer, restriction):
    [(name, value)] = restriction.items()
    calls = {"k": [10] * len(requests), name: [value] * len(requests)}
    found = monitor(config, log(tmp_path, requests, answer(requests), **calls))
    assert (found.requests, found.with_outcome, found.alerts) == (len(requests), 0, [])
    assert not found.are_lists_judged


def test_answers_of_other_versions_are_left_out(tmp_path, config, requests, answer):
    nothing = [[b""] * 10] * len(requests)
    log(tmp_path, requests, nothing, version=3)
    found = monitor(config, log(tmp_path, requests, answer(requests)))
    assert (found.requests, found.others) == (len(requests), len(requests))
    assert found.alerts == []


def test_the_command_prints_alerts_and_its_exit_status_says_so(
    tmp_path, config, requests, answer, run_command
):
    others = [renamed(example) for example in requests]
    pattern = log(tmp_path, others, answer(requests))
    folder = Path(config.data.log).parent
    settings = {
        "data.log": config.data.log,
        "pipeline.root": config.pipeline.root,
        "evaluate.cutoffs": list(EVALUATE.cutoffs),
    }
    options = [part for pair in settings.items() for part in ("--set", "{}={}".format(*pair))]
    command = ("monitor", "--config", "shop.toml", "--requests", pattern, *options)
    status, printed = run_command(folder, *command)
    assert status == 3, printed
    assert re.search(r"^alert: items that .*: 1\.000, at most 0\.2$", printed, re.MULTILINE)


def test_what_cannot_be_monitored_is_said(tmp_path, config, requests, answer):
    with pytest.raises(DataError, match="No file matches --requests 'nothing'"):
        monitor(config, "nothing")
    (tmp_path / "requests-1.tfrecord").write_text("longer than the header of a TFRecord")
    with pytest.raises(DataError, match="is no TFRecord of PredictionLogs"):
        monitor(config, str(tmp_path / "requests-1.tfrecord"))
    (tmp_path / "requests-1.tfrecord").unlink()
    with pytest.raises(RunError, match=r"^3 requests .* too few to compare \(0 were to other"):
        monitor(config, log(tmp_path, requests[:3], answer(requests[:3])))
