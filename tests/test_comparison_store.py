"""Reading runs back from real MLflow stores."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from alembic.script import ScriptDirectory
from mlflow.entities import LoggedModelOutput

from cnnexp.comparison import compare
from cnnexp.errors import TrackingError
from cnnexp.report.comparison import csv_text, effect_sentence, json_text, markdown_text, verdict
from cnnexp.report.comparison.html_page import page
from cnnexp.tracking.store.client import ClientStore
from cnnexp.tracking.store.find_runs import find_runs
from cnnexp.tracking.store.sqlite import KNOWN_SCHEMAS, SqliteStore
from cnnexp.tracking.store.stored_run import Locations
from support.recorded_runs import Recorder, record_sweep


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    recorder = Recorder(tmp_path_factory.mktemp("store"))
    recorder.run(
        "alone", {"model": "small", "seed": "0"}, {"test/accuracy": float("nan"), "best/val_loss": float("inf")}
    )
    parent = record_sweep(recorder, seeds=2, dropouts=("0.0", "0.3"), images=30)
    deleted = recorder.run("deleted", {"seed": "0"}, {})
    recorder.client.delete_run(deleted)
    return recorder, parent


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A trained run beside evaluations of it, and a parent of five evaluations with and five without noise."""
    recorder = Recorder(tmp_path_factory.mktemp("evaluated"), experiment="shifted")
    recorder.run("trained", {"seed": "0"}, {"test/accuracy": 0.9, "best/val_loss": 0.1})
    parent = recorder.sweep("by-noise")
    for seed in range(5):
        for noise, score in ((None, 0.9), ("0.2", 0.7)):
            settings = {"seed": str(seed), "data": "digits"} | ({} if noise is None else {"shift.amount": noise})
            recorder.run(
                f"noise{noise}-s{seed}", settings, {"test/accuracy": score + 0.003 * seed * (noise is None)},
                parent=parent, tags={"cnnexp.evaluates": "trained"},
            )  # fmt: skip
    return recorder, parent


def test_an_experiment_is_its_runs_without_evaluations_of_them(evaluated):
    recorder, _ = evaluated
    assert [run.name for run in find_runs(["shifted"], uri=recorder.uri)] == ["trained"]
    assert [run.name for run in find_runs(["noise0.2-s1"], uri=recorder.uri)] == ["noise0.2-s1"]


def test_evaluations_are_compared_with_the_one_that_has_nothing_added(evaluated):
    recorder, parent = evaluated
    comparison = compare(find_runs([parent], uri=recorder.uri), metric_name="test/accuracy", by=())
    assert comparison.objective is None
    assert comparison.reference.configuration.values == {"shift.amount": "–"}
    (effect,) = comparison.effects
    assert effect_sentence(effect, comparison.metric).startswith("shift.amount=0.2 costs 20.60 points ± 0.59 against –")
    assert verdict(comparison)[0] == "Amount unset beats 0.2 by 20.60 points (± 0.59, 5 seeds)."
    told = [markdown_text(comparison), json_text(comparison), csv_text(comparison), page(comparison, command="again")]
    assert not [text for text in told if "on validation, compared on test" in text or "val_loss" in text]


def both(store):
    recorder, _ = store
    return SqliteStore(Path(recorder.uri.removeprefix("sqlite:///"))), ClientStore(recorder.uri)


@pytest.mark.parametrize("question", ["named", "with_id", "children", "in_experiment", "tagged", "newest"])
def test_the_fast_reader_and_mlflow_agree(store, question):
    _, parent = store
    targets = {
        "named": ["alone"], "with_id": [parent[:8]], "children": [parent], "in_experiment": ["signs"],
        "tagged": ["mlflow.parentRunId", parent], "newest": [],
    }  # fmt: skip
    fast, official = (sorted(map(repr, getattr(reader, question)(*targets[question]))) for reader in both(store))
    assert fast
    assert fast == official


def test_the_readers_agree_on_where_files_are(tmp_path):
    recorder = Recorder(tmp_path)
    fast, official = both((recorder, None))
    run_id = recorder.run("with a model", {}, {})
    assert fast.locations(run_id) == official.locations(run_id) == Locations(artifacts_of(recorder, run_id), None)
    for _ in range(2):  # the newest one counts
        model = recorder.client.create_logged_model(recorder.experiment_id, name="model", source_run_id=run_id)
        recorder.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        time.sleep(0.01)  # models have a time in milliseconds
    assert fast.locations(run_id) == official.locations(run_id)
    assert fast.locations(run_id).model == model.artifact_location


def artifacts_of(recorder, run_id):
    return recorder.client.get_run(run_id).info.artifact_uri


def test_the_installed_mlflow_has_a_schema_that_is_read_directly(store):
    migrations = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    assert migrations.get_current_head() in KNOWN_SCHEMAS, (
        "This MLflow has changed its tables. Read its new migrations in mlflow/store/db_migrations/versions, "
        "correct the queries of tracking/store/sqlite.py where they touch them, and add the schema to KNOWN_SCHEMAS."
    )
    assert both(store)[0].has_known_schema()


def test_a_store_of_an_unknown_schema_is_left_to_mlflow(store, tmp_path):
    recorder, _ = store
    copy = tmp_path / "mlflow.db"
    with (
        closing(sqlite3.connect(recorder.uri.removeprefix("sqlite:///"))) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("UPDATE alembic_version SET version_num = 'a00000000000'")
        target.commit()
    assert not SqliteStore(copy).has_known_schema()
    with pytest.raises(TrackingError, match="schema"):  # its client says which versions it knows
        find_runs(["signs"], uri=f"sqlite:///{copy}")


def test_an_unknown_schema_costs_time_and_changes_no_answer(store, monkeypatch):
    recorder, parent = store
    known = [facts(run) for run in find_runs([parent], uri=recorder.uri)]
    monkeypatch.setattr("cnnexp.tracking.store.sqlite.KNOWN_SCHEMAS", {})
    assert [facts(run) for run in find_runs([parent], uri=recorder.uri)] == known


def facts(run):
    return run.run_id, run.name, run.status, run.settings, run.metrics, run.data_digest, run.seconds, run.started


def test_the_readers_agree_on_curves_and_experiments(store):
    fast, official = both(store)
    run_id = fast.named("lr0.01-do0.3-s1")[0].run_id
    assert fast.curves(run_id) == official.curves(run_id)
    assert len(fast.curves(run_id)["val/loss"]) == 8
    assert sorted(fast.experiments()) == sorted(official.experiments())


def test_a_sweep_is_its_children(store):
    recorder, parent = store
    for target in (parent, parent[:10], "dropout-sweep", "latest"):
        assert len(find_runs([target], uri=recorder.uri)) == 11
    assert {run.parent_id for run in find_runs(["latest"], uri=recorder.uri)} == {parent}


def test_an_experiment_is_its_runs_without_the_parents(store):
    names = {run.name for run in find_runs(["signs"], uri=store[0].uri)}
    assert "alone" in names
    assert not names & {"dropout-sweep", "deleted"}


def test_a_run_named_twice_is_read_once(store):
    assert len(find_runs(["alone", "alone"], uri=store[0].uri)) == 1


def test_what_a_run_left_behind(store):
    (run,) = find_runs(["lr0.001-do0.3-s0"], uri=store[0].uri)
    predictions = run.read_predictions()
    assert predictions.class_names == ("stop", "yield", "no entry")
    assert predictions.probabilities.shape == (30, 3)  # the validation row is not among them
    assert predictions.files[1] == "yield/1.png"
    assert (predictions.probabilities.argmax(1) == predictions.labels).mean() == pytest.approx(
        run.metrics["test/accuracy"]
    )
    assert run.read_findings()[0].title == "over-fitting"
    assert run.data_digest == "d1"
    assert run.read_curves()["val/loss"][0][0] == 1


def test_infinity_and_nan_come_back(store):
    (run,) = find_runs(["alone"], uri=store[0].uri)
    assert run.metrics["best/val_loss"] == float("inf")
    assert run.metrics["test/accuracy"] != run.metrics["test/accuracy"]
    assert run.read_predictions() is None
    assert run.read_findings() == ()


def test_what_cannot_be_found_is_an_error_that_helps(store, tmp_path):
    with pytest.raises(TrackingError, match=r"Did you mean signs\?"):
        find_runs(["sings"], uri=store[0].uri)
    with pytest.raises(TrackingError, match="there is no file"):
        find_runs(["latest"], uri=f"sqlite:///{tmp_path / 'none.db'}")


def test_a_name_that_two_runs_share_needs_an_id(tmp_path):
    recorder = Recorder(tmp_path)
    for seed in ("0", "1"):
        recorder.run("twin", {"seed": seed}, {})
    with pytest.raises(TrackingError, match="is 2 runs"):
        find_runs(["twin"], uri=recorder.uri)


def test_an_address_for_mlflow_gives_the_same_summaries(store):
    recorder, parent = store
    plain, through_mlflow = (find_runs([parent], uri=f"{recorder.uri}{options}") for options in ("", "?timeout=20"))
    assert list(map(facts, plain)) == list(map(facts, through_mlflow))


def test_comparing_imports_neither_tensorflow_nor_mlflow(store):
    code = (
        "import sys; from cnnexp.__main__ import main; "
        f"code = main(['compare', 'latest', 'tracking.uri={store[0].uri}']); "
        "heavy = {'tensorflow', 'keras', 'mlflow', 'sklearn', 'matplotlib', 'pandas'} & set(sys.modules); "
        "sys.exit(f'{code} {heavy}' if heavy or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "on the same 30 test images" in done.stdout
