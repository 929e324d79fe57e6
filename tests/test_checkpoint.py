"""A training that is stopped and goes on ends with the bits of one that was not, whatever its recipe."""

import dataclasses
import os
import signal

import numpy as np
import pytest

from cnnexp import training
from cnnexp.config import PlateauScheduleConfig
from cnnexp.errors import CheckpointError
from cnnexp.models import Regularization
from cnnexp.records import Augmentation
from cnnexp.system.signals import StopRequest, Terminated
from cnnexp.training import Checkpoint, GraphCache, SavedState, saved_state
from cnnexp.training.saved_state import read_state, write_state
from support.full_disk import small_disk
from test_recipes import MOVED, trainer, weights_of
from test_training import fit_config, stripes

TRAIN, VALIDATION = stripes(70), stripes(30, seed=1)
PLATEAU = PlateauScheduleConfig(name="plateau", factor=0.5, patience=1, minimum=1e-6)
DROPOUT = Regularization(dropout=0.3, l1=0.0, l2=0.01)
MIXED = Augmentation(flip=True, shift=0.1, zoom=0.1, mixup=0.4)

# How a training is made: the optimizer's overrides, what its trainer takes, and what differs of its settings.
RECIPES = {
    "plain": (["optimizer=adam"], {}, {}),
    "dropout, EMA, soup, augmentation": (
        ["optimizer=adamw"],
        {"ema": 0.9, "regularization": DROPOUT},
        {"soup": 3, "augmentation": MOVED, "monitor": "val/accuracy"},
    ),
    "muon, accumulated, mixed, balanced": (
        ["optimizer=muon"],
        {"micro_batch": 3, "mixed": True},
        {"augmentation": MIXED, "sampling": "balanced", "keep": "last"},
    ),
    "plateau and early stopping": (
        ["optimizer=sgd", "optimizer.momentum=0.9"],
        {},
        {"schedule": PLATEAU, "patience": 2, "learning_rate": 0.3, "steps_per_execution": 4},
    ),
}


def fitted(recipe, *, graphs, checkpoint=training.NOT_SAVED, stop_at=None, number=signal.SIGINT, validation=VALIDATION):
    """Train; with `stop_at`, send this process a signal after the graph call that makes so many more steps, or all."""
    overrides, of_trainer, settings = RECIPES[recipe]
    made = graphs.reuse(trainer(*overrides, **of_trainer))
    config = fit_config(train=TRAIN, **{"epochs": 6, "batch_size": 6, "learning_rate": 0.02, **settings})
    steps, seen = [], []

    def on_steps(done, _):
        steps.append(done)
        if stop_at is not None and done >= steps[0] - 1 + stop_at:
            os.kill(os.getpid(), number)

    history = training.fit(
        made,
        config,
        train=TRAIN,
        validation=validation,
        on_epoch=lambda values: bool(seen.append(values)),
        on_steps=on_steps,
        checkpoint=checkpoint,
    )
    return weights_of(made), history, seen, len(steps)


def without_times(history):
    epochs = tuple(dataclasses.replace(values, seconds=0.0) for values in history.epochs)
    return dataclasses.replace(history, epochs=epochs, seconds=0.0)


def asked():
    return StopRequest(lambda _: None, text="")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_stopped_training_goes_on_to_the_same_bits(recipe, tmp_path):
    graphs = GraphCache()
    weights, history, seen, _ = fitted(recipe, graphs=graphs)
    for stop_at in (1, history.steps // 2, history.steps):
        folder = tmp_path / str(stop_at)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            fitted(recipe, graphs=graphs, checkpoint=Checkpoint(folder, stop=asked()), stop_at=stop_at)
        resumed, of_resumed, again, _ = fitted(recipe, graphs=graphs, checkpoint=Checkpoint(folder))
        assert without_times(of_resumed) == without_times(history)
        assert [one.val_loss for one in again] == [one.val_loss for one in seen], "every epoch is reported again"
        for one, other in zip(resumed, weights, strict=True):
            np.testing.assert_array_equal(one, other)


class Interrupting:
    """Validation images, at the second reading of which, after the first epoch, this process gets Ctrl-C."""

    def __init__(self, examples):
        self.rows, self.labels = examples.rows, examples.labels
        self._images = examples.images
        self._read = 0

    def __len__(self):
        return len(self.rows)

    @property
    def images(self):
        self._read += 1
        if self._read == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return self._images


@pytest.mark.parametrize("recipe", ["plain", "dropout, EMA, soup, augmentation"])
def test_a_training_is_stopped_within_its_validation(recipe, tmp_path):
    graphs = GraphCache()
    weights, history, *_ = fitted(recipe, graphs=graphs)
    with pytest.raises(KeyboardInterrupt):
        fitted(
            recipe, graphs=graphs, checkpoint=Checkpoint(tmp_path, stop=asked()), validation=Interrupting(VALIDATION)
        )
    saved = Checkpoint(tmp_path).load("rest")
    assert saved.numbers["epochs"] == []
    assert saved.numbers["step"] == history.steps / 6, "all of the first epoch"
    resumed, of_resumed, *_ = fitted(recipe, graphs=graphs, checkpoint=Checkpoint(tmp_path))
    assert without_times(of_resumed) == without_times(history)
    assert all(np.array_equal(one, other) for one, other in zip(resumed, weights, strict=True))


def test_a_training_is_stopped_again_and_again(tmp_path):
    graphs = GraphCache()
    weights, history, *_ = fitted("plain", graphs=graphs)
    for _ in range(5):
        with pytest.raises(Terminated):
            fitted(
                "plain",
                graphs=graphs,
                checkpoint=Checkpoint(tmp_path, stop=asked()),
                stop_at=9,
                number=signal.SIGTERM,
            )
    resumed, of_resumed, *_ = fitted("plain", graphs=graphs, checkpoint=Checkpoint(tmp_path))
    assert without_times(of_resumed) == without_times(history)
    assert all(np.array_equal(one, other) for one, other in zip(resumed, weights, strict=True))


def test_the_best_epoch_so_far_is_judged_where_training_does_not_go_on(tmp_path):
    graphs = GraphCache()
    with pytest.raises(KeyboardInterrupt):
        fitted("plain", graphs=graphs, checkpoint=Checkpoint(tmp_path, stop=asked()), stop_at=30)
    _, history, seen, calls = fitted("plain", graphs=graphs, checkpoint=Checkpoint(tmp_path, finish=True))
    assert calls == 0
    assert 0 < len(history.epochs) < 6
    assert history.epochs == tuple(seen)
    assert history.stopped_early


def test_nothing_is_judged_before_an_epoch_has_ended(tmp_path):
    graphs = GraphCache()
    with pytest.raises(KeyboardInterrupt):
        fitted("plain", graphs=graphs, checkpoint=Checkpoint(tmp_path, stop=asked()), stop_at=1)
    with pytest.raises(CheckpointError, match="none has ended yet"):
        fitted("plain", graphs=graphs, checkpoint=Checkpoint(tmp_path, finish=True))


def test_the_state_of_another_optimizer_is_refused(tmp_path):
    graphs = GraphCache()
    with pytest.raises(KeyboardInterrupt):
        fitted("plain", graphs=graphs, checkpoint=Checkpoint(tmp_path, stop=asked()), stop_at=2)
    with pytest.raises(CheckpointError, match="other variables"):
        fitted("plateau and early stopping", graphs=graphs, checkpoint=Checkpoint(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of another version"])
def test_a_damaged_state_is_none(damage, tmp_path):
    file = tmp_path / "rest.state"
    write_state(file, SavedState({"step": 0.1}, [np.arange(3, dtype=np.float32), np.zeros((2, 0))]))
    content = file.read_bytes()
    file.write_bytes(
        {
            "cut": content[:-1],
            "flipped": content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
            "empty": b"",
            "of another version": content.replace(b"state 1", b"state 0"),
        }[damage]
    )
    assert read_state(file) is None


def test_a_state_is_read_as_it_was_written(tmp_path):
    import ml_dtypes

    arrays = [np.array([1.5, -0.0, np.nan], np.float32), np.array(7), np.ones((2, 3), ml_dtypes.bfloat16)[:, ::2]]
    write_state(tmp_path / "a", SavedState({"loss": float("inf"), "tiny": 5e-324}, arrays))
    found = read_state(tmp_path / "a")
    assert found is not None
    assert found.numbers == {"loss": float("inf"), "tiny": 5e-324}
    for one, other in zip(found.arrays, arrays, strict=True):
        assert one.shape == other.shape
        assert one.tobytes() == np.ascontiguousarray(other).tobytes()


def test_a_state_that_cannot_be_written_is_said_once_and_training_goes_on(tmp_path):
    warnings = []
    checkpoint = Checkpoint(tmp_path / "gone", every=0.0, warn=warnings.append)
    for _ in range(2):
        checkpoint.save("rest", lambda: SavedState({}, []))
    (said,) = warnings
    assert "cannot be saved: No such file or directory. The training goes on" in said


def test_a_full_disk_loses_no_state(tmp_path):
    def state(value):
        return lambda: SavedState({"step": value}, [np.full(100_000, value)])

    warnings = []
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        checkpoint = Checkpoint(disk.folder, warn=warnings.append)
        checkpoint.save("rest", state(1))
        disk.fill()
        checkpoint.save("rest", state(2))
        checkpoint.save("rest", state(3))
        assert len(warnings) == 1
        assert "cannot be saved: No space left on device" in warnings[0]
        saved = checkpoint.load("rest")
        assert (saved.numbers["step"], saved.arrays[0][0]) == (1, 1)
        assert sorted(one.name for one in disk.folder.iterdir()) == ["filler", "rest.state"], "no part of another one"
        disk.free()
        checkpoint.save("rest", state(4))
        assert checkpoint.load("rest").numbers["step"] == 4


def test_a_damaged_state_is_said(tmp_path):
    (tmp_path / "rest.state").write_bytes(b"half")
    warnings = []
    checkpoint = Checkpoint(tmp_path, warn=warnings.append)
    assert checkpoint.load("head") is None
    assert not warnings
    assert checkpoint.load("rest") is None
    assert "is damaged" in warnings[0]


def test_saving_takes_no_more_than_its_share_of_the_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(saved_state, "sync_file", lambda _: now.__setitem__(0, now[0] + 0.5))  # a slow disk
    checkpoint, written = Checkpoint(tmp_path), []
    for _ in range(1000):
        now[0] += 1.0  # an epoch
        checkpoint.save_if_due(
            "rest", lambda: written.append(now[0]) or SavedState({}, []), lambda: 0, epoch_ended=True
        )
        assert checkpoint.spent <= 0.02 * now[0] or len(written) == 1
    assert 30 <= len(written) <= 41


def test_within_an_epoch_a_state_is_saved_each_minute(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path)
    for _ in range(300):
        now[0] += 1.0
        checkpoint.save_if_due(
            "rest", lambda: written.append(now[0]) or SavedState({}, []), lambda: 0, epoch_ended=False
        )
    assert written == [60.0, 120.0, 180.0, 240.0, 300.0]


def test_a_second_ctrl_c_stops_at_once():
    said = []

    def interrupt_twice():
        with StopRequest(said.append, text="Stopping") as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.requested is not None
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert said == ["Stopping"]


def test_what_was_asked_for_at_the_end_of_the_block_is_raised_then():
    with pytest.raises(Terminated), StopRequest(lambda _: None, text=""):
        os.kill(os.getpid(), signal.SIGTERM)
