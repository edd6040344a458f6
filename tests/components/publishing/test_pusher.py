"""Versions, the last blessed model, and pushes that nobody sees half done."""

import pytest
from tfx.components.pusher import executor as tfx_executor
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.publishing.latest_blessed import LatestBlessedModel, versions
from components.publishing.pusher import (
    FINGERPRINT_FILE,
    ROLLED_BACK,
    SERVING_FOLDER,
    STAGING_FOLDER,
    Executor,
)
from components.publishing.rollback import roll_back

NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    monkeypatch.setattr(tfx_executor.time, "time", lambda: NOW)


def save_model(folder, name):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(f"graph of {name}")
    (folder / "variables" / "variables.index").write_text(name)
    (folder / FINGERPRINT_FILE).write_text(f"fingerprint of {name}")
    return folder


def artifact(artifact_type, uri):
    made = artifact_type()
    made.uri = str(uri)
    return made


def blessing(artifact_type, blessed):
    made = artifact_type()
    made.set_int_custom_property("blessed", int(blessed))
    return made


def push(tmp_path, name, model_blessed=True, infra_blessed=True):
    """Pushes a model called `name`; returns the pushed_model artifact."""
    export = tmp_path / "exports" / name
    if not export.exists():
        save_model(export / "Format-Serving", name)
    inputs = {
        "model": [artifact(standard_artifacts.Model, export)],
        "model_blessing": [blessing(standard_artifacts.ModelBlessing, model_blessed)],
        "infra_blessing": [blessing(standard_artifacts.InfraBlessing, infra_blessed)],
    }
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed" / name)
    Executor().Do(inputs, {"pushed_model": [pushed]}, {SERVING_FOLDER: str(served(tmp_path))})
    return pushed


def served(tmp_path):
    return tmp_path / "served"


def is_pushed(pushed):
    return pushed.get_int_custom_property("pushed") == 1


def test_versions_are_numbers_in_their_order(tmp_path):
    for name in ("9", "10", ".staging", "latest", "1.5", "007"):
        (tmp_path / name).mkdir()
    assert versions(str(tmp_path)) == [9, 10]
    assert versions(str(tmp_path / "nowhere")) == []


def find_latest(tmp_path):
    model = artifact(standard_artifacts.Model, tmp_path / "latest")
    function = LatestBlessedModel.EXECUTOR_SPEC.executor_class._FUNCTION
    function(model=model, serving_folder=str(served(tmp_path)), known_version="")
    return tmp_path / "latest"


@pytest.mark.parametrize("exists", [True, False])
def test_latest_of_an_empty_folder_is_an_artifact_without_a_model(tmp_path, exists):
    if exists:
        served(tmp_path).mkdir()
    assert list(find_latest(tmp_path).iterdir()) == []


def test_latest_is_the_newest_version(tmp_path):
    for name in ("9", "10", ".staging", "zzz"):
        save_model(served(tmp_path) / name, name)
    saved = find_latest(tmp_path) / "Format-Serving"
    assert (saved / "saved_model.pb").read_text() == "graph of 10"
    assert (saved / "variables" / "variables.index").read_text() == "10"


def test_latest_is_not_a_version_without_a_model(tmp_path):
    save_model(served(tmp_path) / "9", "9")
    (served(tmp_path) / "10").mkdir()
    saved = find_latest(tmp_path) / "Format-Serving"
    assert (saved / "saved_model.pb").read_text() == "graph of 9"


def test_a_push_is_seen_only_when_it_is_whole(tmp_path, monkeypatch):
    seen = []

    def watching(copy):
        def watched(*arguments, **options):
            seen.append(versions(str(served(tmp_path))))
            copy(*arguments, **options)
            seen.append(versions(str(served(tmp_path))))

        return watched

    monkeypatch.setattr(io_utils, "copy_dir", watching(io_utils.copy_dir))
    monkeypatch.setattr(io_utils, "copy_file", watching(io_utils.copy_file))
    pushed = push(tmp_path, "first")
    assert len(seen) >= 4 and not any(seen)
    [version] = served(tmp_path).iterdir()
    assert version.name == str(NOW)
    assert sorted(p.name for p in version.rglob("*") if p.is_file()) == [
        FINGERPRINT_FILE, "saved_model.pb", "variables.index"
    ]  # fmt: skip
    assert is_pushed(pushed)
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name


@pytest.mark.parametrize("refused", ["model_blessed", "infra_blessed"])
def test_what_is_not_blessed_is_not_pushed(tmp_path, refused):
    push(tmp_path, "first")
    for name in ("second", "first"):
        assert not is_pushed(push(tmp_path, name, **{refused: False}))
    assert versions(str(served(tmp_path))) == [NOW]


def test_the_same_model_is_not_pushed_again(tmp_path):
    push(tmp_path, "first")
    again = push(tmp_path, "first")
    assert is_pushed(again)
    assert again.get_string_custom_property("pushed_destination") == str(
        served(tmp_path) / str(NOW)
    )
    assert versions(str(served(tmp_path))) == [NOW]


def test_versions_increase_within_one_second(tmp_path):
    for name in ("first", "second", "third"):
        push(tmp_path, name)
    assert versions(str(served(tmp_path))) == [NOW, NOW + 1, NOW + 2]
    newest = served(tmp_path) / str(NOW + 2)
    assert (newest / "saved_model.pb").read_text() == "graph of third"


def test_a_clock_that_went_back_does_not_hide_a_push(tmp_path, monkeypatch):
    push(tmp_path, "first")
    monkeypatch.setattr(tfx_executor.time, "time", lambda: NOW - 1_000)
    push(tmp_path, "second")
    assert versions(str(served(tmp_path))) == [NOW, NOW + 1]
    assert (served(tmp_path) / str(NOW + 1) / "saved_model.pb").read_text() == "graph of second"


def test_a_model_that_was_rolled_back_is_not_pushed_again(tmp_path):
    for name in ("first", "second"):
        push(tmp_path, name)
    [copy, _] = roll_back(str(served(tmp_path)))
    again = push(tmp_path, "second")
    assert not is_pushed(again)
    assert again.get_string_custom_property(ROLLED_BACK) == str(NOW + 1)
    assert versions(str(served(tmp_path)))[-1] == copy
    assert is_pushed(push(tmp_path, "third"))
    assert not is_pushed(push(tmp_path, "second"))


def test_a_model_that_was_replaced_and_not_rolled_back_is_pushed_again(tmp_path):
    for name in ("first", "second", "first"):
        assert is_pushed(push(tmp_path, name))
    newest = served(tmp_path) / str(NOW + 2)
    assert (newest / "saved_model.pb").read_text() == "graph of first"


def test_what_a_killed_push_left_is_cleaned(tmp_path):
    left = save_model(served(tmp_path) / STAGING_FOLDER / str(NOW), "half")
    (left / "saved_model.pb").unlink()
    push(tmp_path, "first")
    [version] = served(tmp_path).iterdir()
    assert (version / "saved_model.pb").read_text() == "graph of first"


def test_a_newest_version_without_a_fingerprint_is_another_model(tmp_path):
    save_model(served(tmp_path) / "5", "by hand")
    (served(tmp_path) / "5" / FINGERPRINT_FILE).unlink()
    push(tmp_path, "first")
    assert versions(str(served(tmp_path))) == [5, NOW]
