"""A store that fails at the moment: no run is broken off, none is there twice, no value is lost or doubled."""

import logging
import random
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from cnnexp.errors import TrackingError
from cnnexp.tracking import mlflow_ui, recording
from cnnexp.tracking.outbox.delivery_client import delivery_client
from cnnexp.tracking.store.find_runs import find_runs
from support import tracking_inputs
from support.faulty_server import FAULTS, FaultyServer, faulty_server

RESULT = tracking_inputs.result(epochs=3)
CREATE, BATCH, MODEL = "/api/2.0/mlflow/runs/create", "/api/2.0/mlflow/runs/log-batch", "/api/2.0/mlflow/logged-models"

UPLOAD = "/curves.png"  # the end of the path


@pytest.fixture(scope="module", autouse=True)
def _an_impatient_client():
    """A delivery process that gives up a request after four seconds."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
    delivery_client().stop()
    yield
    patch.undo()
    delivery_client().stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with faulty_server(folder) as server:
        yield server


def record(folder: Path, server: FaultyServer, name: str, *, seconds: float = 0.0, uri: str | None = None):
    """Record a whole run; return its recorder."""
    settings = tracking_inputs.settings(folder, uri=uri or server.uri)
    with recording(settings, run_name=name, parameters={"seed": 0}, config_yaml="seed: 0\n", tags={}) as recorder:
        recorder.info(RESULT.info)
        for values in RESULT.history.epochs:
            recorder.epoch(values)
            recorder.check()
            time.sleep(seconds)
        recorder.finish(RESULT, tracking_inputs.FILES)
    return recorder


def assert_whole(client: MlflowClient, run: Run) -> None:
    """The run has everything, once."""
    run_id = run.info.run_id
    assert (run.info.status, run.data.params["seed"]) == ("FINISHED", "0")
    losses = [(metric.step, metric.value) for metric in client.get_metric_history(run_id, "val/loss")]
    assert losses == [(values.epoch, values.val_loss) for values in RESULT.history.epochs]
    for name, value in RESULT.metrics.items():
        assert [metric.value for metric in client.get_metric_history(run_id, name)] == [value]
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    assert [str(model.status) for model in models] == ["READY"]
    assert len(run.outputs.model_outputs) == len(run.inputs.dataset_inputs) == 1
    files = {item.path for item in client.list_artifacts(run_id)} - {"uncommitted.diff"}
    assert files == {"config.yaml", "images", *tracking_inputs.FILES}


def only_run(server: FaultyServer, name: str) -> tuple[MlflowClient, Run]:
    """Return the one run of this name, deleted ones included."""
    server.disturb(lambda *_: "")
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("signs")
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'", ViewType.ALL)
    return client, run


@pytest.mark.parametrize(
    "faults",
    [
        {CREATE: ("late 500", 1), MODEL: ("late reset", 1)},  # it is there, and only the answer is lost: no second one
        {CREATE: ("hang", 1), BATCH: ("page", 2), UPLOAD: ("page", 1)},  # a network that wants to be signed in to
        {CREATE: ("500", 2), BATCH: ("reset", 3), MODEL: ("500", 2)},  # more often than MLflow asks again
    ],
    ids=["answers lost", "hanging", "failing"],
)
def test_a_fault_that_passes_costs_a_run_nothing(tmp_path, server, request, faults):
    def decide(_method: str, path: str, count: int) -> str:
        path = UPLOAD if path.endswith(UPLOAD) else path
        fault, times = faults.get(path, ("", 0))
        return fault if count < times else ""

    server.disturb(decide)
    receipt = record(tmp_path, server, request.node.name).receipt
    assert receipt.reason == ""
    assert {fault for *_, fault in server.seen if fault} == {fault for fault, _ in faults.values()}
    client, run = only_run(server, request.node.name)
    assert run.info.run_id == receipt.run_id
    assert_whole(client, run)


def test_a_run_that_a_proxy_asks_for_twice_is_there_once(tmp_path, server):
    server.disturb(lambda *_: "")
    settings = tracking_inputs.settings(tmp_path, uri=server.uri)
    with recording(settings, run_name="ghost", parameters={}, config_yaml="", tags={}) as recorder:
        while recorder.run_id is None:
            recorder.check()
        (folder,) = (tmp_path / "outbox").iterdir()
        client = MlflowClient(server.uri)
        run = client.get_run(recorder.run_id)
        ghost = client.create_run(run.info.experiment_id, tags={"cnnexp.record": folder.name})
    assert client.get_run(recorder.run_id).info.status == "FINISHED"
    assert client.get_run(ghost.info.run_id).info.lifecycle_stage == "deleted"
    assert client.get_run(ghost.info.run_id).info.status == "KILLED"


def test_a_store_that_fails_for_long_is_named_in_one_line_and_the_run_goes_on(tmp_path, server, caplog):
    caplog.set_level(logging.WARNING)
    server.disturb(lambda _, path, count: "500" if path == BATCH and count < 4 else "")
    record(tmp_path, server, "long")
    (line,) = [message for message in caplog.messages if "asked again" in message]
    assert "too many 500 error responses" in line
    assert "\n" not in line


def test_what_is_no_mlflow_server_is_refused_before_a_run_is_made(tmp_path, server):
    server.disturb(lambda *_: "page")
    began = time.monotonic()
    with pytest.raises(TrackingError, match="answers with a page"):
        record(tmp_path, server, "page", seconds=10)
    assert time.monotonic() - began < 30
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize(
    ("user", "header"),
    [("me:p@ss/w%25", "Basic bWU6cEBzcy93JQ=="), ("t0ken", "Bearer t0ken")],
    ids=["password", "token"],
)
def test_a_server_whose_address_has_a_password_gets_it_and_nobody_else(tmp_path, server, capfd, user, header):
    server.disturb(lambda *_: "")
    server.authorization = header
    uri = server.uri.replace("://", f"://{user}@")
    try:
        receipt = record(tmp_path, server, "signed in", uri=uri).receipt
        with pytest.raises(TrackingError, match="refused"):
            mlflow_ui.link(server.uri, receipt.run_id)
        assert receipt.run_id in mlflow_ui.link(uri, receipt.run_id)
        (summary,) = find_runs([receipt.run_id], uri=uri)
    finally:
        server.authorization = None
    assert summary.status == "FINISHED"
    said = "".join(capfd.readouterr()) + str(receipt)
    assert not any(secret in said for secret in ("p@ss", "t0ken"))
    assert "***@127.0.0.1" in said


@pytest.mark.slow
def test_a_hundred_runs_through_a_bad_network_are_each_there_once(tmp_path, server):
    chance = random.Random(0)
    server.disturb(lambda _, path, __: chance.choice(FAULTS) if chance.random() < 0.02 and path != "/health" else "")
    kept = [record(tmp_path, server, f"run-{number}").receipt for number in range(100)]
    faults = [fault for _, _, fault in server.seen if fault]
    assert len(faults) > 100
    assert [receipt.reason for receipt in kept if receipt.reason] == []
    for number in range(100):
        assert_whole(*only_run(server, f"run-{number}"))
