"""Greedy soup of the best epochs: which are taken in, what is validated and saved, and what a run says of it."""

import numpy as np
import pytest

from cnnexp import training
from cnnexp.compose import columns, compose_config
from cnnexp.errors import ConfigError
from cnnexp.records import DatasetInfo, History
from cnnexp.runs import experiment
from cnnexp.sweeps.run_hash import hash_run, hash_sweep
from cnnexp.training import greedy_soup
from test_recipes import trainer
from test_training import fit_config, stripes


def weights(*values):
    return [[np.array([value], np.float32)] for value in values]


def test_what_lowers_the_score_is_left_out_and_the_rest_is_averaged():
    # towards 3: the mean of 1 and 4 is 2.5, with 9 it would be 4.67, with 2.5 it stays 2.5
    soup = greedy_soup(weights(4, 1, 9, 2.5), lambda tried: -abs(float(tried[0][0]) - 3))
    assert soup.members == (0, 1, 3)
    assert soup.weights[0].tolist() == [2.5]
    assert soup.score == -0.5
    assert soup.tried == pytest.approx((-1, -0.5, -abs(14 / 3 - 3), -0.5))


def test_one_alone_stays_and_so_it_does_where_every_mean_is_no_number():
    assert greedy_soup(weights(4), lambda _: 0.0).members == (0,)
    assert greedy_soup(weights(4, 1), lambda tried: 1.0 if tried[0][0] == 4 else float("nan")).members == (0,)


def fitted(*, monitor="val/loss", **changes):
    train, validation = stripes(48), stripes(30, seed=1)
    made = trainer("optimizer=sgd")
    config = fit_config(train=train, epochs=8, learning_rate=2.0, monitor=monitor, **changes)
    weights = []

    def on_epoch(values):
        weights.append(made.network.model.get_weights())
        return False

    history = training.fit(
        made, config, train=train, validation=validation, on_epoch=on_epoch, on_steps=lambda *_: None
    )
    return made.network, history, weights, validation


@pytest.mark.parametrize("monitor", ["val/loss", "val/accuracy"])
def test_a_training_ends_with_the_mean_of_its_best_epochs(monitor):
    network, history, of_epochs, validation = fitted(soup=4, monitor=monitor)
    score = [-one.val_loss if monitor == "val/loss" else one.val_accuracy for one in history.epochs]
    ranked = np.argsort(-np.array(score), kind="stable")[:4]
    assert history.best_epoch == ranked[0] + 1 == history.soup[0]
    assert len(history.soup) > 1
    assert {epoch - 1 for epoch in history.soup} <= set(ranked.tolist())
    means = [
        np.mean([of_epochs[epoch - 1][place] for epoch in history.soup], axis=0) for place in range(len(of_epochs[0]))
    ]
    for got, right in zip(network.model.get_weights(), means, strict=True):
        np.testing.assert_allclose(got, right, atol=1e-6)
    loss, accuracy = training.loss_and_accuracy(network.logits(validation.images, validation.rows), validation.labels)
    assert (-loss if monitor == "val/loss" else accuracy) >= max(score) - 1e-6


def test_off_it_changes_nothing():
    (one, history, *_), (other, again, *_) = fitted(soup=1), fitted()
    assert (history.soup, history.best_epoch) == ((), again.best_epoch)
    for mine, theirs in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_epochs_of_a_soup_are_counted_within_the_last_stage():
    _, history, *_ = fitted(soup=1)
    whole = History(history.epochs, 5, False, 18, 1.0, head_epochs=2, soup=(5, 3))
    assert whole.last_stage.soup == (3, 1)


def test_a_run_saves_it_and_says_so():
    words = ["training=smoke", "training.epochs=5", "training.soup=3", "model=small", "data.limit=300"]
    config = compose_config([*words, "optimizer.learning_rate=0.01", "regularization=none"])
    ignored = {"on_start": lambda _: None, "on_epoch": lambda _: False, "on_progress": lambda *_: None}
    run = experiment.run(config, name="soup", **ignored)
    (note,) = [note for note in run.notes if "weights are" in note]
    epochs = run.history.soup
    assert run.metrics["best/soup_epochs"] == len(epochs)
    assert run.metrics["best/val_loss"] <= run.history.epochs[run.history.best_epoch - 1].val_loss + 1e-6
    named = ", ".join(map(str, sorted(epochs))) if len(epochs) > 1 else f"{epochs[0]} alone"
    assert f"epoch{'s' if len(epochs) > 1 else ''} {named}" in note


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.soup=0"], "training.soup must be at least 1"),
        (["training.soup=3", "training.keep=last"], "remove one of the two"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose_config(overrides)


def test_it_counts_in_hashes_only_when_it_is_on():
    facts = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))
    plain, off, on = (compose_config(words) for words in ([], ["training.soup=1"], ["training.soup=5"]))
    assert hash_run(plain, facts) == hash_run(off, facts) != hash_run(on, facts)
    spec = {"experiment": "e", "settings": "", "varied": {}}
    assert hash_sweep(["training.soup=1", "model=small"], **spec) == hash_sweep(["model=small"], **spec)
    assert "training.soup" in columns(on, ["training.soup=5"])
    assert "training.soup" not in columns(plain, [])
