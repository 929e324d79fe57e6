"""What functions of a user's own are given and may return: models, optimizers, schedules, losses, changes, data."""

import json

import numpy as np
import pytest

from cnnexp.augmentation import Batch, augment_batch, augment_one
from cnnexp.compose import compose_config
from cnnexp.config.extended import TABLE
from cnnexp.errors import ConfigError, ExtensionError
from cnnexp.extensions.load import loaded
from cnnexp.images import ImageSpec
from cnnexp.runs import experiment
from cnnexp.saved import open_model
from cnnexp.saved.export import export
from support import trained_model

HEAD = """
import keras
import numpy as np
from dataclasses import dataclass
from cnnexp.extend import Dataset, augmentation, data, loss, model, optimizer, schedule
from keras import layers

"""

GREY = ImageSpec(8, 8, "grey", "stretch", "bilinear", antialias=True, background=0)


@pytest.fixture
def add(tmp_path):
    """Add options from a text within a block."""

    def of(text):
        (tmp_path / "kinds_of_mine.py").write_text(HEAD + text, encoding="utf-8")
        return loaded([str(tmp_path / "kinds_of_mine.py")])

    return of


# --- models

SHAPE = (8, 8, 3)


def build(*overrides, precision="float32", dropout=0.0, l2=0.0):
    from cnnexp.models import Regularization, build_model
    from cnnexp.records import Scaling

    return build_model(
        compose_config(["model=net", *overrides]).model,
        input_shape=SHAPE,
        num_classes=5,
        scaling=Scaling("unit", (1 / 255,) * 3, (0.0,) * 3),
        regularization=Regularization(dropout=dropout, l1=0.0, l2=l2),
        precision=precision,
    )


def net(body, returns="keras.Model(x0, x)"):
    lines = "".join(f"    {line}\n" for line in ["x = x0 = keras.Input(input_shape)", *body, f"return {returns}"])
    return f'@model("net")\ndef net(settings, input_shape, num_classes):\n{lines}'


NESTED = net(
    [
        "inner = keras.Input((None, None, 4))",
        "inner = keras.Model(inner, layers.BatchNormalization()(layers.ReLU()(inner)))",
        "x = keras.Sequential([layers.Conv2D(4, 3, name='first'), layers.Dropout(0.2)])(x)",
        "x = keras.ops.mean(inner(x), axis=(1, 2)) + 1.0",
        "x = layers.Dense(num_classes, name='logits', use_bias=False)(layers.Dense(6)(x))",
    ]
)


def test_a_model_is_flat_has_our_names_around_its_own_and_answers_as_it_did(add):
    import keras

    with add(NESTED):
        model = build(dropout=0.3)
        own = compose_config(["model=net"]).model.call(SHAPE, 5)
    names = [layer.name for layer in model.layers]
    assert names[:2] == ["uint8_pixels_0_to_255", "scaling"]
    assert names[-3:] == ["dropout", "logits", "probabilities"]
    assert "first" in names
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert (model.input.dtype, model.output.dtype) == ("uint8", "float32")
    own.set_weights(model.get_weights())
    pixels = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    expected = keras.ops.softmax(own(pixels / np.float32(255)))
    np.testing.assert_allclose(model(pixels), expected, atol=1e-6)


def test_automatic_names_do_not_depend_on_earlier_models(add):
    with add(NESTED):
        assert build().to_json() == build().to_json()


def test_weights_that_the_function_has_loaded_stay(add):
    head = ["x = layers.Flatten()(x)", "x = layers.Dense(num_classes)(layers.Dense(3)(x))"]
    fill = ["own = keras.Model(x0, x)", "own.set_weights([np.full_like(w, 0.25) for w in own.get_weights()])"]
    with add(net(head + fill, returns="own")):
        model = build()
    assert {value for weights in model.get_weights() for value in np.unique(weights)} == {0.25}


def test_precision_and_penalties_reach_its_layers(add):
    with add(net(["x = layers.Conv2D(4, 3)(x)", "x = layers.Flatten()(x)", "x = layers.Dense(num_classes)(x)"])):
        low, full = build(precision="bfloat16", l2=0.1), build()
    assert low.get_layer("conv2d_1").compute_dtype == "bfloat16"
    assert low.get_layer("logits").compute_dtype == "float32"
    assert len(low.losses) == 1, "of the convolution; the logits have none, as in our networks"
    assert (full.get_layer("conv2d_1").compute_dtype, full.losses) == ("float32", [])
    full.set_weights(low.get_weights())


FLAT = "x = layers.Flatten()(x)"


@pytest.mark.parametrize(
    ("body", "returns", "message"),
    [
        ([], "None", "its function must return a keras.Model(inputs, outputs) or a keras.Sequential; got NoneType"),
        ([FLAT, "x = layers.Dense(4)(x)"], "keras.Model(x0, x)", "output of its model must have the shape (None, 5)"),
        ([], "keras.Model(x0, x)", "it has (None, 8, 8, 3). End with keras.layers.Dense(num_classes)."),
        (
            [FLAT, "x = layers.Dense(5, activation='softmax')(x)"],
            "keras.Model(x0, x)",
            "it ends in Dense(softmax). Leave the activation out: the softmax is added.",
        ),
        ([FLAT, "x = layers.Dense(5)(x)", "x = layers.Softmax()(x)"], "keras.Model(x0, x)", "it ends in Softmax."),
        ([FLAT, "x = layers.Dense(5)(x) * 2"], "keras.Model(x0, x)", "it ends in Multiply."),
        ([FLAT, "x = layers.Dense(5)(x)"], "keras.Model(x0, [x, x])", "must have one output; it has 2."),
        (
            ["y = keras.Input((8, 8, 3))", "x = layers.Dense(5)(layers.Flatten()(x + y))"],
            "keras.Model([x0, y], x)",
            "must have one input; it has 2. Begin with keras.Input(input_shape).",
        ),
        (
            ["x = x0 = keras.Input((4, 4, 3))", FLAT, "x = layers.Dense(5)(x)"],
            "keras.Model(x0, x)",
            "the input of its model must have the shape (None, 8, 8, 3); it has (None, 4, 4, 3).",
        ),
        (
            ["x = layers.Lambda(lambda x: x + 1)(x)", FLAT, "x = layers.Dense(5)(x)"],
            "keras.Model(x0, x)",
            "must not have a Lambda layer",
        ),
        (
            ["x = layers.Rescaling(1 / 255)(x)", FLAT, "x = layers.Dense(5)(x)"],
            "keras.Model(x0, x)",
            "pixels are scaled already, by data.scaling; its layer rescaling",
        ),
        (
            ["x = layers.Conv2D(3, 3, name='scaling')(x)", FLAT, "x = layers.Dense(5)(x)"],
            "keras.Model(x0, x)",
            "layers named scaling, dropout, logits, probabilities are added; its model has a scaling already.",
        ),
        (
            ["class Blur(layers.ReLU):", "    'mine'", "x = Blur()(x)", FLAT, "x = layers.Dense(5)(x)"],
            "keras.Model(x0, x)",
            "must be registered, or no program could load it; not registered: Blur.",
        ),
        (
            [
                "@keras.saving.register_keras_serializable('kinds')",
                "class Odd(layers.Layer):",
                "    def __init__(self, odd, **kw): super().__init__(**kw); self.odd = object()",
                "    def call(self, x): return x",
                "    def get_config(self): return super().get_config()",
                "x = Odd(1)(x)", FLAT, "x = layers.Dense(5)(x)",
            ],
            "keras.Model(x0, x)",
            "its layer odd must be able to describe itself, or it could not be saved: TypeError",
        ),
        (["1 / 0"], "None", "model=net failed at kinds_of_mine.py:11: ZeroDivisionError: division by zero"),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_model_that_does_not_fit_is_one_line(add, body, returns, message):
    with add(net(body, returns)), pytest.raises(ExtensionError) as refusal:
        build()
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_scaling_that_is_no_second_one_passes(add):
    with add(net(["x = layers.Rescaling(2.0, -1.0)(x)", FLAT, "x = layers.Dense(num_classes)(x)"])):
        assert build().get_layer("rescaling_1").scale == 2.0


# --- optimizers, schedules, losses


def optimizer_of(add, returns):
    from cnnexp.training import build_optimizer

    settings = "@dataclass\nclass S:\n    learning_rate: float = 0.1\n\n"
    with add(f'{settings}@optimizer("own", S)\ndef own(settings, rate):\n    {returns}\n'):
        return build_optimizer(compose_config(["optimizer=own", "optimizer.clip_norm=2"]).optimizer, learning_rate=0.5)


def test_an_optimizer_gets_its_rate_its_clipping_and_a_name(add):
    made = optimizer_of(add, "return keras.optimizers.Lion(rate)")
    assert (float(made.learning_rate), made.global_clipnorm, made.name) == (0.5, 2, "own")


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ("return 'adam'", "must return a keras.optimizers.Optimizer; got str"),
        ("return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(rate, 10))", "it has a schedule."),
    ],
)
def test_an_optimizer_that_does_not_fit_is_refused(add, returns, message):
    with pytest.raises(ExtensionError, match="optimizer=own, of") as refusal:
        optimizer_of(add, returns)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ("1 - epoch / epochs", [1, 0.75, 0.5, 0.25]),
        ("0.5", [0.5] * 4),
        ("[1, 2, 3, 4]", [1, 2, 3, 4]),
        ("None", None),
        ("-epoch", None),
        ("1 / epoch", None),
        ("[1, 2]", None),
        ("'half'", None),
    ],
)
def test_a_schedule_gives_a_factor_for_each_step(add, returns, expected):
    from cnnexp.training import learning_rates

    def rates():
        schedule = compose_config(["schedule=own"]).schedule
        return learning_rates(schedule, learning_rate=2.0, epochs=2, steps_per_epoch=2).ravel().tolist()

    quiet = "with np.errstate(divide='ignore'): "
    with add(f'@schedule("own")\ndef own(settings, epoch, epochs):\n    {quiet}return {returns}\n'):
        if expected is not None:
            assert rates() == [2 * factor for factor in expected]
            return
        with pytest.raises(ExtensionError, match="must return a finite factor from 0, one for each of the 4 steps"):
            rates()


def loss_of(add, returns):
    import tensorflow as tf

    from cnnexp.training import Loss

    with add(f'@loss("own")\ndef own(settings, logits, labels):\n    return {returns}\n'):
        loss = Loss(
            class_weights=np.array([1, 2], np.float32), label_smoothing=0.0, own=compose_config(["loss=own"]).loss
        )
        return loss.of(tf.constant([[1.0, 2.0], [3.0, 5.0], [0.0, 0.0]]), tf.constant([0, 1, 1], tf.int64)).numpy()


def test_a_loss_is_weighted_by_class(add):
    assert loss_of(add, "keras.ops.sum(logits, axis=1)").tolist() == [3, 16, 0]


@pytest.mark.parametrize("returns", ["keras.ops.mean(logits)", "logits", "labels", "1.0"])
def test_a_loss_of_anything_but_each_image_is_refused(add, returns):
    with pytest.raises(ExtensionError, match=r"must return the loss of each image, a float32 tensor \(N,\); got"):
        loss_of(add, returns)


def test_smoothing_is_not_ignored_by_a_loss_that_has_none(add):
    with (
        add('@loss("own")\ndef own(settings, logits, labels):\n    return 0\n'),
        pytest.raises(ConfigError, match=r"loss=own gets labels as they are.*label_smoothing must be 0; got 0\.1"),
    ):
        compose_config(["loss=own", "regularization=label_smoothing"])


# --- augmentation

NOISE = """
@dataclass
class S:
    most: int = 9

@augmentation("noise", S)
def noise(settings, images, random):
    return (images // 2 + random.integers(0, settings.most + 1, images.shape)).astype(np.uint8)
"""


def augmented(*overrides):
    from cnnexp.runs.resolved_settings import resolve_augmentation

    config = compose_config(["augmentation=noise", *overrides])
    return resolve_augmentation(config.augmentation, config.data, GREY)


def test_a_change_of_ones_own_follows_from_the_batch_and_comes_beside_ours(add):
    images = np.full((6, 4, 5, 1), 200, np.uint8)
    batch = Batch(seed=1, epoch=2, number=3, count=6)
    with add(NOISE):
        augmentation = augmented("augmentation.most=3")
        first, labels = augment_batch(images, np.arange(6), augmentation, batch)
        again, _ = augment_batch(images, np.arange(6), augmentation, batch)
        alone = augment_one(images, np.arange(6), 4, augmentation, batch)
        both = augmented("augmentation.erasing=1.0")
    assert (first.min(), first.max(), labels.tolist()) == (100, 103, [0, 1, 2, 3, 4, 5])
    assert (first == again).all()
    assert (alone == first[4]).all()
    assert (images == 200).all()
    assert (str(augmentation), str(both), bool(augmentation)) == ("noise", "erasing 1, noise", True)


@pytest.mark.parametrize(
    "returns",
    ["images / 255", "images[:1]", "None", "images.astype(np.int64)", "list(images)"],
)
def test_other_images_than_it_was_given_are_refused(add, returns):
    batch = Batch(seed=1, epoch=2, number=3, count=2)
    with add(f'@augmentation("noise")\ndef noise(settings, images, random):\n    return {returns}\n'):
        augmentation = augmented()
        with pytest.raises(ExtensionError, match=r"must return uint8 images of the shape that it got, \(2, 4, 4, 1\)"):
            augment_batch(np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int64), augmentation, batch)


# --- data


def source_of(add, returns, prepare="pass"):
    from cnnexp.datasets.loading import find_source

    with add(f'@data("mine")\ndef mine(settings):\n    {prepare}\n    return {returns}\n'):
        return find_source(compose_config(["data=mine"]).data)


def test_arrays_with_labels_splits_and_groups_are_a_data_set(add):
    source = source_of(
        add,
        "Dataset(images=np.arange(48, dtype=np.uint8).reshape(3, 4, 4), labels=['b', 10, 9], "
        "splits=['train', 'test', 'train'], groups=['x', 'y', 'x'])",
    )
    manifest, images = source.open()
    assert (manifest.class_names, manifest.labels.tolist()) == (("9", "10", "b"), [2, 1, 0])
    assert (manifest.declared_splits.tolist(), manifest.groups.tolist()) == ([0, 3, 0], [0, 1, 0])
    assert (source.name, source.cached, manifest.files) == ("mine", False, ("index-0", "index-1", "index-2"))
    assert images[1].tolist() == np.arange(16, 32).reshape(4, 4).tolist()


def test_what_a_table_of_pandas_gives_is_understood_and_no_group_is_no_group(add):
    source = source_of(
        add,
        "Dataset(images=[np.full((4, 4), n, np.uint8) for n in range(4)], labels=np.array(['a', 'b', 'a', 'b']), "
        "splits=np.array(['train', None, 'test', float('nan')], object), "
        "groups=np.array([1, None, float('nan'), 1], object))",
    )
    manifest, _ = source.open()
    assert manifest.declared_splits.tolist() == [0, -1, 3, -1]
    assert manifest.groups.tolist() == [0, 1, 2, 0]


def test_arrays_of_another_shape_are_other_data_though_their_bytes_are_the_same(add, tmp_path):
    def state(images):
        return source_of(add, f"Dataset(images={images}, labels=['a', 'b'])").state

    assert state("np.zeros((2, 4, 8), np.uint8)") != state("np.zeros((2, 8, 4), np.uint8)")
    listed = "[np.zeros((4, 8), np.uint8), np.zeros({}, np.uint8)]"
    assert state(listed.format((4, 8))) != state(listed.format((8, 4)))
    (tmp_path / "a.png").touch()
    mixed = f"['{tmp_path}/a.png', np.full((4, 4), {{}}, np.uint8)]"
    assert state(mixed.format(1)) != state(mixed.format(2)) != state(mixed.format(1)) == state(mixed.format(1))


def test_paths_in_an_array_are_paths(add, tmp_path):
    (tmp_path / "a.png").touch()
    source = source_of(add, f"Dataset(images=np.array(['{tmp_path}/a.png'], object), labels=['x'])")
    assert source.open()[0].files == ("a.png",)


def test_files_are_cached_until_one_changes(add, tmp_path):
    from PIL import Image

    (tmp_path / "a").mkdir()
    for name in ("a/1.png", "2.png"):
        Image.new("L", (4, 4), 50).save(tmp_path / name)
    returns = f"Dataset(images=['{tmp_path}/a/1.png', '{tmp_path}/2.png'], labels=['x', 'y'])"
    first = source_of(add, returns)
    assert (first.cached, first.origin, first.open()[0].files) == (True, str(tmp_path), ("a/1.png", "2.png"))
    assert source_of(add, returns).state == first.state
    Image.new("L", (4, 4), 60).save(tmp_path / "2.png", optimize=True, compress_level=0)
    assert source_of(add, returns).state != first.state


def test_names_of_files_and_groups_that_are_no_text_can_be_recorded(add, tmp_path):
    (tmp_path / "a\udcff.png").touch()
    given = ascii([f"{tmp_path}/a\udcff.png"])
    source = source_of(add, f"Dataset(images={given}, labels=['x'], groups={given})")
    assert source.open()[0].files == (r"a\udcff.png",)


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ("[1, 2]", "must return a cnnexp.extend.Dataset; got list"),
        ("Dataset(images=np.zeros((3, 4, 4)), labels=['a'])", "it has 1 labels and 3 images."),
        ("Dataset(images=[], labels=[])", "it has 0 labels and no images."),
        ("Dataset(images=['/no/such.png'], labels=['a'])", "must be files that exist; missing: /no/such.png."),
        (
            "Dataset(images=np.zeros((1, 4, 4)), labels=['a'], splits=['tset'])",
            "validation, calibration, test, or None; got tset",
        ),
        ("Dataset(images=[object()], labels=['a'])", "one by one; got object. Of another"),
    ],
)
def test_data_that_do_not_fit_are_refused(add, returns, message):
    with pytest.raises(ExtensionError) as refusal:
        source_of(add, returns)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_whole_run_of_ones_own_is_recorded_with_its_code(add):
    from cnnexp.config.columns import parameters

    text = NOISE + net([FLAT, "x = layers.Dense(num_classes)(x)"])
    with add(text):
        config = compose_config(["model=net", "augmentation=noise", "training=smoke", "training.epochs=1"])
        result = experiment.run(
            config, name="own", on_start=lambda _: None, on_epoch=lambda _: False, on_progress=lambda *_: None
        )
        recorded = parameters(config)
    assert result.code == {"extensions/kinds_of_mine.py": HEAD + text}
    assert "extensions/kinds_of_mine.py" in result.card["files"]
    assert recorded["model.code"] == recorded["augmentation.code"]
    assert json.dumps(result.settings)
    assert TABLE == {}


GROUPED = [
    "x = layers.Conv2D(8, 3, padding='same', activation='relu')(x)",
    "x = layers.Conv2D(16, 3, padding='same', groups=4, activation='relu')(x)",
    "x = layers.Conv2D(16, 3, padding='same', groups=16)(x)",
    "x = layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(x))",
]


def test_convolutions_in_groups_are_exported_for_other_runtimes(add, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra cnnexp[onnx]")
    pytest.importorskip("tf2onnx", reason="needs the extra cnnexp[onnx]")
    with add(net(GROUPED)):
        result = experiment.run(
            compose_config(["model=net", "training=smoke"]),
            name="own",
            on_start=lambda _: None,
            on_epoch=lambda _: False,
            on_progress=lambda *_: None,
        )
        source, target = trained_model.write(tmp_path / "model", result), tmp_path / "exported"
        export(source, target, onnx=True)
        pixels = trained_model.digits()[0][:20, ..., None]
        session = onnxruntime.InferenceSession(str(target / "model.onnx"))
        (given,) = session.run(None, {session.get_inputs()[0].name: pixels})
        np.testing.assert_allclose(given, open_model(source).forward(pixels)[0], atol=1e-4)
