import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from cnnexp.compose import compose_config
from cnnexp.datasets import load_splits
from cnnexp.errors import DataError
from cnnexp.records import RecordedPredictions
from cnnexp.runs.evaluation_context import evaluation_context
from cnnexp.saved import evaluation_set, reevaluation
from cnnexp.saved.faults import Fault
from cnnexp.saved.shifts import Shift
from support import trained_model

NAMES = ("stop", "yield", "no entry")


def find(words):
    return evaluation_set.load_evaluation_set(
        compose_config(words).data, trained_model.card(), seed=0, on_progress=lambda done, total: None
    )


def judge(judged, change=None, model=None):
    return reevaluation.reevaluate(model or trained_model.model(), judged, change=change, seed=0)


def folder_of(root, *, classes, count=6, prefix=""):
    """Digits as photographs of another size, a folder a class; `classes` maps folder names to digits."""
    pixels, labels = trained_model.digits()
    for name, digit in classes.items():
        (root / name).mkdir(parents=True)
        for index in np.flatnonzero(labels == digit)[:count]:
            Image.fromarray(pixels[index]).resize((32, 32), 0).convert("RGB").save(root / name / f"{prefix}{index}.png")
    return root


def test_the_own_test_split_gives_the_recorded_numbers():
    run = trained_model.result()
    found = judge(find(["data=digits"]))
    assert found.predictions.files == run.predictions["test"].files
    assert np.abs(found.predictions.probabilities - run.predictions["test"].probabilities).max() <= 1e-5
    for name, value in run.evaluation.metrics.items():
        assert found.metrics[f"test/{name}"] == pytest.approx(value, abs=1e-4), name
    assert found.metrics["test/set_coverage_0.9"] > 0.83
    assert found.metrics["test/unlike"] < 0.04
    assert found.notes == run.info.notes


def test_a_shift_lowers_the_score_and_raises_the_warnings():
    plain, blurred = judge(find(["data=digits"])), judge(find(["data=digits"]), Shift("blur", (1.5,)))
    assert blurred.metrics["test/accuracy"] < plain.metrics["test/accuracy"] - 0.1
    assert blurred.metrics["test/unlike"] > plain.metrics["test/unlike"]


def test_classes_are_matched_by_name_and_the_rest_is_said(tmp_path):
    root = folder_of(tmp_path / "photos", classes={"7": 7, "0": 0, "3": 3, "moon": 5})
    judged = find(["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"])
    assert (judged.part, judged.class_names) == ("all images", ("0", "3", "7", "moon"))
    found = judge(judged)
    assert found.metrics["test/accuracy"] > 0.7
    assert [score.support for score in found.evaluation.per_class] == [6, 0, 0, 6, 0, 0, 0, 6, 0, 0]
    notes = " ".join(found.notes)
    assert "The model knows no class moon: 6 images were left out." in notes
    assert "The data has no class 1, 2, 4, 5, 6, 8, 9, which the model knows." in notes


def test_training_images_among_the_judged_are_counted(tmp_path):
    run = trained_model.result()
    known = trained_model.model().reference.files
    labels = trained_model.digits()[1]
    own = [name for name in known if labels[int(name[6:])] == 4][:3]
    new = [name for name in run.predictions["test"].files if labels[int(name[6:])] == 4][:4]
    trained_model.save_digits(tmp_path / "d" / "4", [*own, *new])
    trained_model.save_digits(tmp_path / "d" / "other", [new[0]])
    judged = find(["data=folder", f"data.path={tmp_path / 'd'}", f"data.cache={tmp_path / 'cache'}"])
    assert "3 of the 7 images are training images of the model" in " ".join(judge(judged).notes)
    model = trained_model.model()
    few = dataclasses.replace(model.reference, pixels=model.reference.pixels[:1])  # as of a large training set
    assert "3 of the 7 images" in " ".join(judge(judged, model=dataclasses.replace(model, reference=few)).notes)
    older = dataclasses.replace(model, reference=dataclasses.replace(model.reference, trained_on=None))
    assert "At least 3 of the 7 images" in " ".join(judge(judged, model=older).notes)


def test_what_a_run_has_decoded_is_not_decoded_again(tmp_path):
    """The card says what `auto` had become: the same rule by another name."""
    root = folder_of(tmp_path / "d", classes={"1": 1, "2": 2}, count=12)
    words = ["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"]
    splits = load_splits(compose_config(words).data, seed=0, on_progress=lambda done, total: None)
    card = dataclasses.replace(trained_model.card(), image=splits.spec)
    read = []
    evaluation_set.load_evaluation_set(
        compose_config(words).data, card, seed=0, on_progress=lambda done, total: read.append(done)
    )
    assert (read, len(list((tmp_path / "cache").glob("*/entry.json")))) == ([], 1)


def test_a_declared_test_split_is_the_one_that_is_judged(tmp_path):
    for split, count in (("train", 3), ("test", 5)):
        folder_of(tmp_path / "d" / split, classes={"1": 1, "2": 2}, count=count, prefix=split)
    judged = find(["data=folder", f"data.path={tmp_path / 'd'}", f"data.cache={tmp_path / 'cache'}"])
    assert (judged.part, len(judged.labels)) == ("test split", 10)
    assert all(file.startswith("test/") for file in judged.files)


def test_what_the_layout_leaves_out_is_among_the_notes_of_an_evaluation(tmp_path):
    root = folder_of(tmp_path / "d", classes={"1": 1, "2": 2}, count=8)
    next((root / "1").iterdir()).rename(root / "beside.png")
    judged = find(["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"])
    note = "Left out: 1 image beside the class folders, not in one, such as beside.png."
    assert note in judged.notes
    assert note in judge(judged).notes


def test_folders_without_a_test_split_are_judged_whole(tmp_path):
    for split in ("train", "val"):
        folder_of(tmp_path / "d" / split, classes={"1": 1, "2": 2}, count=3, prefix=split)
    judged = find(["data=folder", f"data.path={tmp_path / 'd'}", f"data.cache={tmp_path / 'cache'}"])
    assert (judged.part, len(judged.labels)) == ("all images", 12)


def test_a_test_split_of_other_classes_is_an_error(tmp_path):
    folder_of(tmp_path / "d" / "train", classes={"1": 1, "one": 2})
    folder_of(tmp_path / "d" / "test", classes={"one": 1})
    judged = find(["data=folder", f"data.path={tmp_path / 'd'}", f"data.cache={tmp_path / 'cache'}"])
    with pytest.raises(DataError, match=r"has none in its test split\. The model knows 0, 1"):
        judge(judged)


def test_no_class_in_common_is_an_error(tmp_path):
    root = folder_of(tmp_path / "d", classes={"zero": 0, "one": 1})
    judged = find(["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"])
    with pytest.raises(
        DataError, match=r"none of .* is one of the model's. The data has one, zero; the model has 0, 1"
    ):
        judge(judged)


def test_matching_follows_names_not_positions():
    labels = np.array([0, 1, 2, 1])
    matched, notes = reevaluation.match_classes(("yield", "no entry", "stop"), NAMES, labels, source="d")
    assert [NAMES[label] for label in matched] == ["yield", "no entry", "stop", "no entry"]
    assert notes == ()
    matched, notes = reevaluation.match_classes(("stop", "bus", "x"), NAMES, labels, source="d")
    assert matched.tolist() == [0, -1, -1, -1]
    assert notes == (
        "The model knows no class bus, x: 3 images were left out.",
        "The data has no class yield, no entry, which the model knows.",
    )


@pytest.mark.parametrize("name", ["scaled_twice", "unscaled"])
def test_a_fault_in_the_scaling_is_what_the_network_gets(name, tmp_path):
    from cnnexp.portable.classifier import load_keras

    folder, judged = trained_model.folder(tmp_path / "model"), find(["data=digits"])
    network = load_keras(folder / "model.keras")
    scaling = network.get_layer("scaling")
    after = keras.Model(network.layers[network.layers.index(scaling) + 1].input, network.outputs[0])
    right = judged.images / 255
    expected = after.predict(right / 255 if name == "scaled_twice" else judged.images.astype("float32"), verbose=0)
    wrong = reevaluation.changed_model(trained_model.model(), folder, Fault(name))
    found = judge(judged, Fault(name), wrong)
    assert np.abs(found.predictions.probabilities - expected).max() < 1e-4
    assert found.metrics["test/log_loss"] != pytest.approx(judge(judged).metrics["test/log_loss"], rel=0.1)


def test_other_changes_leave_the_model_alone(tmp_path):
    model = trained_model.model()
    for change in (None, Fault("turned"), Shift("blur", (1.0,))):
        assert reevaluation.changed_model(model, tmp_path, change) is model


def test_names_in_another_order_are_right_for_no_image_that_was_right():
    judged = find(["data=digits"])
    right, wrong = judge(judged), judge(judged, Fault("class_order"))
    assert np.array_equal(wrong.predictions.labels, right.predictions.labels)
    assert wrong.metrics["test/accuracy"] < 1 - right.metrics["test/accuracy"] + 1e-9


def test_another_resize_reads_the_same_images(tmp_path):
    root = folder_of(tmp_path / "photos", classes={"7": 7, "0": 0})
    data = compose_config(["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"]).data
    judged = find(["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"])
    spec = trained_model.card().image
    again = evaluation_set.reread(data, judged, Fault("nearest").reading(spec), on_progress=lambda *_: None)
    assert (again.digest, again.files) == (judged.digest, judged.files)
    assert again.images.shape == judged.images.shape
    same = evaluation_set.reread(data, judged, spec, on_progress=lambda *_: None)
    np.testing.assert_array_equal(same.images, judged.images)


def context_of(found, judged, own="recorded", model=None):
    """The sentences about an evaluation; `own` are predictions of the run, for its own test images."""
    run = trained_model.result()
    if own == "recorded":
        test = run.predictions["test"]
        own = RecordedPredictions(
            class_names=run.info.class_names, files=test.files, digests=test.digests,
            reading=json.dumps(run.card["image"], sort_keys=True), content_digest=run.info.content_digest,
            labels=test.labels, probabilities=test.probabilities,
        )  # fmt: skip
    return evaluation_context(found, judged, model or trained_model.model(), own)


def test_the_own_images_changed_are_compared_in_pairs_with_the_own_score():
    judged = find(["data=digits"])
    images, before = len(judged.labels), trained_model.result().metrics["test/accuracy"]
    same = context_of(judge(judged), judged)["own test"]
    assert same.startswith("accuracy +0.0 points (95 % interval -")
    assert same.endswith(f"no difference shown) against {before:.3f} on its own {images} test images, the same images.")
    blurred = judge(judged, Shift("blur", (1.5,)))
    found = context_of(blurred, judged)["own test"]
    change = 100 * (blurred.metrics["test/accuracy"] - before)
    assert found.startswith(f"accuracy {change:+.1f} points (95 % interval -")
    assert found.endswith("the same images.")
    assert "no difference shown" not in found


def test_runs_of_version_0_1_0_are_paired_where_the_data_are_those_of_the_training(tmp_path):
    judged, run = find(["data=digits"]), trained_model.result()
    test = run.predictions["test"]
    own = RecordedPredictions(run.info.class_names, test.files, None, None, None, test.labels, test.probabilities)
    assert "the same images" in context_of(judge(judged), judged, own=own)["own test"]
    others = dataclasses.replace(judged, digest="of other pixels under the same names")
    assert "which are other images" in context_of(judge(judged), others, own=own)["own test"]


def test_other_images_are_compared_unpaired_and_checked(tmp_path):
    root = folder_of(tmp_path / "photos", classes={str(digit): digit for digit in range(10)}, count=6)
    Image.fromarray(np.full((32, 32, 3), 255, np.uint8)).save(root / "3" / "white.png")
    shutil.copyfile(root / "7" / next(path.name for path in (root / "7").iterdir()), root / "7" / "copy.png")
    judged = find(["data=folder", f"data.path={root}", f"data.cache={tmp_path / 'cache'}"])
    found = judge(judged)
    context = context_of(found, judged)
    assert "which are other images." in context["own test"]
    unlike = round(62 * found.metrics["test/unlike"])
    assert context["unlike"].startswith(
        f"{unlike} of 62 images ({100 * unlike / 62:.1f} %) are unlike the training data;"
    )
    assert context["data"].startswith("1 image repeats another of the same class and split (1 exact).")
    assert "far from the rest" in context["data"]


def test_without_a_recorded_test_nothing_is_said_of_it():
    judged = find(["data=digits"])
    assert "own test" not in context_of(judge(judged), judged, own=None)
    assert context_of(judge(judged), judged)["data"] == "the data check finds nothing remarkable in these images."
