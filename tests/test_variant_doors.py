"""One run, and models made of it by --tta, --size and --soup: the same answer from every door, and what is recorded."""

import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import softmax

from cnnexp.__main__ import main
from cnnexp.images import read_image
from cnnexp.portable.card import Card
from cnnexp.portable.classifier import load_keras
from cnnexp.portable.served_model import ImageModel
from cnnexp.saved import open_model
from cnnexp.tracking.recorded_model import recorded_models
from cnnexp.tracking.store.find_runs import find_runs
from cnnexp.training import configure_tensorflow
from support import trained_model
from test_variants import seen

STORE = "sqlite:///mlflow.db"
SHORT = ["training=smoke", "training.epochs=2", "training.threads=1", "data.limit=null"]
TRAIN = ["data=folder", "data.path=photos", "data.size=[12,12]", "data.mirror=true", "data.jitter=0.2", *SHORT]
WISH = ["decision.positive=eight", "decision.sensitivity=0.8", "data.calibration=0.3"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with photographs of threes and eights, and a store with a run."""
    home = tmp_path_factory.mktemp("home")
    images, labels = trained_model.digits()
    for number in np.flatnonzero((labels == 3) | (labels == 8)).tolist():
        folder = home / "photos" / {3: "three", 8: "eight"}[int(labels[number])]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number].squeeze()).resize((24, 24)).save(folder / f"{number}.png")
    configure_tensorflow(threads=1, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main([*TRAIN, *WISH, "model=resnet", "model.width=4", "model.depth=2"]) == 0
    return home


@pytest.fixture
def inside(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


def trained_run():
    """The first run of the store: the trained one."""
    (model,) = recorded_models("latest", uri=STORE)
    return model


def newest():
    (run,) = find_runs(["latest"], uri=STORE)
    return run


def predicted(target, files, folder):
    output = folder / "answers.json"
    assert main(["predict", str(target), *map(str, files), "--json", str(output)]) == 0
    return json.loads(output.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_door_of_a_model_of_views_gives_one_answer(inside, tmp_path, capfd):
    first = trained_run()
    assert main(["evaluate", first.run.run_id, "--tta", "4"]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    run = newest()
    own = run.read_predictions()
    files = [inside / "photos" / name for name in own.files]
    assert main(["export", first.run.run_id, str(tmp_path / "exported"), "--tta", "4"]) == 0
    exported = " ".join(capfd.readouterr().out.split())
    model = open_model(tmp_path / "exported")

    # by hand: the mean of the logits of the trained network over the views, divided by the new temperature
    with first.folder() as folder:
        network = load_keras(folder / "model.keras")
        before = Card.from_json((folder / "card.json").read_bytes())
    pixels = np.stack([read_image(file, before.image) for file in files])
    logits = keras.Model(network.input, network.get_layer("logits").output)
    mean = np.mean([logits(seen(pixels, view)).numpy() for view in model.card.variant.views], axis=0)
    right = softmax(mean * before.temperature / model.card.temperature, axis=1)
    assert [str(view) for view in model.card.variant.views][:2] == ["as it is", "mirrored"]

    served = ImageModel(model).predict(pd.DataFrame({"image": [file.read_bytes() for file in files]}))
    answers = predicted(tmp_path / "exported", files, tmp_path)
    for way in (own.probabilities, [list(one["probabilities"].values()) for one in answers]):
        np.testing.assert_allclose(np.array(way), right, atol=1e-5)
    np.testing.assert_allclose([list(one.values()) for one in served["probabilities"]], right, atol=1e-5)
    names = [own.class_names[place] for place in own.predicted]
    assert [one["label"] for one in answers] == served["label"].tolist() == names
    assert model.card.decision.positive == "eight"

    # what was done, what it changes and what it costs
    assert run.settings["tta"] == "4"
    assert run.tags["cnnexp.evaluates"] == first.run.run_id
    assert run.metrics["plain/accuracy"] == pytest.approx(first.run.metrics["test/accuracy"])
    assert run.metrics["seconds_per_image"] > run.metrics["plain/seconds_per_image"] > 0
    assert "the mean over 4 views (as it is; mirrored;" in printed
    assert re.search(r"plain accuracy [+-][\d.]+ points \(95 % interval .*the same \d+ images; .* ms an image", printed)
    assert "own test" not in printed
    assert "the mean over 4 views" in exported
    assert "the mean over 4 views" in " ".join((tmp_path / "exported" / "README.txt").read_text().split())
    # the exported folder, evaluated again on the same images
    assert main(["evaluate", str(tmp_path / "exported"), *TRAIN[:2], *WISH[2:]]) == 0
    assert newest().metrics["test/accuracy"] == pytest.approx(run.metrics["test/accuracy"])
