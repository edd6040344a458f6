"""Going back to an older version: which, under which number, and what is left alone."""

import shutil

import pytest

from components.publishing import rollback
from components.publishing.latest_blessed import versions
from components.publishing.rollback import (
    STAGING_FOLDER,
    RollbackError,
    origin,
    roll_back,
    was_rolled_back,
)

NOW = 1_700_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Versions 1, 2 and 3."""
    monkeypatch.setattr(rollback.time, "time", lambda: NOW)
    for number in (1, 2, 3):
        (tmp_path / str(number) / "variables").mkdir(parents=True)
        (tmp_path / str(number) / "saved_model.pb").write_text(f"graph {number}")
    return str(tmp_path)


def test_the_version_before_becomes_the_newest(folder, tmp_path):
    assert roll_back(folder) == (NOW, 2)
    assert versions(folder) == [1, 2, 3, NOW]
    assert (tmp_path / str(NOW) / "saved_model.pb").read_text() == "graph 2"
    assert (tmp_path / str(NOW) / "variables").is_dir()
    assert origin(folder, NOW) == 2
    assert not (tmp_path / STAGING_FOLDER).exists()


def test_again_goes_back_further_and_a_version_can_be_named(folder):
    assert roll_back(folder) == (NOW, 2)
    assert roll_back(folder) == (NOW + 1, 1)
    assert [was_rolled_back(folder, version) for version in (1, 2, 3)] == [False, True, True]
    assert roll_back(folder, 3) == (NOW + 2, 3)
    # A copy of a copy is one of what a run pushed.
    assert roll_back(folder, NOW) == (NOW + 3, 2)


def test_a_model_that_was_rolled_back_is_not_gone_back_to(folder, tmp_path):
    assert roll_back(folder) == (NOW, 2)
    pushed = tmp_path / str(NOW + 1)
    shutil.copytree(tmp_path / "3", pushed)
    assert roll_back(folder) == (NOW + 2, 2)
    of_models = {version: was_rolled_back(folder, version) for version in versions(folder)}
    assert of_models == {1: False, 2: False, 3: True, NOW: False, NOW + 1: True, NOW + 2: False}


def test_what_was_gone_forward_to_again_is_not_rolled_back(folder):
    roll_back(folder, 1)
    roll_back(folder, 2)
    of_models = {version: was_rolled_back(folder, version) for version in versions(folder)}
    assert of_models == {1: False, 2: False, 3: True, NOW: False, NOW + 1: False}
    assert roll_back(folder) == (NOW + 2, 1)


def test_a_copy_stands_for_a_version_that_was_removed(folder, tmp_path):
    copy, _ = roll_back(folder, 2)
    roll_back(folder, 3)
    shutil.rmtree(tmp_path / "2")
    assert roll_back(folder) == (copy + 2, 2)


def test_a_clock_behind_the_newest_version(folder, monkeypatch):
    monkeypatch.setattr(rollback.time, "time", lambda: 2)
    assert roll_back(folder) == (4, 2)


def test_what_cannot_be_gone_back_to(folder, tmp_path):
    with pytest.raises(RollbackError, match=r"no version 7 in .*: 1, 2, 3\.$"):
        roll_back(folder, 7)
    with pytest.raises(RollbackError, match="Version 3 has the model that serves"):
        roll_back(folder, 3)
    roll_back(folder, 1)
    with pytest.raises(RollbackError, match="no model before 1, which serves, in 1, 2, 3, "):
        roll_back(folder)
    with pytest.raises(RollbackError, match="There is no version in"):
        roll_back(str(tmp_path / "none"))
    assert versions(folder) == [1, 2, 3, NOW]


def test_what_a_killed_rollback_left_is_cleaned(folder, tmp_path):
    (tmp_path / STAGING_FOLDER).mkdir()
    (tmp_path / STAGING_FOLDER / "half").write_text("")
    copy, _ = roll_back(folder)
    assert not (tmp_path / str(copy) / "half").exists()


def test_a_copy_that_fails_leaves_the_versions_as_they_were(folder, monkeypatch):
    def fail(*_):
        raise rollback.tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(rollback.tf.io.gfile, "rename", fail)
    with pytest.raises(RollbackError, match="Version 2 cannot be copied: No space left on device"):
        roll_back(folder)
    assert versions(folder) == [1, 2, 3]
