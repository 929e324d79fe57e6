"""Runs of folds from outside: what they train, what they put together, and what is left where they are stopped."""

import json

import numpy as np
import pytest
from mlflow import MlflowClient
from pyarrow import parquet

from cnnexp.__main__ import main
from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.sweeps.resume_tags import tags_to_resume
from cnnexp.tracking.store.find_runs import find_runs
from support.sweep_processes import kill, recorded, start, sweep, wait_for

WORDS = ["training=smoke", "training.patience=null", "training.epochs=2", "data=npz", "data.path=shapes.npz"]


def write_shapes(folder, *, images=90):
    """Images 8 × 8 of three classes that a network tells apart in a few steps, with noise in them."""
    random = np.random.RandomState(0)
    labels = np.arange(images) % 3
    pixels = random.randint(0, 100, (images, 8, 8))
    for label, band in enumerate((slice(0, 3), slice(3, 5), slice(5, 8))):
        pixels[labels == label, band] += 120
    np.savez(folder / "shapes.npz", images=pixels.astype(np.uint8), labels=labels)
    return folder


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """A sweep of two runs of three folds."""
    folder = write_shapes(tmp_path_factory.mktemp("folded"))
    printed = sweep(*WORDS, "data.folds=3", "optimizer.learning_rate=0.01,0.0001", folder=folder)
    (parent,), runs = recorded(folder)
    return folder, printed, parent, runs


def runs_of_folds(runs):
    return [run for run in runs if "cnnexp.folds" in run.tags]


def folds_of(run, runs):
    found = [one for one in runs if one.tags.get("mlflow.parentRunId") == run.run_id]
    return sorted(found, key=lambda one: one.tags["cnnexp.fold"])


def file_of(folder, run, name):
    return folder / "mlartifacts" / run.run_id / "artifacts" / name


def predictions_of(folder, run):
    return parquet.ParquetFile(file_of(folder, run, "predictions.parquet")).read().to_pydict()


def test_a_run_of_folds_is_a_run_of_the_sweep_and_the_parent_of_its_folds(folded):
    _, printed, parent, runs = folded
    assert len(runs) == 2 * 4
    for run in runs_of_folds(runs):
        assert (run.tags["mlflow.parentRunId"], run.status) == (parent.run_id, "FINISHED")
        assert [fold.tags["cnnexp.fold"] for fold in folds_of(run, runs)] == ["1", "2", "3"]
        assert [fold.params["data.fold"] for fold in folds_of(run, runs)] == ["1", "2", "3"]
        assert "data.fold" not in run.params
    assert len({run.tags["identity"] for run in runs}) == 8
    assert "8 of 8" in printed, "folds are counted"


def test_every_image_is_judged_once_by_the_model_of_its_fold(folded):
    folder, _, _, runs = folded
    run = runs_of_folds(runs)[0]
    pooled = predictions_of(folder, run)
    assert pooled["file"] == [f"index-{row}" for row in range(90)]
    assert set(pooled["split"]) == {"test"}
    assert np.bincount(pooled["fold"]).tolist() == [0, 30, 30, 30]
    for number, fold in enumerate(folds_of(run, runs), start=1):
        own = predictions_of(folder, fold)
        judged = {
            file: answer
            for file, split, answer in zip(own["file"], own["split"], own["predicted"], strict=True)
            if split == "test"
        }
        assert judged == {
            file: answer
            for file, one, answer in zip(pooled["file"], pooled["fold"], pooled["predicted"], strict=True)
            if one == number
        }
    assert run.metrics["test/accuracy"] == pytest.approx(np.mean(pooled["correct"]))


def test_what_a_run_of_folds_records_of_validation_are_means_over_the_folds(folded):
    _, _, _, runs = folded
    for run in runs_of_folds(runs):
        folds = folds_of(run, runs)
        for name in ("best/val_loss", "best/val_accuracy", "best/train_accuracy"):
            assert run.metrics[name] == pytest.approx(np.mean([fold.metrics[name] for fold in folds]))
        assert run.metrics["best/epoch"] == sorted(fold.metrics["best/epoch"] for fold in folds)[1]
        assert run.metrics["final/epochs"] == run.metrics["best/epoch"]


def test_the_final_model_is_trained_on_all_images_and_calibrated_by_what_the_folds_judged(folded):
    folder, _, _, runs = folded
    run = runs_of_folds(runs)[0]
    card = json.loads(file_of(folder, run, "card.json").read_bytes())
    assert card["thresholds"]["images"] == 90
    assert card["thresholds"]["unlike_distance"] is None or card["thresholds"]["unlike_distance"] > 0
    assert card["calibration_images"] == 0, "90 images are too few for a temperature"
    assert "train 90, each judged in one of 3 folds" in file_of(folder, run, "log.txt").read_text()


def test_the_page_shows_the_folds_and_what_their_interval_is_beside_that_of_one_split(folded):
    folder, _, _, runs = folded
    run = runs_of_folds(runs)[0]
    page = file_of(folder, run, "run.html").read_text()
    accuracy = run.metrics["test/accuracy"]
    assert f"Accuracy {accuracy:.3f} on 90 images in 3 folds (95 % interval" in page
    assert "a single test split of 18 images would have about ±" in page
    assert all(fold.run_id[:12] in page for fold in folds_of(run, runs))
    assert "test image" not in page


def test_runs_of_the_same_folds_are_compared_by_image_and_by_fold(folded, monkeypatch, capsys):
    folder, printed, parent, _ = folded
    monkeypatch.chdir(folder)
    assert main(["compare", parent.run_id[:12]]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "On the same 90 images in 3 folds (McNemar, and by fold):" in said
    assert "better in" in said
    assert "in 3 folds (McNemar, and by fold)" in " ".join(printed.split())


def test_labels_are_checked_by_the_predictions_of_folds(folded, monkeypatch, capsys):
    folder, _, _, runs = folded
    run = runs_of_folds(runs)[0]
    monkeypatch.chdir(folder)
    data = ["data=npz", "data.path=shapes.npz"]
    assert main(["check-data", *data, "--labels-from", run.run_id[:12], "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checks"][-1] == "labels against the predictions of the folds"
    assert main(["check-data", *data, "--labels-from", folds_of(run, runs)[0].run_id[:12], "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["checks"][-1] == "labels of the test images against the predictions of a run"
    assert "Only the 30 test images of the run were judged, of 90" in said.err
    assert main(["check-data", "--labels-from", run.run_id[:12]]) == 1
    assert "of its 90 images" in capsys.readouterr().err


def test_the_final_model_is_not_evaluated_on_what_it_was_trained_on(folded, monkeypatch, capsys):
    folder, _, _, runs = folded
    monkeypatch.chdir(folder)
    assert main(["evaluate", runs_of_folds(runs)[0].run_id[:12]]) == 1
    assert "Name other images: data.path=PLACE" in capsys.readouterr().err


def test_a_dry_run_counts_the_trainings(folded, monkeypatch, capsys):
    folder, _, _, _ = folded
    monkeypatch.chdir(folder)
    assert main(["-m", *WORDS, "data.folds=3", "optimizer.learning_rate=0.02,0.03", "sweep.dry_run=true"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 runs, 0 done, 2 to do, 8 trainings with their folds" in said


def test_a_search_that_prunes_takes_no_folds(capsys):
    words = ["hydra/sweeper=optuna", "data.folds=3", "optimizer.learning_rate=0.1,0.2", "sweep.pruning=asha"]
    assert main(["-m", *words]) == 2
    assert "sweep.pruning=asha compares runs epoch by epoch" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["latest", "cnnexp"])
def test_a_run_of_folds_is_one_run_whatever_names_it(folded, target):
    folder, _, _, runs = folded
    found = find_runs([target], uri=f"sqlite:///{folder}/mlflow.db")
    assert {run.run_id for run in found} == {run.run_id for run in runs_of_folds(runs)}


def test_a_run_of_folds_and_one_of_its_folds_are_named_by_their_ids(folded):
    folder, _, _, runs = folded
    run = runs_of_folds(runs)[0]
    fold = folds_of(run, runs)[0]
    for one in (run, fold):
        assert [found.run_id for found in find_runs([one.run_id[:12]], uri=f"sqlite:///{folder}/mlflow.db")] == [
            one.run_id
        ]


def test_a_rerun_sweep_trains_nothing_again(folded):
    folder, _, _, runs = folded
    printed = sweep(*WORDS, "data.folds=3", "optimizer.learning_rate=0.01,0.0001", folder=folder)
    assert "2 runs were finished before" in printed
    _, after = recorded(folder)
    assert {run.run_id for run in after} == {run.run_id for run in runs}


def test_resume_gives_the_command_of_a_run_of_folds_again(tmp_path, capsys):
    """The settings are impossible, so the command ends where it would begin."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("cnnexp")
    tags = {"cnnexp.folds": "3", **tags_to_resume(["data.folds=3", "training.epochs=0", "sweep.dry_run=true"])}
    run = client.create_run(experiment, tags=tags, run_name="mine")
    for target in (run.info.run_id[:8], "mine", "latest"):
        assert main(["resume", target, f"tracking.uri={uri}"]) == 2
        assert "training.epochs must be at least 1; got 0" in capsys.readouterr().err.replace(" and at most 100000", "")
    client.create_run(experiment, tags={"cnnexp.folds": "3"}, run_name="of a sweep")
    assert main(["resume", "of a sweep", f"tracking.uri={uri}"]) == 2
    assert "no sweep or run at" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_of_folds_that_was_killed_goes_on_with_the_folds_that_are_left(tmp_path):
    words = [*WORDS, "data.folds=4", "training.epochs=40", "sweep.workers=1"]
    write_shapes(tmp_path)
    process = start(*words, folder=tmp_path, multirun=False)

    def finished():
        return [run for run in recorded(tmp_path)[1] if run.status == "FINISHED"]

    wait_for(lambda: len(finished()) >= 2)
    kill(process.pid)
    process.communicate(timeout=60)
    before = {run.run_id for run in finished()}
    printed = sweep("latest", folder=tmp_path, command="resume")
    _, runs = recorded(tmp_path)
    (run,) = runs_of_folds(runs)
    assert run.status == "FINISHED"
    assert len(folds_of(run, runs)) == 4
    assert before <= {fold.run_id for fold in folds_of(run, runs)}
    assert printed.count("✓") + printed.count("+ ") == 5 - len(before)
    again = sweep(*words, folder=tmp_path, multirun=False)
    assert f"finished before, as run {run.run_id}" in again


@pytest.mark.slow
def test_folds_and_their_final_model_crop_from_larger_images(tmp_path):
    write_shapes(tmp_path)
    crops = ["data.size=[8,8]", "augmentation=strong", "augmentation.crop=0.5", "augmentation.crop_from=1.3"]
    sweep(*WORDS, *crops, "data.folds=3", folder=tmp_path, multirun=False)
    _, runs = recorded(tmp_path)
    (run,) = runs_of_folds(runs)
    assert [one.status for one in (run, *folds_of(run, runs))] == ["FINISHED"] * 4
    assert {one.params["augmentation.crop_from"] for one in (run, *folds_of(run, runs))} == {"1.3"}


@pytest.mark.slow
def test_the_mean_of_the_folds_is_one_network_that_is_exported(tmp_path, monkeypatch):
    write_shapes(tmp_path)
    sweep(*WORDS, "data.folds=3", "data.final=mean", "optimizer.learning_rate=0.01", folder=tmp_path, multirun=False)
    _, runs = recorded(tmp_path)
    (run,) = runs_of_folds(runs)
    assert run.params["data.final"] == "mean"
    assert not any("data.final" in fold.params for fold in folds_of(run, runs))
    monkeypatch.chdir(tmp_path)
    assert main(["export", "latest", "out"]) == 0, "its golden samples are answered alike"


@pytest.mark.slow
def test_a_declared_test_split_is_judged_by_the_final_model_alone(tmp_path):
    write_shapes(tmp_path, images=120)
    with np.load(tmp_path / "shapes.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    np.savez(
        tmp_path / "shapes.npz",
        train_images=images[:90],
        train_labels=labels[:90],
        test_images=images[90:],
        test_labels=labels[90:],
    )
    printed = sweep(*WORDS, "data.folds=3", "optimizer.learning_rate=0.01", folder=tmp_path, multirun=False)
    _, runs = recorded(tmp_path)
    (run,) = runs_of_folds(runs)
    assert len(predictions_of(tmp_path, run)["file"]) == 90
    assert "On the 30 images of the declared test split" in " ".join(printed.split())
    assert 0 <= run.metrics["declared/accuracy_low"] <= run.metrics["declared/accuracy"] <= 1


@pytest.mark.slow  # its probes are short trainings
def test_of_a_run_of_folds_the_first_fold_is_diagnosed_beside_it(folded, monkeypatch, capsys):
    folder, _, _, runs = folded
    monkeypatch.chdir(folder)  # where its relative data.path starts
    run = runs_of_folds(runs)[0]
    first = folds_of(run, runs)[0]
    assert main(["diagnose", run.run_id]) == 0
    told = capsys.readouterr().out
    assert told.index(run.run_id[:12]) < told.index("Its folds are runs of their own") < told.index(first.run_id[:12])


@pytest.mark.slow
def test_a_fold_that_fails_ends_its_run_and_the_others_are_not_begun(tmp_path):
    write_shapes(tmp_path)
    diverging = ["training.epochs=20", "optimizer=sgd", "optimizer.learning_rate=100", "regularization.l2=0.1"]
    words = [*WORDS, "data.folds=4", *diverging, "sweep.workers=1"]
    printed = sweep(*words, folder=tmp_path, code=1, multirun=False)
    _, runs = recorded(tmp_path)
    assert [run.status for run in runs] == ["FAILED", "FAILED"]
    assert "Fold 1 failed: The training loss must stay finite" in runs_of_folds(runs)[0].tags["failure"]
    assert "cnnexp: Fold 1 failed" in printed


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.folds=5", "schedule=plateau"], "Choose another schedule"),
        (["data.final=mean"], "this run has none; got 'mean'"),
        (["data.folds=5", "data.fold=1", "data.final=mean"], "this run has none; got 'mean'"),
        (["data.folds=5", "data.final=best"], "must be one of refit, mean"),
    ],
)
def test_what_contradicts_folds_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose_config(overrides)
