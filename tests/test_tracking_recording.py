"""Recording into a real SQLite store, read back with MLflow's own client."""

import json
import resource
import shutil
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from cnnexp.__main__ import main
from cnnexp.errors import NonFiniteLossError, TrackingError
from cnnexp.records import EpochValues
from cnnexp.system.text import program
from cnnexp.tracking import RecordWriter, logged_model, recording, send
from cnnexp.tracking.outbox import entries, record_folder
from cnnexp.tracking.outbox.record_folder import Progress
from cnnexp.tracking.receipt import Receipt
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.tracking.run_page import page_of
from cnnexp.tracking.store import connection
from support import tracking_inputs

RESULT = tracking_inputs.result(epochs=4)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("größe store")
    tracking_inputs.create_store(tracking_inputs.settings(folder))
    return folder


@pytest.fixture(scope="module")
def client(home) -> MlflowClient:
    return MlflowClient(tracking_inputs.settings(home).uri)


def record(folder: Path, *, name="größe ☃", parameters=None, tags=None, **settings):
    return recording(
        tracking_inputs.settings(folder, **settings),
        run_name=name,
        parameters=parameters or {"optimizer.learning_rate": 0.1},
        config_yaml="seed: 0  # größe\n",
        tags=tags or {},
    )


def newest(client: MlflowClient) -> Run:
    experiment = client.get_experiment_by_name("signs")
    return client.search_runs([experiment.experiment_id], max_results=1)[0]


def artifacts(run: Run) -> Path:
    return Path(unquote(run.info.artifact_uri.removeprefix("file://")))


def whole(folder: Path):
    """Record a whole run; return its recorder."""
    with record(folder, tags={"sweep_id": "s1"}) as recorder:
        recorder.info(RESULT.info)
        for values in RESULT.history.epochs:
            recorder.epoch(values)
            recorder.check()
        recorder.finish(RESULT, tracking_inputs.FILES)
    return recorder


@pytest.fixture(scope="module")
def finished(home, client) -> Run:
    receipt = whole(home).receipt
    assert (receipt.kept_folder, receipt.reason) == (None, "")
    run = client.get_run(receipt.run_id)
    assert (
        receipt.url_command
        == f"{program()} ui 'tracking.uri={tracking_inputs.settings(home).uri}' --run {run.info.run_id}"
    )
    return run


def test_a_finished_run_is_finished_and_leaves_nothing_beside_the_store(home, finished):
    assert (finished.info.status, finished.info.run_name) == ("FINISHED", "größe ☃")
    assert finished.info.start_time <= finished.info.end_time
    assert {path.name for path in home.iterdir()} <= {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlartifacts"}


def test_what_a_killed_process_left_of_a_delivered_record_goes_with_the_next(tmp_path):
    for name in (".earlier.delivered", "this", "another"):
        (tmp_path / "outbox" / name / "files").mkdir(parents=True)
    record_folder.remove(tmp_path / "outbox" / "this")
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["another"]


def test_the_page_of_a_run_is_found_where_the_store_keeps_it(home, finished):
    receipt = Receipt(finished.info.run_id, "open", None, "")
    uri = tracking_inputs.settings(home).uri
    assert page_of(receipt, uri=uri) is None  # a run of an earlier version
    page = artifacts(finished) / "run.html"
    page.write_text("")
    assert page_of(receipt, uri=uri) == str(page)
    page.unlink()


def test_the_page_of_a_kept_record_is_found_in_the_outbox(tmp_path):
    kept = Receipt(None, None, tmp_path, "The store is away.")
    assert page_of(kept, uri="sqlite:///gone.db") is None
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "run.html").write_text("")
    assert page_of(kept, uri="sqlite:///gone.db") == str(tmp_path / "files" / "run.html")


def test_every_epoch_is_a_step_of_each_curve(client, finished):
    history = {
        name: [(metric.step, metric.value) for metric in client.get_metric_history(finished.info.run_id, name)]
        for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")
    }
    epochs = RESULT.history.epochs
    assert history["train/loss"] == [(values.epoch, values.train_loss) for values in epochs]
    assert history["val/accuracy"] == [(values.epoch, values.val_accuracy) for values in epochs]
    assert history["learning_rate"] == [(values.epoch, values.learning_rate) for values in epochs]


def test_final_metrics_and_parameters_have_their_names(finished):
    assert {name: finished.data.metrics[name] for name in RESULT.metrics} == dict(RESULT.metrics)
    params = finished.data.params
    assert params["optimizer.learning_rate"] == "0.1"
    assert (params["used.learning_rate"], params["used.threads"], params["used.precision"]) == ("0.02", "2", "float32")


def test_the_source_and_the_description_are_tags(finished):
    tags = finished.data.tags
    assert tags["sweep_id"] == "s1"
    assert tags["mlflow.note.content"].startswith("**test accuracy")
    assert tags["mlflow.source.name"]
    assert tags["mlflow.user"]
    assert tags["mlflow.source.git.commit"] is not None


def test_the_data_set_is_known_by_its_content(finished):
    (used,) = finished.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("digits", RESULT.info.data_digest)
    assert (used.dataset.source_type, json.loads(used.dataset.source)) == (
        "code", {"tags": {"mlflow.source.name": RESULT.info.data_source}},
    )  # fmt: skip
    profile = json.loads(used.dataset.profile)
    assert profile["classes"] == list(tracking_inputs.CLASS_NAMES)
    assert profile["counts"]["test"] == [20, 20, 20]


def test_artifacts_are_at_the_root_under_their_names(finished):
    root = artifacts(finished)
    for name, content in tracking_inputs.FILES.items():
        assert (root / name).read_bytes() == content
    assert (root / "config.yaml").read_text(encoding="utf-8") == "seed: 0  # größe\n"


def test_the_image_grid_has_the_confusion_matrix_and_nothing_foreign(client, finished):
    paths = [item.path for item in client.list_artifacts(finished.info.run_id, "images")]
    assert len(paths) == 2  # the picture and MLflow's smaller copy of it
    assert all("confusion_matrix+step+0+" in path for path in paths)
    assert finished.data.tags["mlflow.loggedImages"] == "True"


def test_the_model_is_ready_and_has_the_final_metrics(client, finished):
    (output,) = finished.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.name, str(model.status), model.source_run_id) == (
        finished.info.run_name,
        "READY",
        finished.info.run_id,
    )
    assert {metric.key: metric.value for metric in model.metrics} == dict(RESULT.metrics)


def test_an_exception_is_recorded_with_its_traceback_and_raised_again(home, client):
    with pytest.raises(NonFiniteLossError, match="step 7"), record(home) as recorder:  # noqa: PT012
        recorder.info(RESULT.info)
        raise NonFiniteLossError("The loss became NaN at step 7.")
    run = newest(client)
    assert (run.info.status, run.info.run_id) == ("FAILED", recorder.receipt.run_id)
    text = (artifacts(run) / "traceback.txt").read_text(encoding="utf-8")
    assert text.startswith("Traceback")
    assert text.endswith("NonFiniteLossError: The loss became NaN at step 7.\n")


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(3), "FAILED"),
        (SystemExit("no"), "FAILED"),
        (SystemExit(0), "FINISHED"),
    ],
)
def test_how_it_stops_is_how_it_ends(home, client, stop, status):
    with pytest.raises(type(stop)), record(home):
        raise stop
    assert newest(client).info.status == status


def test_a_store_that_refuses_is_heard_of_in_check_and_leaves_nothing(home, client):
    client.delete_experiment(client.create_experiment("given up"))
    refused = pytest.raises(TrackingError, match="must not be a deleted experiment")
    with refused, record(home, experiment="given up") as recorder:
        while True:
            recorder.check()
    assert not (home / "outbox").exists()


def test_an_unreachable_store_is_an_error_before_the_block(home):
    with pytest.raises(TrackingError, match="must answer"), record(home, uri="http://127.0.0.1:9"):
        pytest.fail("the block must not be entered")
    assert not (home / "outbox").exists()


def test_a_run_inside_a_run_goes_under_its_parent(home, client):
    with record(home, name="sweep") as parent:
        parent.metrics({"best/val_accuracy": 0.5}, step=0)
        while (parent_id := parent.run_id) is None:
            parent.check()
        with record(home, tags={"mlflow.parentRunId": parent_id}) as child:
            child.metrics({"best/val_accuracy": 0.75}, step=0)
        assert client.get_run(parent_id).info.status == "RUNNING"
    run = client.get_run(child.receipt.run_id)
    assert run.data.tags["mlflow.parentRunId"] == parent.receipt.run_id == parent_id
    assert (run.info.status, client.get_run(parent_id).info.status) == ("FINISHED", "FINISHED")


def test_a_run_named_in_the_environment_is_continued(home, client, monkeypatch):
    with pytest.raises(KeyboardInterrupt), record(home, parameters={"seed": 0}) as first:
        raise KeyboardInterrupt
    monkeypatch.setenv("MLFLOW_RUN_ID", first.receipt.run_id)
    with record(home, parameters={"seed": 1, "model": "small"}) as second:
        second.metrics({"val/loss": 0.5}, step=1)
    run = client.get_run(first.receipt.run_id)
    assert second.receipt.run_id == run.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "0", "model": "small"}  # MLflow keeps the first value of a parameter
    assert run.data.metrics == {"val/loss": 0.5}


def test_recording_works_outside_the_main_thread(home, client):
    receipts = []

    def run() -> None:
        with record(home) as recorder:
            recorder.metrics({"val/loss": 1.0}, step=1)
        receipts.append(recorder.receipt)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert client.get_run(receipts[0].run_id).info.status == "FINISHED"


def test_no_epoch_waits_for_the_store(home):
    values = EpochValues(1, 0.5, 0.5, 0.5, 0.5, 0.1, 0.01)
    longest = 0.0
    with record(home) as recorder:
        for _ in range(200):
            began = time.perf_counter()
            recorder.epoch(values)
            recorder.check()
            longest = max(longest, time.perf_counter() - began)
    assert longest < 0.5  # two seconds are promised; it takes microseconds


def left_behind(home: Path, *, discarded: bool = False) -> Path:
    """A whole record on disk that nobody has begun to deliver."""
    settings = tracking_inputs.settings(home)
    opening = record_folder.Opening(
        key=record_folder.new_key("kept"), uri=settings.uri, artifacts=None, experiment="signs", run_name="kept",
        run_id=None, started=record_folder.now(), tags={"sweep_id": "kept"},
    )  # fmt: skip
    outgoing = RecordWriter.create(Path(settings.outbox), opening)
    outgoing.append(entries.params({"seed": 0}))
    outgoing.append(entries.dataset(RESULT.info))
    for step in range(1, 1_201):  # more than MLflow takes at once
        outgoing.append(entries.metrics({"val/loss": 1 / step}, step=step, kind="metrics", notes=[]))
    outgoing.file("curves.png", tracking_inputs.png())
    outgoing.append(entries.image("confusion_matrix", "curves.png", step=1))
    outgoing.end("FAILED", discarded=discarded)
    return outgoing.folder


def kept_runs(client: MlflowClient, name: str) -> list[Run]:
    experiment = client.get_experiment_by_name("signs")
    return client.search_runs([experiment.experiment_id], f"tags.`cnnexp.record` = '{name}'")


def test_sending_again_from_any_state_loses_and_doubles_nothing(home, client, tmp_path):
    folder = left_behind(home)
    Progress(asked=True).save(folder)  # as if the answer to the creation of the run had been lost
    untouched = tmp_path / folder.name
    shutil.copytree(folder, untouched)
    run_id = send(folder).run_id
    assert not folder.exists()
    for progress in (Progress(asked=True), Progress(asked=True, run_id=run_id, experiment_id="1", entries=600)):
        shutil.copytree(untouched, folder)
        progress.save(folder)
        assert send(folder).run_id == run_id
    (run,) = kept_runs(client, folder.name)
    assert (run.info.status, run.data.params) == ("FAILED", {"seed": "0"})
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")]
    assert steps == list(range(1, 1_201))
    assert len(client.list_artifacts(run.info.run_id, "images")) == 2
    assert len(run.inputs.dataset_inputs) == 1


def test_an_attempt_that_was_repeated_can_be_sent_and_leaves_nothing(home, client, capsys):
    folder = left_behind(home, discarded=True)
    Progress(asked=True).save(folder)  # the answer to the creation of its run was lost
    assert main(["send", str(folder)]) == 0
    assert "nothing of it is left" in capsys.readouterr().out
    assert not folder.exists()
    assert not kept_runs(client, folder.name)


def test_a_record_kept_by_version_0_1_0_is_delivered(home, client):
    """Its files as that version wrote them: the names in them must not change."""
    folder = home / "outbox" / "20260101-120000-kept-0a1b2c3d"
    (folder / "files").mkdir(parents=True)
    opening = {
        "key": folder.name, "uri": tracking_inputs.settings(home).uri, "artifacts": None, "experiment": "signs",
        "run_name": "kept", "run_id": None, "started": 1_767_268_800_000, "tags": {"sweep_id": "s"}, "replaces": None,
    }  # fmt: skip
    journal = [
        {"kind": "params", "values": {"seed": "0"}},
        {"kind": "dataset", "name": "digits", "digest": "d1", "source": "load_digits", "profile": {"classes": ["a"]}},
        {"kind": "tags", "values": {"mlflow.note.content": "**digits**"}},
        {"kind": "metrics", "step": 1, "time": 1_767_268_801_000, "values": {"val/loss": 0.5}},
        {"kind": "image", "key": "confusion_matrix", "file": "confusion_matrix.png", "step": 0, "time": 1},
        {"kind": "final", "step": 0, "time": 1_767_268_802_000, "values": {"test/accuracy": 0.9}},
    ]
    (folder / "run.json").write_text(json.dumps(opening))
    (folder / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in journal))
    (folder / "status.json").write_text('{"status": "FINISHED", "ended": 1767268803000, "discarded": false}')
    (folder / "delivered.json").write_text(
        '{"asked": true, "run_id": null, "experiment_id": null, "entries": 0, "model_id": null}'
    )
    (folder / "files" / "confusion_matrix.png").write_bytes(tracking_inputs.png())
    run = client.get_run(send(folder).run_id)
    assert (run.info.status, run.info.end_time, run.data.params) == ("FINISHED", 1_767_268_803_000, {"seed": "0"})
    assert run.data.metrics == {"val/loss": 0.5, "test/accuracy": 0.9}
    assert run.data.tags["cnnexp.record"] == folder.name
    assert [used.dataset.digest for used in run.inputs.dataset_inputs] == ["d1"]
    assert len(client.list_artifacts(run.info.run_id, "images")) == 2


def test_a_folder_that_is_no_record_and_a_run_that_goes_on_cannot_be_sent(home, tmp_path):
    with pytest.raises(TrackingError, match="needs the folder of a kept record"):
        send(tmp_path)
    with record(home):
        (folder,) = (home / "outbox").iterdir()
        with pytest.raises(TrackingError, match="still going"):
            send(folder)


def test_a_run_whose_model_does_not_fit_on_the_disk_has_failed_and_says_why(home, client, monkeypatch):
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)

    def lay_out(folder: Path, **_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, whole[1]))  # as a disk that is full
        try:
            folder.mkdir()
            (folder / "small").write_bytes(b"1" * 50_000)
            (folder / "large").write_bytes(b"1" * 500_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, whole)

    monkeypatch.setattr(logged_model, "lay_out", lay_out)
    with pytest.raises(TrackingError, match="Make room"), record(home) as recorder:
        recorder.finish(RESULT, {})
    run = newest(client)
    assert (run.info.status, run.info.run_id) == ("FAILED", recorder.receipt.run_id)
    assert "Make room" in (artifacts(run) / "traceback.txt").read_text(encoding="utf-8")
    assert not run.outputs.model_outputs
    assert not (home / "outbox").exists()


def test_a_traceback_and_a_configuration_are_recorded_without_passwords(home, client):
    with pytest.raises(ValueError, match="hunter2"), record(home):
        raise ValueError("no answer from mysql://me:hunter2@b@host/db")
    text = (artifacts(newest(client)) / "traceback.txt").read_text(encoding="utf-8")
    assert "mysql://me:***@host/db" in text
    assert "hunter2" not in text


def test_a_store_that_could_not_be_created_is_created_by_the_next_attempt(tmp_path, monkeypatch):
    settings, whole = tracking_inputs.settings(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, whole[1]))  # as a disk that is full
    try:
        with pytest.raises(Exception, match="disk"):
            tracking_inputs.create_store(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    assert list(tmp_path.iterdir()) == []
    assert tracking_inputs.create_store(settings) == "1"


def test_a_store_in_a_folder_of_any_name_is_recorded_to_and_read(tmp_path, monkeypatch):
    folder = tmp_path / "50% of 'what'? #1;a&b :c+d%20\t\" "
    folder.mkdir()
    monkeypatch.chdir(folder)
    settings = tracking_inputs.settings(Path())
    with recording(settings, run_name="odd", parameters={}, config_yaml="seed: 0", tags={}) as recorder:
        recorder.finish(RESULT, tracking_inputs.FILES)
    assert recorder.receipt.reason == ""
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert {path.name for path in folder.iterdir()} <= {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlartifacts"}
    for uri in (settings.uri, connection.absolute_uri(settings.uri)):
        model = recorded_model("odd", uri=uri)
        assert model.config_yaml() == "seed: 0"
        with model.folder() as found:
            assert (found / "model.keras").is_file()
            assert found.is_relative_to(folder)
