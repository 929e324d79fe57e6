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


NETWORK = ["model=resnet", "model.width=4", "model.depth=2"]


@pytest.fixture(scope="module")
def run_ids(home):
    """The trained run, and others: continued from it twice, with other splits, and of another network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        ids = {"RUN": newest().run_id}
        further = {
            "ONE": [*WISH, "model=from_run", f"model.run={ids['RUN']}", "seed=1"],
            "TWO": [*WISH, "model=from_run", f"model.run={ids['RUN']}", "seed=2"],
            "SPLIT": [*NETWORK, "data.split_seed=5"],
            "FLAT": [*WISH, "model=small", "model.width=4"],
        }
        for name, words in further.items():
            assert main([*TRAIN, *words]) == 0
            ids[name] = newest().run_id
    return ids


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("evaluate RUN --soup", 2, "got one run. Name a sweep over seeds, or several runs: RUN RUN RUN --soup"),
        ("evaluate RUN RUN --soup", 2, "got one run"),
        ("evaluate RUN SPLIT --soup", 2, "same images in the same splits, scaled alike; those of RUN and SPLIT differ"),
        ("evaluate RUN FLAT --soup", 2, "must have the same layers; those of RUN and FLAT differ"),
        ("evaluate RUN ONE --tta 4", 2, "got also ONE. To average the weights of several runs, add --soup"),
        ("evaluate FLAT --size 16,16", 2, "trained at 12 × 12, cannot take 16 × 16"),
        ("evaluate RUN --size 4", 2, "--size must be height and width in pixels"),
        ("evaluate RUN --tta 40", 2, "The views of --tta 40 must differ"),
        ("evaluate RUN --tta flip data.mirror=false", 2, "data.mirror=false says that a mirrored image may"),
        ("evaluate RUN --tta flip data.path=nowhere", 2, "there is no nowhere"),
        ("evaluate RUN --tta flip data.path=more", 1, "are others or have other splits: "),
        ("evaluate folder --tta flip data=folder data.path=photos", 2, "Name the run instead of the folder"),
        ("evaluate RUN nobody --soup", 2, "nobody"),
        ("export RUN ONE out --tta 4", 2, "got also out. Several RUNs become one model with --soup"),
        ("export RUN out --tta 2,4", 2, "export writes one model; got --tta 2,4. Name one of them: --tta 4"),
        ("export RUN out --tta flip training.epochs=3", 2, "got also training.epochs=3"),
        ("export RUN out --soup", 2, "got one run"),
        ("export RUN --soup", 2, "Missing argument 'DIR'"),
        ("export folder out --tta flip", 2, "Name the run instead of the folder"),
        ("export RUN photos --tta flip", 2, "needs a folder of its own; photos is there already"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(inside, run_ids, capfd, command, code, message):
    if "folder --tta" in command and not (inside / "folder").exists():
        assert main(["export", run_ids["RUN"], "folder"]) == 0
    if "data.path=more" in command:
        (inside / "more").mkdir(exist_ok=True)
        for file in sorted(inside.glob("photos/*/*.png"))[1:]:
            (inside / "more" / file.parent.name).mkdir(exist_ok=True)
            (inside / "more" / file.parent.name / file.name).write_bytes(file.read_bytes())
    capfd.readouterr()
    assert main([run_ids.get(word, word) for word in command.split()]) == code
    said = " ".join(capfd.readouterr().err.split())
    for name, run_id in run_ids.items():
        said = said.replace(run_id, name).replace(run_id[:12], name)
    assert message in said
    assert "Traceback" not in said
    assert not (inside / "out").exists()


def test_a_soup_of_runs_is_their_mean_and_says_what_it_brings(inside, run_ids, capfd):
    assert main(["evaluate", run_ids["ONE"], run_ids["TWO"], "--soup"]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    run = newest()
    assert run.settings["soup"] == "greedy"
    assert {"plain/accuracy", "plain/log_loss", "seconds_per_image"} <= run.metrics.keys()
    assert re.search(
        r"The weights are the mean of those of 2 of 2 runs: validation loss|No soup: with the weights", printed
    )


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
