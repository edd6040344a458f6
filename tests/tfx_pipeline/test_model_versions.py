"""What `sessionrec models` says of pushed versions."""

import re

import pytest
from tiny_store import make_store

from components.publishing.rollback import roll_back
from tfx_pipeline.lineage import fingerprint
from tfx_pipeline.model_versions import NOT_KNOWN, describe, model_versions
from tfx_pipeline.report import write_report
from tfx_pipeline.runs import REMOVED, RunError

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path, artifacts):
    """Version 7, pushed by the second of two runs, and 5, which no run is known of."""
    config = make_store(tmp_path, *artifacts, runs=2)
    older = tmp_path / "serving" / config.pipeline.name / "5"
    older.mkdir()
    (older / "saved_model.pb").write_text("")
    return config


def test_versions_with_their_lineage_and_metrics(config):
    newest, older = model_versions(config)
    assert (newest.number, newest.is_served, newest.origin) == (7, True, 7)
    lines = describe(newest, 10).splitlines()
    assert lines[0] == "version 7 (serves)"
    facts = dict(line.split(maxsplit=1) for line in lines[1:])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", facts["pushed"])
    assert facts["run"] == "2026-01-02T03:00:00"
    assert facts["data"].endswith(f" of {config.data.log}")
    assert facts["settings"] == fingerprint(newest.run.settings)
    assert facts["code"] == "0.1.0 (abc)"
    assert re.match(r"recall@10 0\.\d{4} \[.*\], ndcg@10 0\.\d{4} \[", facts["metrics"])
    assert describe(older, 10).splitlines()[0] == "version 5"
    assert describe(older, 10).endswith(NOT_KNOWN)


def test_what_was_removed_of_the_run_is_not_known_and_stops_no_report(tmp_path, artifacts):
    config, made = artifacts
    gone = str(tmp_path / "gone")
    removed = ("SessionExampleGen.examples", "second", "counters")
    config = make_store(tmp_path, config, {**made, **dict.fromkeys(removed, gone)}, runs=2)
    [newest] = model_versions(config)
    lines = describe(newest, 10).splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines[1:])
    assert (facts["run"], facts["code"]) == ("2026-01-02T03:00:00", "0.1.0 (abc)")
    assert facts["data"] == facts["metrics"] == REMOVED
    with pytest.raises(RunError, match="has read a log"):
        write_report(config)


@pytest.mark.parametrize("removed", ["second", "counters", "curves"])
def test_a_report_of_what_is_left(tmp_path, artifacts, removed):
    config, made = artifacts
    gone = {removed: str(tmp_path / "gone")}
    config = make_store(tmp_path, config, {**made, **gone}, runs=2)
    page = write_report(config).read_text()
    assert ("folder of it was removed" in page) == (removed == "second")


def test_a_copy_has_the_lineage_of_what_it_is_a_copy_of(config):
    roll_back(config.serving_folder)
    assert [version.origin for version in model_versions(config)] == [5, 7, 5]
    copy, original = roll_back(config.serving_folder, 7)
    assert original == 7
    newest, *rest = model_versions(config)
    assert describe(newest, 10).splitlines()[0] == f"version {copy} (serves, copy of 7)"
    assert newest.run == rest[1].run is not None
    assert not any(version.is_served for version in rest)
    assert "Version 7 serves" in write_report(config).read_text()
