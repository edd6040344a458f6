"""The trainer on a tiny log: its curves, the epoch it keeps, and that a seed repeats it."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_log import ITEMS
from tiny_model import history, logits, small_model, target
from tiny_transform import arguments

from model import fitting, trainer
from model.batches import TrainingData
from model.config import ModelConfig, TrainConfig
from model.fitting import fit, read_curves
from model.session_model import SessionModel, make_weights
from model.trainer import run_fn

CONFIG = TrainConfig(min_steps=1, epochs=4, patience=3, learning_rate=0.05)
USERS = history([[(0, [(1, 1)]), (1, [(2, 1)])], [(0, [(3, 1)])]])
# Two batches of unlike loss and of three and one target sessions.
BATCHES = [
    (USERS, target([[0, 1], [0]], [[1], [2], [3]], [[1], [1], [1]])),
    (USERS, target([[1], []], [[4]], [[1]])),
]
VALIDATION = (USERS, target([[2], [1]], [[4], [4]], [[1], [1]]))


def dataset(batches) -> tf.data.Dataset:
    spec = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), batches[0]
    )
    read = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    return read.apply(tf.data.experimental.assert_cardinality(len(batches)))


def untrained(counts, **options) -> SessionModel:
    tf.keras.backend.experimental.enable_tf_random_generator()
    model = small_model(counts, **options)
    make_weights(model, dataset(BATCHES))
    return model


def every_epoch(batches) -> TrainingData:
    return TrainingData(lambda epoch, shard: dataset(batches), lambda batches: batches)


def curves(folder) -> dict:
    return read_curves(str(folder))


def test_the_loss_of_an_epoch_is_the_mean_over_its_target_sessions(tmp_path):
    model = untrained([4, 3, 2, 1])
    first, second = (float(model.compute_loss(batch)) for batch in BATCHES)
    assert abs(first - second) > 0.1
    # A learning rate of almost 0: both steps see the same weights.
    config = TrainConfig(min_steps=1, epochs=1, learning_rate=1e-12)
    fit(model, config, every_epoch(BATCHES), dataset(BATCHES), str(tmp_path))
    found = curves(tmp_path)
    assert set(found) == {"loss", "seconds", "val_loss", "val_ndcg@20", "val_recall@20"}
    np.testing.assert_allclose(found["loss"], [(3 * first + second) / 4], rtol=1e-5)
    np.testing.assert_allclose(found["val_loss"], found["loss"], rtol=1e-5)


@pytest.mark.parametrize(("least", "steps"), [(1, 2), (5, 5)])
def test_a_small_log_is_read_again_until_an_epoch_has_enough_steps(tmp_path, least, steps):
    model = untrained([4, 3, 2, 1])
    config = TrainConfig(min_steps=least, epochs=2)
    fit(model, config, every_epoch(BATCHES), None, str(tmp_path))
    assert model.optimizer.iterations.numpy() == 2 * steps


@pytest.mark.parametrize(
    ("patience", "patience_steps", "waits"),
    [
        pytest.param(1, 1, 1, marks=pytest.mark.slow, id="an epoch"),
        pytest.param(1, 3, 3, marks=pytest.mark.slow, id="epochs of enough steps"),
        pytest.param(2, 1, 2, id="epochs of more than enough steps"),
        pytest.param(10, 1, None, id="all epochs"),
    ],
)
def test_training_stops_after_patience_and_the_best_epoch_is_kept(
    tmp_path, patience, patience_steps, waits
):
    """Training wants items 1 to 3, validation the last item of all: each epoch is worse."""
    # With the follow term the last items would say what comes next.
    model = untrained([1, 1, 1, 1, *[1] * 30], rank_weight=0.0, follow=False)
    train = every_epoch(BATCHES[:1])  # One step an epoch.
    config = TrainConfig(
        min_steps=1,
        epochs=9,
        patience=patience,
        patience_steps=patience_steps,
        learning_rate=0.3,
    )
    best = fit(model, config, train, dataset([VALIDATION]), str(tmp_path))
    ndcg = curves(tmp_path)["val_ndcg@20"]
    assert max(ndcg) > ndcg[-1], ndcg
    assert best == np.argmax(ndcg) + 1
    assert len(ndcg) == (config.epochs if waits is None else best + waits)
    model.reset_metrics()
    model.compute_loss(VALIDATION)
    np.testing.assert_allclose(model._ndcg.result(), max(ndcg), rtol=1e-5)


@pytest.mark.slow
def test_without_a_validation_target_training_ends_when_the_learning_rate_has_fallen(
    transformed, item_table, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(trainer, "export", lambda *_: None)
    given = arguments(
        transformed, tmp_path / "run", 2, item_table, epochs=9, decay_epochs=3, refit=True
    )
    given.eval_files = [str(transformed / "Split-train" / "*")]
    with caplog.at_level("INFO", "sessionrec.progress"):
        run_fn(given)
    assert "no user has a validation target: training for 3 epochs" in caplog.text
    assert caplog.text.count("epoch 3 of at most 3") == 1
    assert caplog.text.count("epoch 2 of at most 2") == 1  # of the refit
    assert set(curves(tmp_path / "run")) == {"loss", "seconds"}


@pytest.mark.slow
@pytest.mark.parametrize("option", [{"request_time": False}, {"repeat": False}], ids=str)
def test_each_part_can_be_left_out(tmp_path, option):
    model = untrained([4, 3, 2, 1], **option)
    before = logits(model, USERS)
    fit(model, CONFIG, every_epoch(BATCHES), dataset([VALIDATION]), str(tmp_path))
    assert np.abs(logits(model, USERS) - before).max() > 1e-3


@pytest.fixture(scope="module")
def long_training(transformed, item_table):
    """The trainer's arguments for one that writes to a folder and keeps its state in another.

    What it scores sessions against is drawn, as dropout is.
    """

    def of(output: Path, checkpoints: Path, **train):
        settings = {"epochs": 3, "patience": 3, "refit": True}
        given = arguments(transformed, output, 2, item_table, **(settings | train))
        config = ModelConfig.model_validate_json(given.custom_config["model"])
        config = config.model_copy(update={"retrieval_loss": "sampled", "sampled_negatives": 2})
        given.custom_config["model"] = config.model_dump_json()
        given.custom_config["checkpoints"] = str(checkpoints)
        given.base_model = "nothing was blessed"
        return given

    return of


@pytest.fixture(scope="module")
def whole(long_training, tmp_path_factory) -> Path:
    """Of a training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run_fn(long_training(folder, folder / "checkpoints"))
    assert not list((folder / "checkpoints").iterdir())
    return folder


@pytest.mark.slow
def test_what_is_served_is_trained_on_the_validation_sessions_too(whole):
    refit = curves(whole / "refit")
    assert set(refit) == {"loss", "seconds"}
    assert len(refit["loss"]) == TrainConfig().refit_epochs
    # From trained weights.
    assert refit["loss"][0] < curves(whole)["loss"][0]


@pytest.mark.slow
def test_another_seed_gives_another_model(long_training, whole, tmp_path, monkeypatch):
    """That the same seed gives the same is seen where a training is killed."""
    monkeypatch.setattr(trainer, "export", lambda *_: None)
    run_fn(long_training(tmp_path, tmp_path / "checkpoints", epochs=1, seed=1, refit=False))
    assert curves(tmp_path)["loss"] != curves(whole)["loss"][:1]


def saved_weights(folder: Path) -> dict[str, np.ndarray]:
    saved = tf.train.load_checkpoint(str(folder / "Format-Serving/variables/variables"))
    names = [name for name in saved.get_variable_to_shape_map() if name.startswith("weights")]
    assert len(names) > 50
    return {name: saved.get_tensor(name) for name in names}


@pytest.mark.slow
def test_a_second_training_starts_from_the_weights_of_the_first(
    transformed, item_table, whole, tmp_path, caplog, monkeypatch
):
    """All the way: tests/model/test_warm_start.py has the share that is kept."""
    monkeypatch.setattr("model.warm_start.KEPT", 1.0)
    items = tmp_path / "items.csv"
    items.write_text(ITEMS.replace("d,y", "d,new"))
    # A learning rate of almost 0: the served weights are those of the start.
    warm = arguments(
        transformed,
        tmp_path,
        2,
        item_table | {"path": str(items)},
        learning_rate=1e-12,
        epochs=1,
        seed=7,
        refit=True,
    )
    warm.base_model = str(whole / "Format-Serving")
    with caplog.at_level("INFO", "sessionrec.progress"):
        run_fn(warm)
    # Once: the refit goes on from the weights of the first training.
    assert caplog.text.count("starting from the weights of") == 1
    served = saved_weights(tmp_path)
    for name, old in saved_weights(whole).items():
        # The scalars are metrics, too, and the integers are codes.
        if old.ndim and old.dtype == np.float32:
            new = served[name]
            if old.shape != new.shape:  # the second of the brands: missing, new, x, y
                new = np.delete(new, 1, axis=0)
            np.testing.assert_allclose(new, old, atol=1e-6, err_msg=name)


class KilledError(RuntimeError):
    pass


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_model(
    long_training, whole, tmp_path, monkeypatch, caplog
):
    """Killed before an epoch's state is kept, with one epoch left, and before the export."""

    def train(name: str) -> None:
        caplog.clear()
        with caplog.at_level("INFO", "sessionrec.progress"):
            run_fn(long_training(tmp_path / name, tmp_path / "checkpoints"))

    def kill_in(epoch: str):
        def kill(text: str, *values: object) -> None:
            if epoch in text % values:
                raise KilledError

        return kill

    def kill(*_: object) -> None:
        raise KilledError

    for epoch in ("epoch 2", "epoch 3"):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            patch.setattr(fitting.PROGRESS, "info", kill_in(epoch))
            train("killed")
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(trainer, "export", kill)
        train("killed again")
    assert "going on after epoch 2" in caplog.text
    train("left alone")
    assert "going on after epoch 3" in caplog.text
    for folder in ("", "refit"):
        expected, found = (curves(made / folder) for made in (whole, tmp_path / "left alone"))
        del expected["seconds"], found["seconds"]
        assert expected == found
    served = saved_weights(tmp_path / "left alone")
    for name, expected in saved_weights(whole).items():
        np.testing.assert_array_equal(served[name], expected, name)
