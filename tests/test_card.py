import dataclasses
import json

import numpy as np
import pytest

from cnnexp.compose import compose_config
from cnnexp.datasets import load_splits
from cnnexp.errors import ModelError
from cnnexp.images import read_image
from cnnexp.portable.card import DIGEST, Card, UnfitModelError, content_digest
from cnnexp.portable.reference import normalized
from cnnexp.saved import build_reference, open_model
from support import trained_model


def test_a_card_survives_writing_and_reading_whatever_the_layout():
    content = trained_model.result().card
    read = Card.from_json(json.dumps(content))
    assert read.as_dict() == content
    assert Card.from_json(json.dumps(content, indent=3, sort_keys=True, ensure_ascii=False)) == read
    assert len(json.dumps(content)) < 300_000


def test_a_card_knows_the_training_pixels():
    train = load_splits(compose_config([]).data, seed=0, on_progress=lambda done, total: None).train
    pixels = train.images[train.rows].astype(float)
    known = trained_model.card().training_pixels
    assert known.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)), abs=1e-3)
    assert known.deviation == pytest.approx(pixels.std(axis=(0, 1, 2)), abs=1e-3)


def test_a_card_says_what_a_user_needs():
    card = trained_model.card()
    assert card.class_names == tuple("0123456789")
    assert card.image.shape == (8, 8, 1)
    assert card.scaling == {"rule": "unit", "scale": [1 / 255], "offset": [0.0]}
    assert list(card.thresholds.coverage) == ["0.8", "0.9", "0.95", "0.99"]
    assert sorted(card.thresholds.coverage.values(), reverse=True) == list(card.thresholds.coverage.values())
    assert card.calibration_images == card.thresholds.images == 179
    assert {"tensorflow", "keras", "numpy", "pillow"} <= set(card.versions)
    assert [sample.name for sample in card.golden][-1] == "chart"
    assert len({sample.label for sample in card.golden[:-1]}) > 1


def test_of_long_features_those_of_a_few_images_are_in_memory_together(monkeypatch):
    splits = load_splits(compose_config([]).data, seed=0, on_progress=lambda done, total: None)
    asked = []

    def features_of(name, positions):
        asked.append(len(positions))
        return normalized(splits[name].images[splits[name].rows[positions]].astype(np.float32))

    monkeypatch.setattr(build_reference, "FEATURE_VALUES", 64 * 50)  # 64 values of an image
    probabilities = np.full((len(splits.calibration), 10), 0.1, np.float32)
    found = build_reference.build_reference(splits, features_of, probabilities)
    assert max(asked) == 50
    every = np.arange(len(splits.calibration))
    pixels = splits.calibration.images[splits.calibration.rows]
    expected = np.sort(found.distances_of(features_of("calibration", every), pixels))
    assert found.distances == pytest.approx(expected, rel=1e-5)
    assert found.feature_gaussians.means.shape == (10, 64)


FIELDS = {field.name for field in dataclasses.fields(Card)} - {
    "format",
    "decision",
    "variant",
}  # few cards have the last two


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_card_that_was_tampered_with_is_refused(field):
    content = trained_model.result().card
    for changed in (content | {field: "other"}, {key: value for key, value in content.items() if key != field}):
        with pytest.raises(UnfitModelError, match=r"card\.json has been changed"):
            Card.from_json(json.dumps(changed))


def test_a_field_too_many_or_too_few_is_named_even_with_a_right_digest():
    content = {key: value for key, value in trained_model.result().card.items() if key != DIGEST}
    more, fewer = content | {"extra": 1}, {key: value for key, value in content.items() if key != "class_names"}
    for changed, message in ((more, "extra is unknown"), (fewer, "class_names is missing")):
        with pytest.raises(UnfitModelError, match=message):
            Card.from_json(json.dumps(changed | {DIGEST: content_digest(changed)}))
    impossible = content | {"image": content["image"] | {"kernel": "cubist"}}
    with pytest.raises(UnfitModelError, match="kernel must be one of"):
        Card.from_json(json.dumps(impossible | {DIGEST: content_digest(impossible)}))


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must be JSON"), ("{", "must be JSON"), ("[]", "one JSON object"), ("{}", "format 4; got None")],
)
def test_what_is_no_card_is_refused(text, message):
    with pytest.raises(UnfitModelError, match=message):
        Card.from_json(text)


@pytest.mark.parametrize("name", ["model.keras", "features.npz", "card.json"])
def test_a_missing_file_is_named(tmp_path, name):
    folder = trained_model.folder(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name} cannot be read"):
        open_model(folder)


@pytest.mark.parametrize("name", ["model.keras", "features.npz"])
def test_a_file_of_another_model_is_named(tmp_path, name):
    folder = trained_model.folder(tmp_path / "m")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} in .* is not the file its card was written for"):
        open_model(folder)


def test_other_weights_are_told_from_another_order_of_classes(tmp_path):
    names = trained_model.card().class_names
    folder = trained_model.with_card(trained_model.folder(tmp_path / "order"), class_names=names[::-1])
    with pytest.raises(ModelError, match="the step that differs is class order"):
        open_model(folder)

    import keras

    folder = trained_model.folder(tmp_path / "weights")
    model = keras.models.load_model(folder / "model.keras")
    kernel, bias = model.get_layer("logits").get_weights()
    for weights, step in (
        ((kernel * np.float32(1.001), bias), "scaling or weights"),
        ((kernel[:, ::-1], bias[::-1]), "class order"),
    ):
        model.get_layer("logits").set_weights(weights)
        model.save(tmp_path / "other.keras")
        trained_model.with_model_file(folder, (tmp_path / "other.keras").read_bytes())
        with pytest.raises(ModelError, match=f"the step that differs is {step}"):
            open_model(folder)


def test_another_rule_of_resizing_is_found_although_the_digits_need_none(tmp_path):
    image = dataclasses.replace(trained_model.card().image, resize="pad")
    folder = trained_model.with_card(trained_model.folder(tmp_path / "m"), image=image)
    with pytest.raises(ModelError, match="the step that differs is resizing: for the golden sample chart"):
        open_model(folder)


def test_code_inside_a_model_is_never_executed(tmp_path):
    import keras

    trace = tmp_path / "executed"
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Lambda(lambda x, path=str(trace): (open(path, "w").close(), x)[1], output_shape=(8, 8, 1))(inputs)  # noqa: PTH123
    keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(x))).save(
        tmp_path / "lambda.keras"
    )
    trace.unlink(missing_ok=True)  # building it may have run it
    folder = trained_model.folder(tmp_path / "m")
    trained_model.with_model_file(folder, (tmp_path / "lambda.keras").read_bytes())
    with pytest.raises(ModelError, match="without executing code in it"):
        open_model(folder)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no model"])
def test_a_damaged_model_file_is_a_clean_error(tmp_path, content):
    folder = trained_model.with_model_file(trained_model.folder(tmp_path / "m"), content)
    with pytest.raises(ModelError, match="cannot be loaded as a model"):
        open_model(folder)


def test_golden_files_give_the_training_pixels():
    known = trained_model.model().reference
    for sample in trained_model.card().golden[:-1]:
        import base64

        pixels = read_image(base64.b64decode(sample.file), trained_model.card().image)
        np.testing.assert_array_equal(pixels, known.pixels[known.files.index(sample.name)])
