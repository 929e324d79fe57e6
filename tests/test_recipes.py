"""Recipes of training, each against its own formula: by hand, or by Keras where Keras has it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnexp import training
from cnnexp.compose import columns, compose_config
from cnnexp.errors import ConfigError
from cnnexp.models import Regularization
from cnnexp.records import Augmentation, DatasetInfo
from cnnexp.sweeps.run_hash import hash_run, hash_sweep
from cnnexp.training import GraphCache, Network, Trainer, configure_tensorflow
from cnnexp.training.batches import batches
from cnnexp.training.epoch_order import order_of
from test_training import STILL, fit_config, loss, network, stripes

MOVED = Augmentation(flip=True, shift=0.1, zoom=0.1)


def optimizer(*overrides, learning_rate=0.05):
    return training.build_optimizer(compose_config(overrides).optimizer, learning_rate=learning_rate)


def trainer(*overrides, of_loss=None, regularization=None, **recipe):
    configure_tensorflow(threads=1, seed=0)
    return Trainer(Network(network(regularization)), optimizer(*overrides), of_loss or loss(), **recipe)


def weights_of(made):
    return [weight.numpy() for weight in made.network.model.weights]


def walk(made, *, images=48, batch_size=16, epochs=1, augmentation=STILL, learning_rate=0.05):
    """Yield after every step, in a graph call of its own, the weights that training changes."""
    train = stripes(images)
    read = batches(train, batch_size=batch_size, epochs=epochs, sampling="shuffled", augmentation=augmentation, seed=0)
    ordered = iter(read)
    for _ in range(len(read)):
        made(ordered, np.array([learning_rate]))
        yield weights_of(made)


# --- clipping


def gradient_of_first_step(made):
    """The step of plain SGD at a rate of 1, by hand."""
    train = stripes(48)
    first = order_of(train.labels, sampling="shuffled", seed=0, epoch=1)[:16]
    with tf.GradientTape() as tape:
        logits = made.network.model.get_layer("logits").output
        model = keras.Model(made.network.model.input, logits)
        mean = tf.reduce_mean(loss().of(model(train.images[first]), train.labels[first]))
    return [gradient.numpy() for gradient in tape.gradient(mean, made.network.model.trainable_variables)]


@pytest.mark.parametrize(("share", "scale"), [(0.5, 0.5), (2.0, 1.0)])
def test_a_gradient_is_scaled_down_to_the_norm_over_all_weights(share, scale):
    plain = gradient_of_first_step(trainer("optimizer=sgd"))
    norm = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in plain))
    made = trainer("optimizer=sgd", "optimizer.momentum=0", f"optimizer.clip_norm={share * norm:.8f}")
    before = weights_of(made)
    after = next(walk(made))
    for old, new, gradient in zip(before, after, plain, strict=True):
        np.testing.assert_allclose(old - new, 0.05 * scale * gradient, atol=1e-6)


# --- accumulation


@pytest.mark.parametrize("overrides", [("optimizer=sgd",), ("optimizer=adam", "optimizer.clip_norm=0.1")])
def test_accumulated_batches_give_the_numbers_of_one_large_batch(overrides):
    def trained(micro_batch):
        wanted = loss(class_weights=(0.5, 2), label_smoothing=0.1)
        penalized = Regularization(dropout=0.0, l1=0.0, l2=0.01)
        made = trainer(*overrides, of_loss=wanted, regularization=penalized, micro_batch=micro_batch)
        train = stripes(50)  # the last step of an epoch has 18 images: 4 × 4 and 2
        history = training.fit(
            made,
            fit_config(train=train, epochs=3, batch_size=32, learning_rate=0.01, augmentation=MOVED),
            train=train,
            validation=stripes(20, seed=1),
            on_epoch=lambda _: False,
            on_steps=lambda *_: None,
        )
        return weights_of(made), history

    (whole, plain), (parts, accumulated) = trained(None), trained(4)
    assert plain.steps == accumulated.steps == 6
    for expected, got in zip(whole, parts, strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-5)
    for expected, got in zip(plain.epochs, accumulated.epochs, strict=True):
        assert got.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
        assert got.train_accuracy == expected.train_accuracy
        assert got.val_loss == pytest.approx(expected.val_loss, rel=1e-5)


def test_steps_rates_and_schedule_follow_the_accumulated_batch():
    settings = compose_config(["training.batch_size=8", "training.accumulate=4"]).training
    assert settings.images_per_step == 32


# --- the average of weights


def test_the_average_is_the_one_written_by_hand_and_its_decay_warms_up():
    made = trainer("optimizer=adam", ema=0.4)
    expected = weights_of(made)
    for step, weights in enumerate(walk(made, epochs=3), start=1):
        decay = min(0.4, (1 + step) / (10 + step))
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, weights, strict=True)]
        with made.averaged():
            averaged = weights_of(made)
        for got, right in zip(averaged, expected, strict=True):
            np.testing.assert_allclose(got, right, atol=1e-6)
        for got, right in zip(weights_of(made), weights, strict=True):
            np.testing.assert_array_equal(got, right)  # training goes on with its own
    assert step == 9


def test_after_its_warm_up_the_average_is_that_of_keras():
    made = trainer("optimizer=sgd", ema=0.1)
    for _ in walk(made, epochs=4):
        pass
    configure_tensorflow(threads=1, seed=0)
    by_keras = keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.1)
    peer = Trainer(Network(network()), by_keras, loss())
    for _ in walk(peer, epochs=4):
        pass
    by_keras.finalize_variable_values(peer.network.model.trainable_variables)
    made.keep_average()
    for got, right in zip(weights_of(made), weights_of(peer), strict=True):
        np.testing.assert_allclose(got, right, atol=1e-6)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_averaged_weights_are_validated_and_kept(keep):
    train, validation = stripes(48), stripes(30, seed=1)

    def fitted(ema):
        made = trainer("optimizer=adam", ema=ema)
        config = fit_config(train=train, epochs=3, learning_rate=0.02, keep=keep)
        ignored = {"on_epoch": lambda _: False, "on_steps": lambda *_: None}
        return made, training.fit(made, config, train=train, validation=validation, **ignored)

    (made, history), (_, plain) = fitted(0.9), fitted(None)
    logits = made.network.logits(validation.images, validation.rows)
    kept = history.epochs[-1 if keep == "last" else history.best_epoch - 1]
    assert training.loss_and_accuracy(logits, validation.labels)[0] == pytest.approx(kept.val_loss, rel=1e-6)
    assert kept.val_loss != pytest.approx(plain.epochs[kept.epoch - 1].val_loss, rel=1e-3)
    assert [one.train_loss for one in history.epochs] == [one.train_loss for one in plain.epochs]


def test_statistics_of_batch_normalization_are_averaged_too():
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(2, name="logits")(x)))
    made = Trainer(Network(model), optimizer("optimizer=sgd"), loss(), ema=0.1)
    names = [weight.name for weight in model.weights]
    before, (_, _, after) = weights_of(made), tuple(walk(made))
    made.keep_average()
    at = names.index("moving_mean")
    assert not np.allclose(before[at], after[at])
    assert np.abs(weights_of(made)[at] - after[at]).max() > 0


# --- reuse of graphs


def test_a_recipe_is_part_of_the_signature_and_a_reused_graph_computes_the_same():
    recipes = [
        {},
        {"ema": 0.9},
        {"ema": 0.5},
        {"micro_batch": 4},
        {"micro_batch": 8},
        {"of_loss": dataclasses.replace(loss(), gamma=2.0)},
        {"of_loss": dataclasses.replace(loss(), gamma=1.0)},
    ]
    assert len({trainer("optimizer=adam", **recipe).signature for recipe in recipes}) == len(recipes)
    plain, clipped = trainer("optimizer=adam"), trainer("optimizer=adam", "optimizer.clip_norm=1")
    assert plain.signature != clipped.signature

    graphs = GraphCache()
    for recipe in recipes[1:4:2]:
        first = graphs.reuse(trainer("optimizer=adam", **recipe))
        expected = list(walk(first))
        first.keep_average()
        averaged = weights_of(first)
        again = graphs.reuse(trainer("optimizer=adam", **recipe))
        assert again is first
        for right, got in zip(expected, walk(again), strict=True):
            assert all(map(np.array_equal, right, got))
        again.keep_average()
        assert all(map(np.array_equal, averaged, weights_of(again)))


# --- focal loss


def focal(gamma, logits, labels, *, class_weights=(1, 1, 1), label_smoothing=0.0):
    wanted = training.Loss(
        class_weights=np.array(class_weights, np.float32), label_smoothing=label_smoothing, gamma=gamma
    )
    return wanted.of(tf.constant(logits, tf.float32), tf.constant(labels, tf.int64)).numpy()


def test_focal_loss_by_hand():
    logits = np.log([[0.7, 0.2, 0.1]])
    assert focal(2, logits, [0]) == pytest.approx(0.3**2 * -np.log(0.7), rel=1e-5)
    assert focal(0.5, logits, [2], class_weights=(1, 1, 4)) == pytest.approx(4 * 0.9**0.5 * -np.log(0.1), rel=1e-5)
    smoothed = 0.8 * 0.3**2 * -np.log(0.7) + 0.1 * 0.8**2 * -np.log(0.2) + 0.1 * 0.9**2 * -np.log(0.1)
    assert focal(2, logits, [0], label_smoothing=0.3) == pytest.approx(smoothed, rel=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_focal_loss_is_that_of_keras_and_without_gamma_cross_entropy(label_smoothing):
    random = np.random.default_rng(0)
    logits, labels = random.normal(0, 3, (40, 3)), random.integers(0, 3, 40)
    peer = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=1.5, from_logits=True, label_smoothing=label_smoothing, reduction=None
    )
    expected = peer(tf.one_hot(labels, 3), tf.constant(logits, tf.float32)).numpy()
    np.testing.assert_allclose(focal(1.5, logits, labels, label_smoothing=label_smoothing), expected, rtol=1e-3)
    almost, plain = (focal(gamma, logits, labels, label_smoothing=label_smoothing) for gamma in (1e-9, 0))
    np.testing.assert_allclose(almost, plain, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_an_answer_that_is_certain_has_a_finite_gradient(gamma):
    logits = tf.Variable([[200.0, 0.0, -200.0]])
    wanted = training.Loss(class_weights=np.ones(3, np.float32), label_smoothing=0.1, gamma=gamma)
    for label in range(3):
        with tf.GradientTape() as tape:
            value = wanted.of(logits, tf.constant([label], tf.int64))
        assert np.isfinite(value.numpy()).all()
        assert np.isfinite(tape.gradient(value, logits).numpy()).all()


# --- Muon


def test_muon_orthogonalizes_kernels_and_leaves_the_rest_to_adamw():
    made, peer = trainer("optimizer=muon"), trainer("optimizer=adamw")
    before = {weight.path: weight.numpy() for weight in made.network.model.weights}
    next(walk(made, learning_rate=0.01))
    next(walk(peer, learning_rate=0.01))
    for weight, by_adamw in zip(made.network.model.weights, peer.network.model.weights, strict=True):
        step = before[weight.path] * (1 - 0.004 * 0.01) - weight.numpy()
        if weight.path in ("convolution_1/kernel", "dense_1/kernel"):
            matrix = step.reshape(-1, step.shape[-1])
            sizes = np.linalg.svd(matrix, compute_uv=False) / (0.01 * 0.2 * np.sqrt(max(matrix.shape)))
            alive = sizes[sizes > 1e-3]  # units that are dead have no gradient
            assert len(alive) > 1
            assert 0.6 < alive.min() <= alive.max() < 1.3, weight.path
        else:
            np.testing.assert_allclose(weight.numpy(), by_adamw.numpy(), atol=1e-6)


def test_with_a_fixed_norm_muon_turns_kernels_by_the_learning_rate_and_adamw_has_a_rate_of_its_own():
    made = trainer("optimizer=muon", "optimizer.fixed_norm=true", "optimizer.adam_factor=0.5")
    peer = trainer("optimizer=adamw")
    before = {weight.path: weight.numpy() for weight in made.network.model.weights}
    next(walk(made, learning_rate=0.02))
    next(walk(peer, learning_rate=0.01))
    for weight, by_adamw in zip(made.network.model.weights, peer.network.model.weights, strict=True):
        first = before[weight.path]
        if weight.path in ("convolution_1/kernel", "dense_1/kernel"):
            begins = first * np.sqrt(first.shape[-1]) / np.linalg.norm(first)
            sizes = np.linalg.svd((begins - weight.numpy()).reshape(-1, first.shape[-1]), compute_uv=False) / 0.02
            alive = sizes[sizes > 0.1]  # units that are dead have no gradient
            assert len(alive) > 1
            assert 0.5 < alive.min() <= alive.max() < 1.4, weight.path
        else:  # but for weight decay, which goes by the learning rate of the kernels
            np.testing.assert_allclose(weight.numpy(), by_adamw.numpy(), atol=1e-4)


def test_muon_leaves_depthwise_kernels_to_adamw():
    depthwise = keras.Variable(np.ones((3, 3, 8, 1)), name="depthwise")
    kernel = keras.Variable(np.ones((3, 3, 8, 4)), name="kernel")
    made = optimizer("optimizer=muon")
    made.build([depthwise, kernel])
    assert [velocity is not None for velocity in made.adam_velocities] == [True, False]


# --- balanced sampling


def test_balanced_sampling_draws_each_class_alike_and_every_image_of_a_small_one():
    labels = np.repeat([0, 1, 3], [70, 25, 6])  # of four classes one has no images
    orders = [order_of(labels, sampling="balanced", seed=1, epoch=epoch) for epoch in (1, 1, 2)]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    for order in orders:
        assert len(order) == 101
        counts = np.bincount(labels[order], minlength=4)
        assert sorted(counts.tolist()) == [0, 33, 34, 34]
        often = np.bincount(order, minlength=101)
        assert often[:70].max() == 1
        assert set(often[70:95]) <= {1, 2}
        assert set(often[95:]) <= {5, 6}


def test_of_a_large_class_every_image_has_its_turn_in_some_epoch():
    labels = np.repeat([0, 1], [60, 20])
    orders = [order_of(labels, sampling="balanced", seed=0, epoch=epoch) for epoch in range(1, 9)]
    assert set(np.concatenate(orders).tolist()) == set(range(80))


def test_shuffled_is_the_order_of_earlier_versions():
    order = order_of(np.zeros(50, np.int64), sampling="shuffled", seed=3, epoch=2)
    assert np.array_equal(order, np.random.default_rng((3, 2)).permutation(50))


def test_more_classes_than_an_epoch_has_images_of_each_is_no_fault():
    labels = np.array([0, 1, 2, 2, 2])
    counts = np.bincount(labels[order_of(labels, sampling="balanced", seed=0, epoch=1)], minlength=3)
    assert sorted(counts.tolist()) == [1, 2, 2]


# --- settings


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.accumulate=0", "training.accumulate must be at least 1"),
        ("training.accumulate=some", "training.accumulate must be auto or a whole number from 1; got 'some'"),
        ("training.ema=1", "training.ema must be above 0 and below 1"),
        ("optimizer.clip_norm=0", "optimizer.clip_norm must be above 0"),
        ("training.sampling=even", "training.sampling must be one of shuffled, balanced"),
        ("loss.gamma=2", "loss=cross_entropy has no setting 'gamma'"),
        ("loss=dice", "loss=dice does not exist; choose from cross_entropy, focal"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(override, message):
    with pytest.raises(ConfigError) as refused:
        compose_config([override])
    assert message in str(refused.value)


def test_rare_classes_are_made_up_for_once():
    with pytest.raises(ConfigError, match="count twice; choose one"):
        compose_config(["training.sampling=balanced", "training.class_weight=balanced"])


NEUTRAL = [
    "loss=cross_entropy",
    "training.accumulate=1",
    "training.ema=null",
    "training.sampling=shuffled",
    "optimizer.clip_norm=null",
]


@pytest.mark.parametrize("override", NEUTRAL)
def test_a_recipe_that_is_off_changes_no_hash(override):
    facts = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))
    assert hash_run(compose_config([override]), facts) == hash_run(compose_config([]), facts)
    spec = {"experiment": "e", "settings": "", "varied": {}}
    assert hash_sweep([override, "model=small"], **spec) == hash_sweep(["model=small"], **spec)


@pytest.mark.parametrize(
    "override",
    [
        "loss=focal",
        "training.accumulate=2",
        "training.ema=0.9",
        "training.sampling=balanced",
        "optimizer.clip_norm=1",
    ],
)
def test_a_recipe_that_is_on_is_another_run_and_a_column(override):
    facts = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))
    config = compose_config([override])
    assert hash_run(config, facts) != hash_run(compose_config([]), facts)
    name = override.partition("=")[0]
    assert name in columns(config, [override])
    assert name not in columns(compose_config([]), [])
