"""``cnnexp.load(...).predict``: the answers of ``cnnexp predict``, for whatever a notebook holds."""

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cnnexp
from cnnexp.__main__ import main
from cnnexp.api.given_images import list_given
from cnnexp.errors import ConfigError, ModelError, TargetError
from support import trained_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return trained_model.folder(tmp_path_factory.mktemp("loaded") / "model")


@pytest.fixture(scope="module")
def model(folder):
    return cnnexp.load(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    trained_model.save_digits(folder, ["index-3", "index-17", "index-200"])
    return folder


def answers(table):
    return table.drop(columns="file").to_dict("records")


def test_a_folder_gets_the_answers_of_the_command(folder, model, photos, tmp_path):
    out = tmp_path / "answers.json"
    photos = shutil.copytree(photos, tmp_path / "photos")
    (photos / "notes.png").write_text("no image")
    assert main(["predict", str(folder), str(photos), "--coverage", "0.8", "--json", str(out)]) == 1
    table = model.predict(photos, coverage=0.8)
    expected = json.loads(out.read_text())
    assert len(expected) == len(table) == 4
    for line, row in zip(expected, table.to_dict("records"), strict=True):
        probabilities = line.pop("probabilities")
        if probabilities is None:
            assert (row["file"], row["error"]) == (line["file"], line["error"])
            assert pd.isna(row["label"])
            continue
        assert {name: list(row[name]) if name == "prediction_set" else row[name] for name in line} == line | {
            "error": pytest.approx(np.nan, nan_ok=True)
        }
        assert {name: float(row[f"p/{name}"]) for name in probabilities} == probabilities
    assert set(table.filter(like="p/").dtypes) == {np.dtype("float32")}


def test_files_pillow_images_and_arrays_of_one_picture_get_one_answer(model, photos):
    paths = sorted(photos.glob("*.png"))
    arrays = [np.asarray(Image.open(path)) for path in paths]
    expected = answers(model.predict(photos))
    for given in (
        paths,
        [str(path) for path in paths],
        pd.Series([str(path) for path in paths]),
        (path for path in paths),
        [path.read_bytes() for path in paths],
        [Image.open(path) for path in paths],
        arrays,
        np.stack(arrays)[..., None],
        np.repeat(np.stack(arrays)[..., None], 3, axis=-1),
        [paths[0], arrays[1], Image.open(paths[2]).convert("P")],
        [np.stack(arrays)[:1, ..., None], arrays[1], arrays[2]],
    ):
        assert answers(model.predict(given)) == expected
    assert answers(model.predict(arrays[1])) == answers(model.predict(paths[1]))


def test_images_of_different_sizes_are_each_resized(model, photos):
    paths = sorted(photos.glob("*.png"))
    large = [np.kron(np.asarray(Image.open(path)), np.ones((k, k), np.uint8)) for k, path in enumerate(paths, start=2)]
    table = model.predict(large)
    assert [table["label"][n] for n in range(3)] == list(model.predict(paths)["label"])
    assert list(table["file"]) == ["image 0", "image 1", "image 2"]


def test_a_pillow_image_is_seen_upright_and_without_its_transparency(model, photos):
    path = sorted(photos.glob("*.png"))[0]
    image = Image.open(path)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # turned clockwise to be seen
    assert answers(model.predict(turned)) == answers(model.predict(path))
    transparent = Image.merge("LA", (image, Image.new("L", image.size, 255)))
    assert answers(model.predict(transparent)) == answers(model.predict(path))


FLOATS = np.linspace(0, 1, 64).reshape(8, 8)


@pytest.mark.parametrize(
    ("images", "advice"),
    [
        (FLOATS, "got float64 from 0 to 1. Write (images * 255).round().astype('uint8')."),
        ([FLOATS.astype("float32")], "got float32 from 0 to 1. Write (images * 255)"),
        (np.stack([FLOATS] * 2)[..., None] * 255, "from 0 to 255. Write images.round().astype('uint8')."),
        (FLOATS * 2 - 1, "from -1 to 1. Take the pixels as they were before they were normalized"),
        (np.zeros((8, 8), int), "got int64 from 0 to 0. Write images.astype('uint8')."),
        (np.zeros((2, 3, 8, 8), np.uint8), "must be its last axis; got an array (2, 3, 8, 8)"),
        (np.zeros((0, 8), np.uint8), "got an array (0, 8)."),
        (np.zeros(8, np.uint8), "An image is a path of a file, folder or table"),
        ([[0, 1], [1, 0]], "or a list of these; got list."),
        (None, "got NoneType."),
        (7, "got int."),
        ({"a.png": 1}, "got dict."),
        (pd.DataFrame({"path": ["a.png"]}), "got DataFrame."),
        (np.array([["a.png"]]), "uint8; got <U5."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_image_is_refused_with_what_to_do(model, images, advice):
    with pytest.raises(TypeError) as error:
        model.predict(images)
    assert advice in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("shape", "count"), [((3, 8, 8), None), ((1, 5, 6), None), ((5, 8, 8), 5), ((3, 8, 3), 1)])
def test_a_colour_model_takes_no_image_of_pytorch_for_grey_ones(shape, count):
    card = trained_model.card().image
    listed = list_given(np.zeros(shape, np.uint8), spec=dataclasses.replace(card, color="rgb"), root=None)
    if count is None:
        with pytest.raises(TypeError, match=r"last axis; got an array .* Move them: numpy.moveaxis"):
            list(listed)
    else:
        assert len(list(listed)) == count
    grey = list(list_given(np.zeros(shape, np.uint8), spec=card, root=None))
    assert len(grey) == (1 if shape[-1] == 3 else shape[0])


def test_no_images_make_an_empty_table(model):
    table = model.predict([])
    assert len(table) == 0
    assert {"file", "label", "unlike", "p/0"} <= set(table.columns)


def test_a_missing_file_is_a_row_and_a_wrong_coverage_an_error(model):
    table = model.predict(["no such.png"])
    assert "No such file" in table["error"][0] or "no such" in table["error"][0].lower()
    with pytest.raises(ConfigError, match="coverage must be above 0"):
        model.predict([], coverage=90)


def test_golden_samples_are_predicted_again_when_a_model_is_loaded(tmp_path):
    folder = trained_model.folder(tmp_path / "changed")
    other = keras.models.load_model(folder / "model.keras")
    other.layers[-2].set_weights([-weights for weights in other.layers[-2].get_weights()])
    other.save(tmp_path / "other.keras")
    trained_model.with_model_file(folder, (tmp_path / "other.keras").read_bytes())
    with pytest.raises(ModelError, match="golden"):
        cnnexp.load(folder)


def test_what_is_no_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError, match="No runs are recorded"):
        cnnexp.load("latest")
    with pytest.raises(ConfigError, match="load takes a run or a folder"):
        cnnexp.load("latest", "seed=1")


def test_it_says_what_it_is(model, folder):
    assert str(model) == f"{folder}: 10 classes, images 8 × 8 × 1, its golden samples are answered as recorded"
    assert "0, 1, 2, 3" in model._repr_html_()
    assert "<b>" not in str(Path(model.name))
