import dataclasses

import numpy as np
import pytest

from cnnexp import training
from cnnexp.config import PlainModelConfig, PlateauScheduleConfig, ScheduleConfig, SgdConfig
from cnnexp.datasets import Split
from cnnexp.errors import NonFiniteLossError
from cnnexp.models import Regularization, build_model
from cnnexp.records import Augmentation, Scaling
from cnnexp.training import GraphCache, Network, configure_tensorflow
from cnnexp.training.batches import batches

CONSTANT = ScheduleConfig(name="constant")
STILL = Augmentation(flip=False, shift=0.0, zoom=0.0)


def stripes(count, seed=0):
    """Images of two classes that differ in the direction of their stripes, plus noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    pattern = np.where(np.arange(8) % 2, 200, 50)
    images = np.where(labels[:, None, None] == 1, pattern[None, None, :], pattern[None, :, None])
    images = np.clip(images + random.normal(0, 40, (count, 8, 8)), 0, 255).astype(np.uint8)[..., None]
    return Split(images, np.arange(count), labels.astype(np.int64), tuple(f"index-{i}" for i in range(count)))


def network(regularization=None):
    return build_model(
        PlainModelConfig(name="small", width=4, depth=1, dense=8),
        input_shape=(8, 8, 1),
        num_classes=2,
        scaling=Scaling("unit", (1 / 255,), (0.0,)),
        regularization=regularization or Regularization(dropout=0.0, l1=0.0, l2=0.0),
        precision="float32",
    )


def fit_config(*, train, epochs=3, batch_size=16, learning_rate=0.1, schedule=CONSTANT, **changes):
    settings = {
        "batch_size": batch_size,
        "sampling": "shuffled",
        "learning_rates": training.learning_rates(
            schedule,
            learning_rate=learning_rate,
            epochs=epochs,
            steps_per_epoch=-(-len(train) // batch_size),
        ),
        "set_learning_rate": learning_rate,
        "plateau": training.Plateau(schedule, learning_rate=learning_rate),
        "patience": None,
        "monitor": "val/loss",
        "keep": "best",
        "augmentation": STILL,
        "seed": 0,
    }
    return training.FitConfig(**(settings | changes))


def sgd(learning_rate=0.1, momentum=0.0):
    config = SgdConfig(
        name="sgd",
        learning_rate=learning_rate,
        batch_scaling="none",
        reference_batch_size=32,
        clip_norm=None,
        layer_decay=1.0,
        momentum=momentum,
        nesterov=False,
    )
    return training.build_optimizer(config, learning_rate=learning_rate)


def loss(class_weights=(1, 1), label_smoothing=0.0):
    return training.Loss(class_weights=np.array(class_weights, np.float32), label_smoothing=label_smoothing)


def fit(
    made,
    *,
    train,
    validation=None,
    model=None,
    seen=None,
    steps=None,
    seed=0,
    wanted=None,
    graphs=None,
    prune_at=None,
):
    def on_epoch(values):
        if seen is not None:
            seen.append(values)
        return values.epoch == prune_at

    configure_tensorflow(threads=1, seed=seed)
    trainer = training.Trainer(Network(model() if model else network()), sgd(), wanted or loss())
    trainer = graphs.reuse(trainer) if graphs else trainer
    history = training.fit(
        trainer,
        made,
        train=train,
        validation=validation or stripes(50, seed=1),
        on_epoch=on_epoch,
        on_steps=lambda done, total: steps.append((done, total)) if steps is not None else None,
    )
    return trainer.network, history


def read(train, made):
    return batches(
        train,
        batch_size=made.batch_size,
        epochs=len(made.learning_rates),
        sampling=made.sampling,
        augmentation=made.augmentation,
        seed=made.seed,
    )


def test_it_learns_and_reports_its_epochs():
    train, seen, steps = stripes(200), [], []
    _, history = fit(fit_config(train=train, epochs=8), train=train, seen=seen, steps=steps)
    assert list(history.epochs) == seen
    assert [values.epoch for values in seen] == list(range(1, 9))
    assert history.steps == 8 * 13
    assert steps[-1] == (104, 104)
    assert seen[-1].train_loss < seen[0].train_loss
    assert seen[-1].val_accuracy > 0.9
    assert seen[0].learning_rate == pytest.approx(0.1)
    assert not history.stopped_early


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    train = stripes(100)

    def losses(seed):
        made = fit_config(train=train, seed=seed, augmentation=Augmentation(flip=True, shift=0.1, zoom=0.1))
        dropout = Regularization(dropout=0.5, l1=0.0, l2=0.001)
        _, history = fit(made, train=train, model=lambda: network(dropout), seed=seed)
        return [(values.train_loss, values.val_loss) for values in history.epochs]

    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_a_cached_graph_gives_the_numbers_of_a_new_one():
    train, images = stripes(100), stripes(20, seed=2)

    def trained(seed, graphs=None, learning_rate=0.1, batch_size=16, dropout=0.5):
        made = fit_config(train=train, seed=seed, learning_rate=learning_rate, batch_size=batch_size)
        regularization = Regularization(dropout=dropout, l1=0.0, l2=0.001)
        network_, history = fit(made, train=train, model=lambda: network(regularization), seed=seed, graphs=graphs)
        losses = [(values.train_loss, values.val_loss) for values in history.epochs]
        return losses, network_.logits(images.images, images.rows).tolist()

    settings = [
        {"seed": 0},
        {"seed": 1, "learning_rate": 0.3},
        {"seed": 0, "batch_size": 32},
        {"seed": 2, "dropout": 0.1},
        {"seed": 0},
    ]
    graphs = GraphCache()
    assert [trained(**one, graphs=graphs) for one in settings] == [trained(**one) for one in settings]


def test_graphs_are_reused_for_the_same_architecture_and_optimizer_only():
    graphs = GraphCache()

    def trainer(*, dropout=0.0, learning_rate=0.1, momentum=0.0, **of_loss):
        made = network(Regularization(dropout=dropout, l1=0.0, l2=0.0))
        return training.Trainer(Network(made), sgd(learning_rate, momentum), loss(**of_loss))

    first = trainer()
    assert graphs.reuse(first) is first
    assert graphs.reuse(trainer(learning_rate=0.5)) is first
    for other in (
        trainer(dropout=0.5),
        trainer(dropout=0.4),
        trainer(momentum=0.9),
        trainer(label_smoothing=0.1),
        trainer(class_weights=(1, 2)),
    ):
        assert graphs.reuse(other) is other
    assert graphs.reuse(trainer()) is first
    made = network()
    for frozen in ({"trained": made.trainable_variables[-2:]}, {"backbone_training": False}):
        other = training.Trainer(Network(made), sgd(), loss(), **frozen)
        assert graphs.reuse(other) is other


def test_the_numbers_do_not_depend_on_the_steps_per_execution():
    train = stripes(100)

    def losses(steps_per_execution):
        _, history = fit(fit_config(train=train, steps_per_execution=steps_per_execution), train=train)
        return [values.val_loss for values in history.epochs]

    assert losses(3) == losses(64)


def test_the_order_differs_from_epoch_to_epoch_and_every_image_has_its_turn():
    train = stripes(40)
    once, again = (
        np.concatenate([images.numpy() for images, _ in read(train, fit_config(train=train, epochs=2))])
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)
    first, second = np.split(once, 2)
    assert not np.array_equal(first, second)
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(epoch.sum(axis=(1, 2, 3))), np.sort(train.images.sum(axis=(1, 2, 3))))


def test_one_step_of_sgd_is_the_gradient_step_written_by_hand():
    import keras

    train = stripes(16)
    made = fit_config(train=train, epochs=1, learning_rate=0.05)
    wanted = loss(class_weights=(0.5, 2.0), label_smoothing=0.2)
    configure_tensorflow(threads=1, seed=3)
    expected = network()
    start = expected.get_weights()
    images, labels = train.images, train.labels
    import tensorflow as tf

    with tf.GradientTape() as tape:
        targets = tf.one_hot(labels, 2) * 0.8 + 0.1
        losses = keras.losses.categorical_crossentropy(targets, expected(images))
        mean = tf.reduce_mean(losses * tf.gather([0.5, 2.0], labels))
    gradients = tape.gradient(mean, expected.trainable_variables)
    by_hand = [w - 0.05 * g.numpy() for w, g in zip(start, gradients, strict=True)]

    def same_start():
        model = network()
        model.set_weights(start)
        return model

    trained, _ = fit(made, train=train, model=same_start, wanted=wanted)
    for got, right in zip(trained.model.get_weights(), by_hand, strict=True):
        np.testing.assert_allclose(got, right, atol=1e-5)


def test_early_stopping_restores_the_best_weights():
    train = stripes(60)
    shuffled = dataclasses.replace(train, labels=np.random.default_rng(0).permutation(train.labels))
    validation = stripes(50, seed=1)
    made = fit_config(train=shuffled, epochs=60, patience=3, learning_rate=0.3)
    trained, history = fit(made, train=shuffled, validation=validation)
    assert history.stopped_early
    assert len(history.epochs) == history.best_epoch + 3
    best = min(history.epochs, key=lambda values: values.val_loss)
    assert best.epoch == history.best_epoch
    logits = trained.logits(validation.images, validation.rows)
    loss, accuracy = training.loss_and_accuracy(logits, validation.labels)
    assert (loss, accuracy) == pytest.approx((best.val_loss, best.val_accuracy), rel=1e-5)


def test_the_last_weights_are_kept_where_that_is_asked_for():
    train = stripes(60)
    shuffled = dataclasses.replace(train, labels=np.random.default_rng(0).permutation(train.labels))
    validation = stripes(50, seed=1)
    trained, history = fit(
        fit_config(train=shuffled, epochs=60, patience=3, learning_rate=0.3, keep="last"),
        train=shuffled,
        validation=validation,
    )
    assert history.best_epoch == len(history.epochs) - 3
    logits = trained.logits(validation.images, validation.rows)
    loss, _ = training.loss_and_accuracy(logits, validation.labels)
    assert loss == pytest.approx(history.epochs[-1].val_loss, rel=1e-5)


@pytest.mark.parametrize(("prune_at", "epochs", "pruned"), [(2, 2, True), (3, 3, False)])
def test_a_run_is_pruned_when_asked_but_not_after_its_last_epoch(prune_at, epochs, pruned):
    train = stripes(60)
    _, history = fit(fit_config(train=train, epochs=3), train=train, prune_at=prune_at)
    assert (len(history.epochs), history.pruned, history.stopped_early) == (epochs, pruned, pruned)


def test_the_monitor_decides_what_is_best():
    train = stripes(60)
    _, history = fit(fit_config(train=train, epochs=12, monitor="val/accuracy", learning_rate=0.3), train=train)
    best = max(values.val_accuracy for values in history.epochs)
    first = next(values.epoch for values in history.epochs if values.val_accuracy == best)
    assert history.best_epoch == first


def test_a_plateau_lowers_the_learning_rate_of_the_next_epoch():
    train = stripes(40)
    shuffled = dataclasses.replace(train, labels=np.random.default_rng(0).permutation(train.labels))
    schedule = PlateauScheduleConfig(name="plateau", factor=0.1, patience=1, minimum=0.0)
    _, history = fit(fit_config(train=shuffled, epochs=20, schedule=schedule), train=shuffled)
    best, factor = float("inf"), 1.0
    for values in history.epochs:
        assert values.learning_rate == pytest.approx(0.1 * factor, rel=1e-4)
        if values.val_loss < best:
            best = values.val_loss
        else:
            factor *= 0.1
    assert factor < 1


def test_a_loss_that_is_not_finite_stops_at_once_and_names_the_step():
    train = stripes(200)
    with pytest.raises(NonFiniteLossError, match=r"step \d+ \(epoch 1\).*optimizer\.learning_rate=1e\+19"):
        fit(fit_config(train=train, learning_rate=1e20), train=train)


def test_the_learning_rate_to_lower_is_the_one_that_was_set():
    train = stripes(200)
    made = fit_config(train=train, learning_rate=1e20, set_learning_rate=0.02)  # batch scaling and schedule made 1e20
    with pytest.raises(
        NonFiniteLossError, match=r"with a learning rate of 1e\+20. Try optimizer\.learning_rate=0\.002"
    ):
        fit(made, train=train)


def test_balanced_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 6 + [1] * 3 + [3])
    weights = training.balanced_class_weights(labels, 4)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels) * 3 / 4
    np.testing.assert_allclose(weights[[0, 1, 3]], expected, rtol=1e-6)
    assert weights[2] == 0


def test_augmentation_leaves_labels_in_place_and_pixels_uint8():
    train = stripes(40)
    moved = fit_config(train=train, augmentation=Augmentation(flip=False, shift=0.2, zoom=0.0))
    plain = list(read(train, fit_config(train=train)))
    for (images, labels), (old, old_labels) in zip(read(train, moved), plain, strict=True):
        assert images.dtype == old.dtype == np.uint8
        np.testing.assert_array_equal(labels, old_labels)
        assert not np.array_equal(images, old)
