"""Where a network looks: HiResCAM by its graph, and occlusion."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from cnnexp.compose import compose_config
from cnnexp.models import Regularization, build_model, heat_mapper, mean_of
from cnnexp.models.class_activation import ClassActivation
from cnnexp.models.occlusion import occlusion_heat
from cnnexp.portable.classifier import load_keras
from cnnexp.portable.forward import forward_of
from cnnexp.records import Scaling

SIDE = 24
CORNERS = [
    (slice(0, 12), slice(0, 12)),
    (slice(0, 12), slice(12, 24)),
    (slice(12, 24), slice(0, 12)),
    (slice(12, 24),) * 2,
]


def striped(count, seed):
    """Noise with stripes in one of four corners; the class is whether they lie or stand."""
    random = np.random.default_rng(seed)
    images = random.integers(60, 140, (count, SIDE, SIDE, 1))
    labels, corners = random.integers(0, 2, count), random.integers(0, 4, count)
    stripes = np.where(np.arange(8) % 4 < 2, 250, 5)
    for image, label, corner in zip(images, labels, corners, strict=True):
        rows, columns = (side.start + 2 for side in CORNERS[corner])
        image[rows : rows + 8, columns : columns + 8, 0] = stripes if label else stripes[:, None]
    return images.astype(np.uint8), labels, corners


def flattening():
    return build_model(
        compose_config(["model=small"]).model,
        input_shape=(SIDE, SIDE, 1),
        num_classes=2,
        scaling=Scaling("unit", (1 / 255,), (0.0,)),
        regularization=Regularization(dropout=0.1, l1=0.0, l2=0.0),
        precision="float32",
    )


def pooling():
    pixels = keras.Input((SIDE, SIDE, 1), dtype="uint8")
    x = layers.Rescaling(1 / 255)(pixels)
    for filters in (8, 16):
        x = layers.Conv2D(filters, 5, padding="same", activation="relu")(x)
    x = layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(layers.MaxPooling2D(2)(x)))
    return keras.Model(pixels, layers.Softmax()(x))


@functools.cache
def trained(build):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    images, labels, _ = striped(512, seed=0)
    model.fit(images, labels, batch_size=32, epochs=6, verbose=0)
    return model


def predict(model):
    forward = forward_of(model)
    return lambda pixels: forward(pixels)[0]


def looked_at(maps):
    """The corner with most of the heat of each map."""
    return np.array([np.argmax([one.values[corner].sum() for corner in CORNERS]) for one in maps])


@pytest.mark.parametrize("build", [flattening, pooling])
def test_a_network_looks_at_the_corner_that_its_class_stands_in(build):
    model = trained(build)
    images, labels, corners = striped(12, seed=1)
    assert (predict(model)(images).argmax(axis=1) == labels).mean() > 0.9
    by_gradient = heat_mapper(model, predict(model))(images, labels)
    by_occlusion = heat_mapper(None, predict(model))(images, labels)
    assert {one.method for one in by_gradient} == {"HiResCAM"}
    assert {one.method for one in by_occlusion} == {"occlusion"}
    for maps in (by_gradient, by_occlusion):
        assert (looked_at(maps) == corners).mean() > 0.9
        assert [one.label for one in maps] == labels.tolist()
        assert all(one.values.shape == (SIDE, SIDE) and one.values.dtype == np.float32 for one in maps)
        assert all(one.values.min() >= 0 and one.values.max() == 1 for one in maps)


def test_the_saved_and_reloaded_network_looks_at_the_same(tmp_path):
    images, labels, _ = striped(3, seed=2)
    model = trained(flattening)
    model.save(tmp_path / "model.keras")
    again = load_keras(tmp_path / "model.keras")
    for first, second in zip(*(heat_mapper(one, predict(one))(images, labels) for one in (model, again)), strict=True):
        np.testing.assert_allclose(first.values, second.values, atol=1e-6)


def one_convolution(*, flat):
    """Feature maps of the size of the image, so that nothing is enlarged."""
    pixels = keras.Input((6, 6, 1), dtype="uint8")
    maps = layers.Conv2D(3, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(pixels))
    vectors = (layers.Flatten() if flat else layers.GlobalAveragePooling2D())(maps)
    return keras.Model(pixels, layers.Dense(4, activation="softmax")(vectors)), keras.Model(pixels, maps)


@pytest.mark.parametrize("flat", [True, False])
def test_the_heat_of_a_position_is_its_part_in_the_score_of_the_class(flat):
    model, features = one_convolution(flat=flat)
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 1), dtype=np.uint8)
    kernel = model.layers[-1].get_weights()[0]
    weights = kernel[:, 2] - kernel.mean(axis=1)
    weights = weights.reshape(6, 6, 3) if flat else np.broadcast_to(weights / 36, (6, 6, 3))
    expected = np.maximum((features(image).numpy()[0] * weights).sum(axis=-1), 0)
    heat = ClassActivation.of(model).compiled()(image, np.array([2]))
    np.testing.assert_allclose(heat[0], expected, atol=1e-5)


def test_positions_of_a_large_feature_map_are_put_together_by_regions():
    pixels = keras.Input((32, 32, 1), dtype="uint8")
    maps = layers.Conv2D(2, 3, padding="same")(layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, layers.Dense(3)(layers.Flatten()(maps)))
    noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 1), dtype=np.uint8)
    heat = ClassActivation.of(model).compiled()(noise, np.array([2]))[0]
    inner = heat[10:22, 10:22]
    assert np.abs(np.diff(inner, axis=0)).max() < 0.5 * heat.max()  # neighbours are alike


def test_of_one_number_for_two_classes_the_first_is_against_it():
    pixels = keras.Input((6, 6, 1), dtype="uint8")
    maps = layers.Conv2D(2, 3, padding="same")(layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, layers.Dense(1, activation="sigmoid")(layers.Flatten()(maps)))
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 1), dtype=np.uint8)
    heat = ClassActivation.of(model).compiled()
    first, second = heat(image, np.array([0])), heat(image, np.array([1]))
    assert first.max() > 0 < second.max()
    assert not (first * second).any()


def maps_of(model):
    divided = ClassActivation.of(model)
    return None if divided is None else [one.shape[1:] for one in divided.before.outputs]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("baseline", (8, 8, 128)),
        ("small", (16, 16, 32)),
        ("alexnet", (8, 8, 128)),
        ("vgg", (8, 8, 128)),
        ("resnet", (8, 8, 64)),
    ],
)
def test_the_last_feature_map_is_found_before_the_last_pooling(name, expected):
    model = build_model(
        compose_config([f"model={name}"]).model,
        input_shape=(32, 32, 3),
        num_classes=4,
        scaling=Scaling("unit", (1 / 255,) * 3, (0.0,) * 3),
        regularization=Regularization(dropout=0.1, l1=0.0, l2=0.0),
        precision="float32",
    )
    assert maps_of(model) == [expected]


def test_squeeze_and_excitation_is_no_end_of_the_feature_maps():
    pixels = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same")(pixels)
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(layers.Multiply()([x, gate]))
    assert maps_of(keras.Model(pixels, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)))) == [(8, 8, 8)]


def test_a_network_within_a_network_is_looked_into():
    inner = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(5, 3), layers.GlobalAveragePooling2D()])
    outer = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), inner, layers.Dense(3)])
    assert maps_of(outer) == [(14, 14, 5)]


def test_an_ensemble_looks_where_its_members_look():
    members = [trained(flattening), trained(flattening)]
    images, labels, corners = striped(8, seed=3)
    both = mean_of(members, temperatures=[1.0, 1.0])
    assert maps_of(both) == 2 * maps_of(members[0])
    assert (looked_at(heat_mapper(both, predict(both))(images, labels)) == corners).mean() > 0.8


def of_dense_layers(x):
    return layers.Dense(8)(layers.Flatten()(layers.MaxPooling2D()(x)))


def of_few_positions(x):
    return layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=8, padding="same")(x))


def of_tokens(x):
    x = layers.Reshape((-1, 4))(layers.Conv2D(4, 4, strides=4)(x))
    return layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 2)(x, x))


@pytest.mark.parametrize("features", [of_dense_layers, of_few_positions, of_tokens])
def test_networks_without_a_feature_map_are_occluded(features):
    pixels = keras.Input((SIDE, SIDE, 1), dtype="uint8")
    model = keras.Model(pixels, layers.Softmax()(layers.Dense(2)(features(layers.Rescaling(1 / 255)(pixels)))))
    images, labels, _ = striped(1, seed=4)
    first, second = (heat_mapper(model, predict(model))(images, labels) for _ in range(2))
    assert first[0].method == "occlusion"
    np.testing.assert_array_equal(first[0].values, second[0].values)


def test_an_occluded_part_counts_by_what_it_takes_from_the_score():
    def by_upper_left(pixels):
        bright = pixels[:, :4, :4].mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - bright, bright], axis=1).astype(np.float32)

    image = np.full((1, 8, 12, 3), 20, np.uint8)
    image[:, :4, :4] = 200
    speaks, against = occlusion_heat(by_upper_left, np.repeat(image, 2, axis=0), np.array([1, 0]))
    assert speaks[:3, :3].min() > 0
    assert not speaks[5:].any()
    assert not speaks[:, 5:].any()
    assert not against.any()


def test_where_nothing_speaks_for_a_class_the_map_is_empty():
    images, labels, _ = striped(2, seed=5)
    for one in heat_mapper(None, lambda pixels: np.full((len(pixels), 3), 1 / 3, np.float32))(images, labels):
        assert not one.values.any()
    assert heat_mapper(None, lambda pixels: pixels)(images[:0], labels[:0]) == ()
