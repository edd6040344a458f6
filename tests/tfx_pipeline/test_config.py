"""The configuration: what is read, what overrides it, and what a mistake is answered with."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tfx_pipeline.config import ConfigError, load_config

ROOT = Path(__file__).parents[2]
SHOP = """
[data]
log = "clicks.csv"
columns = { user_id = "visitor" }
item_table = { path = "items.csv" }
[train]
epochs = 3
"""


@pytest.fixture
def shop(tmp_path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(SHOP)
    return path


def error_of(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda p: p.stem)
def test_the_configurations_of_the_repository_load(path):
    assert load_config(path).pipeline.name == path.stem


def test_the_file_is_read_and_names_the_pipeline(shop):
    config = load_config(shop)
    assert (config.data.columns.user_id, config.train.epochs) == ("visitor", 3)
    assert config.pipeline.name == "shop"
    assert config.serving_folder == "output/serving/shop"
    assert config.metadata_path == "output/runs/shop/metadata.db"
    assert load_config(shop, ("pipeline.name=other",)).pipeline.name == "other"


def test_a_file_whose_name_is_no_pipelines(shop):
    path = shop.rename(shop.with_name("my-shop.toml"))
    message = error_of(path)
    assert "it is the file's name unless" in message
    assert message.endswith("(received 'my-shop')")
    assert load_config(path, ("pipeline.name=my_shop",)).pipeline.name == "my_shop"


@pytest.mark.parametrize(
    ("section", "key"),
    [("", "train"), ("train", "epochs"), ("data", "log"), ("data.columns", "user_id")],
)
def test_it_is_frozen_at_every_depth(shop, section, key):
    part = load_config(shop)
    for name in filter(None, section.split(".")):
        part = getattr(part, name)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, key, getattr(part, key))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trian.epochs=3", "unknown key 'trian'; did you mean 'train'?"),
        ("train.epoch=3", "unknown key 'train.epoch'; did you mean 'epochs'?"),
        ("data.columns.user=v", "unknown key 'data.columns.user'; did you mean 'user_id'?"),
        # The section of an optional table.
        ("data.item_table.titel=t", "unknown key 'data.item_table.titel'; did you mean 'title'?"),
        ("train.zzz=3", "unknown key 'train.zzz'"),
        # A table of sections that the user names.
        (
            "kubeflow.components.Trainer.cpus=3",
            "unknown key 'kubeflow.components.Trainer.cpus'; did you mean 'cpu'?",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_name(shop, override, message):
    assert error_of(shop, override) == f"{shop}: {message}"


def test_a_missing_key_is_named(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert error_of(path) == f"{path}: 'data' is required"
    path.write_text("[data]\n")
    assert error_of(path) == f"{path}: 'data.log' is required"


@pytest.mark.parametrize(
    ("override", "key", "received"),
    [
        ("train.epochs=many", "train.epochs", "'many'"),
        ("train.epochs=0", "train.epochs", "0"),
        ("model.periods=1", "model.periods", "1"),
        ("data.log=3", "data.log", "3"),
        ("data.columns=id", "data.columns", "'id'"),
        ("evaluate.cutoffs=[10, 'x']", "evaluate.cutoffs.1", "'x'"),
        ("split.protocol=random", "split.protocol", "'random'"),
        ("serve.port=65536", "serve.port", "65536"),
        ("pipeline.name=My-Shop", "pipeline.name", "'My-Shop'"),
    ],
)
def test_a_wrong_value_is_shown_with_its_key(shop, override, key, received):
    message = error_of(shop, override)
    assert message.startswith(f"{shop}: {key}: ")
    assert message.endswith(f"(received {received})")


def test_all_mistakes_are_listed_at_once(shop):
    message = error_of(shop, "train.epochs=0", "train.seeds=1")
    assert "train.epochs: " in message
    assert "did you mean 'seed'?" in message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("evaluate.cutoffs=[20, 10]", "evaluate: cutoffs must increase. Received: [20, 10]"),
        (
            "evaluate.slices=['history_sessions*colour']",
            "evaluate.slices takes history_sessions, recent_sessions, target_popularity and "
            "crosses a*b of them. Received: 'colour'",
        ),
        (
            "data.columns.further=['target_popularity']",
            "data.columns.further may not name another slice. Received: 'target_popularity'; the "
            "others are history_sessions, recent_sessions, target_popularity",
        ),
        (
            "data.events.exposed=['view']",
            "data: events are values of a column: name it with columns.event. Received: "
            "events = {'exposed': ['view']} and no columns.event",
        ),
        (
            "data.columns.further=['event']",
            "data.columns: further columns must differ from each other and from engaged, event, "
            "further, item_id, request_timestamp, session_id, session_length, target_engaged, "
            "target_item_id, timestamp, user_id. Received: 'event'",
        ),
        (
            "serve.max_k=5",
            "serve.max_k must reach evaluate.cutoffs. Received: 5 and [10, 20]",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_shown_once(shop, override, message):
    assert error_of(shop, override) == f"{shop}: {message}"


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("train.epochs=7", lambda c: c.train.epochs, 7),
        ("model.repeat=false", lambda c: c.model.repeat, False),
        ("evaluate.cutoffs=[5, 10]", lambda c: c.evaluate.cutoffs, (5, 10)),
        ('data.log="quoted.csv"', lambda c: c.data.log, "quoted.csv"),
        ("data.log=bare/log-*.csv", lambda c: c.data.log, "bare/log-*.csv"),
        ("data.columns.event=action", lambda c: c.data.columns.event, "action"),
        # Only the first sign of equality separates.
        ("data.log=day=1.csv", lambda c: c.data.log, "day=1.csv"),
        ("data.columns={ user_id = 'u' }", lambda c: c.data.columns.user_id, "u"),
        ("split.eval_days = 3", lambda c: c.split.eval_days, 3),
    ],
)
def test_an_override_is_a_toml_value_or_bare_text(shop, override, read, value):
    assert read(load_config(shop, (override,))) == value


def test_the_last_override_of_a_key_counts_and_others_stay(shop):
    config = load_config(shop, ("train.epochs=4", "train.seed=1", "train.epochs=5"))
    assert (config.train.epochs, config.train.seed) == (5, 1)
    assert config.data.columns.user_id == "visitor"


@pytest.mark.parametrize(
    "override", ["train.epochs", "epochs=3", "=3", "train.=3", ".epochs=3", "data..log=x", ""]
)
def test_a_malformed_override_is_refused(shop, override):
    assert error_of(shop, override) == f"--set takes section.key=value. Received: {override!r}"


def test_an_override_below_a_value_is_refused(shop):
    message = error_of(shop, "train.epochs.first=3")
    assert message == "--set train.epochs.first=3: 'epochs' is a value, not a section."


@pytest.mark.parametrize("content", [b"[data\n", b"log: x\n", b"\xff\xfe"])
def test_what_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    assert error_of(path).startswith(f"{path} is not TOML: ")


def test_a_path_that_is_no_readable_file_is_refused(tmp_path):
    missing = tmp_path / "missing.toml"
    assert error_of(missing) == f"There is no configuration {missing}."
    assert error_of(tmp_path) == f"{tmp_path} cannot be read: Is a directory."
