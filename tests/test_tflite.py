import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnexp.__main__ import main
from cnnexp.cli.outputs import with_values
from cnnexp.compose import compose_config
from cnnexp.datasets import load_splits
from cnnexp.errors import ModelError
from cnnexp.models import Regularization, build_model
from cnnexp.portable.card import digest_of
from cnnexp.portable.decision import Decision
from cnnexp.records import Scaling
from cnnexp.saved.export import export
from cnnexp.saved.quantization import measure_loss, representative_images
from cnnexp.saved.to_tflite import TFLiteModel, to_tflite
from support import trained_model

NO_DROPOUT = Regularization(dropout=0.2, l1=0.0, l2=0.0)
COLOR = Scaling("standardize", (1 / 60, 1 / 50, 1 / 70), (-2.0, -2.1, -1.9))  # with an offset, unlike that of grey


def splits_of_digits():
    config = compose_config(["data=digits"])
    return load_splits(config.data, seed=config.seed, on_progress=lambda *_: None)


def answers(file, pixels):
    """Ask the file as an app does."""
    interpreter = tf.lite.Interpreter(str(file))
    ask = interpreter.get_signature_runner()
    return np.concatenate([ask(uint8_pixels_0_to_255=image[None])["probabilities"] for image in pixels])


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_the_file_answers_as_the_model_and_says_what_it_takes(tmp_path, capfd):
    target = tmp_path / "exported"
    written = export(trained_model.folder(tmp_path / "model"), target, onnx=False, tflite=True)
    assert capfd.readouterr().err == "", "the converter keeps what it has to say to itself"
    pixels = trained_model.digits()[0][:200, ..., None]
    np.testing.assert_allclose(
        answers(target / "model.tflite", pixels), trained_model.model().forward(pixels)[0], atol=1e-4
    )
    record = json.loads((target / "tflite.json").read_text())
    assert record == json.loads(json.dumps(dataclasses.asdict(written)))
    assert (record["form"], record["loss"], record["representative_images"]) == ("float32", None, 0)
    assert record["sha256"] == digest_of((target / "model.tflite").read_bytes())
    assert record["milliseconds"] > 0
    readme = " ".join((target / "README.txt").read_text().split())
    assert "one image at a time, as uint8 (1, 8, 8, 1), and gives 10 probabilities" in readme
    assert " ".join(written.sentences) in readme


def test_a_conversion_that_answers_differently_is_not_exported(tmp_path, monkeypatch):
    predict = TFLiteModel.predict
    monkeypatch.setattr(TFLiteModel, "predict", lambda self, pixels: predict(self, pixels) + np.float32(2e-4))
    with pytest.raises(ModelError, match=r"model\.tflite does not answer as the model does.*scaling or weights"):
        export(trained_model.folder(tmp_path / "model"), tmp_path / "exported", onnx=False, tflite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_int8_says_what_it_loses_on_the_test_images(tmp_path, capfd):
    folder, target = trained_model.folder(tmp_path / "model"), tmp_path / "phone"
    assert main(["export", str(folder), str(target), "--tflite=int8", "data=digits"]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    test, splits = trained_model.result().predictions["test"], splits_of_digits()
    given = answers(target / "model.tflite", splits.test.images[splits.test.rows])
    assert given.min() > 0, "a probability is no multiple of 1/256"
    right, was = given.argmax(axis=1) == test.labels, test.probabilities.argmax(axis=1) == test.labels
    loss = json.loads((target / "tflite.json").read_text())["loss"]
    assert loss["images"] == len(test.labels)
    assert loss["before"] == pytest.approx(was.mean())
    assert loss["difference"]["mean"] == pytest.approx(right.mean() - was.mean())
    assert loss["difference"]["low"] < loss["difference"]["mean"] < loss["difference"]["high"]
    assert loss["same"] == (given.argmax(axis=1) == test.probabilities.argmax(axis=1)).sum() > 0.97 * len(test.labels)
    assert f"In 8 bits: accuracy {100 * loss['difference']['mean']:+.1f} points (95 % interval" in printed
    assert f"against {was.mean():.3f} on {len(test.labels)} test images" in " ".join(
        (target / "README.txt").read_text().split()
    )
    assert (target / "model.tflite").stat().st_size < 0.4 * (target / "model.keras").stat().st_size


def test_int8_is_fitted_on_every_class_and_on_no_other_data(tmp_path, capfd):
    splits = splits_of_digits()
    chosen = representative_images(splits)
    rows = {
        image.tobytes(): label
        for image, label in zip(splits.train.images[splits.train.rows], splits.train.labels, strict=True)
    }
    assert 280 <= len(chosen) <= 300
    assert np.bincount([rows[image.tobytes()] for image in chosen], minlength=10).min() > 20
    folder = trained_model.folder(tmp_path / "model")
    assert (
        main(["export", str(folder), str(tmp_path / "out"), "--tflite=int8", "data=digits", "data.split_seed=5"]) == 1
    )
    assert "digits has other images, or other splits" in " ".join(capfd.readouterr().err.split()).replace(
        "scikit-learn", "digits"
    )
    assert not (tmp_path / "out").exists()


def model_that_answers(probabilities, *, decision=None):
    """A model whose probabilities for the images of a split are given, the same for every image of equal pixels."""
    card = dataclasses.replace(trained_model.card(), class_names=tuple("ab"), decision=decision)
    return dataclasses.replace(trained_model.model(), card=card, forward=lambda pixels: (probabilities(pixels), None))


def share(value):
    return lambda pixels: np.tile(np.float32([1 - value, value]), (len(pixels), 1))


def two_classes():
    splits = splits_of_digits()
    test = dataclasses.replace(splits.test, labels=(splits.test.labels > 4).astype(np.int64))
    return dataclasses.replace(splits, test=test)


def test_a_loss_that_is_no_rounding_is_refused():
    splits = two_classes()
    second = splits.test.labels.mean()
    assert 0.4 < second < 0.6
    lost = measure_loss(model_that_answers(share(0.9)), share(0.8), splits)
    assert (lost.difference.mean, lost.same) == (0.0, len(splits.test))
    right = dict(
        zip((image.tobytes() for image in splits.test.images[splits.test.rows]), splits.test.labels, strict=True)
    )
    known = model_that_answers(lambda pixels: np.eye(2, dtype=np.float32)[[right[image.tobytes()] for image in pixels]])
    with pytest.raises(
        ModelError, match=r"8 bits are too few for this model: accuracy -\d+\.\d points .* against 1\.000"
    ):
        measure_loss(known, share(0.9), splits)
    with pytest.raises(ModelError, match="gives no probabilities"):
        measure_loss(known, share(np.nan), splits)


def test_the_loss_is_that_of_the_answers_by_the_threshold():
    counts = {"hits": 9, "positives": 10, "false_alarms": 1, "negatives": 10}
    decision = Decision(positive="b", threshold=0.2, rule="cost", wanted=5.0, **counts)
    splits = two_classes()
    assert measure_loss(model_that_answers(share(0.21)), share(0.19), splits).same == len(splits.test)
    by_threshold = measure_loss(model_that_answers(share(0.21), decision=decision), share(0.19), splits)
    assert by_threshold.same == 0
    assert by_threshold.before == pytest.approx(splits.test.labels.mean())


def test_a_model_that_has_seen_all_images_says_so():
    splits = two_classes()
    train = dataclasses.replace(splits.train, labels=(splits.train.labels > 4).astype(np.int64))
    nothing = dataclasses.replace(splits.test, rows=splits.test.rows[:0], labels=splits.test.labels[:0], files=())
    loss = measure_loss(
        model_that_answers(share(0.9)), share(0.9), dataclasses.replace(splits, train=train, test=nothing)
    )
    assert "training images; the same answer for" in loss.sentence
    assert loss.sentence.endswith("on new ones it may lose more.")


@pytest.mark.parametrize("representative", [None, np.zeros((3, 8, 8, 1), np.uint8)], ids=["float32", "int8"])
def test_an_operation_that_phones_lack_is_refused_by_name(representative, capfd):
    pixels = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.ops.erfinv(keras.ops.cast(pixels, "float32") / 300.0))
    model = keras.Model(pixels, keras.layers.Softmax()(keras.layers.Dense(3)(x)))
    with pytest.raises(ModelError, match=r"cannot be converted: it has Erfinv\. Export it without --tflite"):
        to_tflite(model, representative=representative)
    assert capfd.readouterr().err == ""


def test_a_network_of_color_images_is_the_same_in_both_forms():
    require_both_forms("small", (16, 16, 3), COLOR)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "baseline", "regularized", "alexnet", "vgg", "resnet", "airbench"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (29, 40, 3)])
def test_every_network_is_the_same_in_both_forms(name, shape):
    require_both_forms(name, shape, COLOR if shape[-1] == 3 else Scaling("unit", (1 / 255,), (0.0,)))


def require_both_forms(name, shape, scaling):
    keras.utils.set_random_seed(3)
    model = build_model(
        compose_config([f"model={name}"]).model, input_shape=shape, num_classes=4, scaling=scaling,
        regularization=NO_DROPOUT, precision="float32",
    )  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 256, (24, *shape), np.uint8)
    expected = model.predict_on_batch(pixels)
    np.testing.assert_allclose(TFLiteModel(to_tflite(model, representative=None)).predict(pixels), expected, atol=1e-5)
    rounded = TFLiteModel(to_tflite(model, representative=pixels)).predict(pixels)
    np.testing.assert_allclose(rounded, expected, atol=0.1)
    assert np.abs(rounded - expected).max() > 1e-6, "it computes in 8 bits"


def test_the_argument_after_the_option_is_not_its_value():
    assert with_values(["export", "--tflite", "latest", "out"], {"--tflite": "float32"}) == [
        "export",
        "--tflite=float32",
        "latest",
        "out",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "latest", "out", "data=digits"], "with --tflite=int8 settings of data; got also data=digits"),
        (["export", "latest", "out", "--tflite=int4"], "'int4' is not one of 'float32', 'int8'"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_read(words, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in " ".join(capfd.readouterr().err.split())
