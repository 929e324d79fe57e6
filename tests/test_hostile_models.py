"""Model folders that somebody made on purpose, with right digests: one line of error each, and nothing executed."""

import io
import json
import zipfile

import numpy as np
import pytest

from cnnexp.__main__ import main
from cnnexp.errors import ModelError
from cnnexp.portable.card import CARD_FILE, REFERENCE_FILE, Card, UnfitModelError, digest_of
from cnnexp.saved import open_model
from support import trained_model


def with_reference_file(folder, content):
    (folder / REFERENCE_FILE).write_bytes(content)
    files = dict(Card.from_json((folder / CARD_FILE).read_text()).files) | {REFERENCE_FILE: digest_of(content)}
    return trained_model.with_card(folder, files=files)


def arrays():
    with np.load(io.BytesIO(trained_model.result().features_file)) as kept:
        return dict(kept)


def saved(**changes):
    """The reference file with some arrays changed; None leaves one out."""
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in (arrays() | changes).items() if array is not None})
    return file.getvalue()


def with_member(name, content, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for other, array in arrays().items():
            archive.writestr(f"{other}.npy", content if other == name else npy(array))
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(shape, kind="<f2"):
    """The header of an .npy file of that shape, and 8 bytes."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(8)


def changed_byte(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


FEATURES = arrays()["features"]
WHOLE = trained_model.result().features_file
REFERENCES = {
    "four terabytes claimed": with_member("features", header((2**41,))),
    "negative shape": with_member("features", header((-1, 4))),
    "overflowing shape": with_member("features", header((2**62, 2**62))),
    "a bomb": with_member("features", npy(np.zeros((5000, 5000), np.float16)), zipfile.ZIP_DEFLATED),
    "compressed by an unknown method": changed_byte(WHOLE, WHOLE.index(b"PK\x01\x02") + 10),
    "no array": with_member("labels", b"text"),
    "an object": with_member("labels", header((1,), "|O")),
    "records": with_member("labels", header((1,), [("a", "<i8")])),
    "empty": b"",
    "no archive": b"text",
    "cut": WHOLE[:-1],
    "half": WHOLE[: len(WHOLE) // 2],
    "a byte of the first array": changed_byte(WHOLE, 300),
    "no labels": saved(labels=None),
    "features of one dimension": saved(features=FEATURES[0]),
    "features of another length": saved(features=FEATURES[:, 1:]),
    "features as text": saved(features=FEATURES.astype("U5")),
    "too few labels": saved(labels=arrays()["labels"][1:]),
    "labels beyond the classes": saved(labels=arrays()["labels"] + 10),
    "negative labels": saved(labels=arrays()["labels"] - 10),
    "fractional labels": saved(labels=arrays()["labels"] + 0.5),
    "other pixels": saved(pixels=arrays()["pixels"][:, :4]),
    "float pixels": saved(pixels=arrays()["pixels"] / 255),
    "one file name": saved(files=np.frombuffer(b"a", np.uint8)),
    "means of fewer classes": saved(means=arrays()["means"][:3]),
    "axes of another length": saved(axes=arrays()["axes"][:, 1:]),
    "complex distances": saved(distances=arrays()["distances"].astype(complex)),
    "scores of two dimensions": saved(label_scores=arrays()["label_scores"][None]),
}  # fmt: skip


@pytest.mark.parametrize("content", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_file_of_another_kind_is_refused(tmp_path, content):
    folder = with_reference_file(trained_model.folder(tmp_path / "m"), content)
    with pytest.raises(ModelError, match=r"features\.npz is damaged: .* Take the original") as refusal:
        open_model(folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("depth", [400, 900, 990, 2_000, 200_000])
@pytest.mark.parametrize("field", ["scaling", "golden", "stranger"])
def test_a_card_that_is_nested_deeply_is_refused_or_harmless(depth, field):
    content = json.dumps(trained_model.result().card | {field: 0})
    deep = content.replace(f'"{field}": 0', f'"{field}": {"[" * depth}{"]" * depth}')
    with pytest.raises(UnfitModelError, match=r"card\.json"):
        Card.from_json(deep)


@pytest.mark.parametrize("count", [3, 9, 11])
def test_class_names_that_are_not_as_many_as_the_outputs_are_refused(tmp_path, count):
    folder = trained_model.with_card(trained_model.folder(tmp_path / "m"), class_names=tuple(map(str, range(count))))
    with pytest.raises(ModelError, match=rf"{count} classes"):
        open_model(folder)


def test_a_card_without_golden_samples_is_refused(tmp_path):
    folder = trained_model.with_card(trained_model.folder(tmp_path / "m"), golden=())
    with pytest.raises(ModelError, match="must have golden samples"):
        open_model(folder)


def keras_file(tmp_path, build):
    import keras

    inputs = keras.Input((8, 8, 1), dtype="uint8", name="a")
    build(keras, inputs).save(tmp_path / "other.keras")
    return (tmp_path / "other.keras").read_bytes()


@pytest.mark.parametrize(
    "build",
    [
        lambda keras, x: keras.Model(x, keras.layers.Flatten()(x)),
        lambda keras, x: keras.Model(x, keras.layers.Softmax()(keras.layers.Flatten()(x)[:, :10])),
        lambda keras, x: keras.Model([x, y := keras.Input((8,))], keras.layers.Dense(10)(y)),
        lambda keras, x: keras.Model(x, [keras.layers.Dense(10)(keras.layers.Flatten()(x)), x]),
        lambda keras, x: keras.Model({"a": x}, {"b": keras.layers.Dense(10)(keras.layers.Flatten()(x))}),
    ],
    ids=["64 outputs", "no dense layer", "two inputs", "two outputs", "named"],
)
def test_a_model_of_another_form_is_refused(tmp_path, build):
    folder = trained_model.with_model_file(trained_model.folder(tmp_path / "m"), keras_file(tmp_path, build))
    with pytest.raises(ModelError):
        open_model(folder)


def test_the_command_says_it_in_one_line(tmp_path, capfd):
    folder = with_reference_file(trained_model.folder(tmp_path / "m"), REFERENCES["four terabytes claimed"])
    (image,) = trained_model.save_digits(tmp_path, ["index-3"])
    assert main(["predict", str(folder), str(image)]) == 1
    said = capfd.readouterr().err
    assert "features.npz is damaged" in said
    assert "Traceback" not in said
