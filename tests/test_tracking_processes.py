"""Real processes: killed ones, several at once, and a server that goes away while a run is recorded."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.outbox import record_folder
from cnnexp.tracking.outbox.delivery_client import delivery_client
from support import TESTS, tracking_inputs
from support.faulty_server import free_port, kill_group, mlflow_server
from support.sweep_processes import WORDS, sweep, wait_for

SEND = "import sys, pathlib, cnnexp.tracking as t; print(t.send(pathlib.Path(sys.argv[1])).run_id)"


def start(folder: Path, *, uri: str = "", epochs: int = 1000, seconds: float = 0.05) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "support.recording_process", str(folder), uri, str(epochs), str(seconds)]
    return subprocess.Popen(words, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_until(process: "subprocess.Popen[str]", beginning: str) -> list[list[str]]:
    """Read the words of its lines up to the first one that begins so."""
    lines = []
    for line in process.stdout:
        lines.append(line.split())
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"ended without {beginning!r}: {process.communicate()[1]}")


def ended(client: MlflowClient, run_id: str, *, within: float = 20.0) -> Run:
    deadline = time.monotonic() + within
    while (run := client.get_run(run_id)).info.status == "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.1)
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    tracking_inputs.create_store(tracking_inputs.settings(folder))
    return folder


@pytest.fixture(scope="module")
def client(home) -> MlflowClient:
    return MlflowClient(tracking_inputs.settings(home).uri)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_process_that_is_stopped_leaves_a_killed_run_with_all_its_epochs(home, client, number):
    process = start(home)
    run_id = lines_until(process, "opened")[-1][1]
    lines_until(process, "epoch 5 ")
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    run = ended(client, run_id)
    assert run.info.status == "KILLED"
    recorded = [metric.step for metric in client.get_metric_history(run_id, "val/loss")]
    assert recorded[:5] == [1, 2, 3, 4, 5]
    assert set(recorded) >= {int(line.split()[1]) for line in said.splitlines()}
    assert not (home / "outbox").exists()


def test_a_process_killed_while_it_creates_the_store_leaves_no_half_of_one(tmp_path):
    create = "import sys, pathlib; from support import tracking_inputs; "
    create += "print(tracking_inputs.create_store(tracking_inputs.settings(pathlib.Path(sys.argv[1]))))"
    command = [sys.executable, "-c", create, str(tmp_path)]
    growing = tmp_path / "mlflow.db.part"
    process = subprocess.Popen(command, cwd=TESTS)
    wait_for(lambda: growing.exists() and growing.stat().st_size > 0)
    process.kill()
    process.wait()
    assert not (tmp_path / "mlflow.db").exists()
    again = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
    assert again.stdout.split() == ["1"]
    assert not growing.exists()


@pytest.mark.slow
def test_processes_that_start_at_once_on_no_store_all_record(tmp_path):
    processes = [start(tmp_path, epochs=50, seconds=0.0) for _ in range(8)]
    receipts = [lines_until(process, "receipt")[-1] for process in processes]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [receipt[2] for receipt in receipts] == ["-"] * 8
    assert errors == [""] * 8  # nor any noise
    client = MlflowClient(tracking_inputs.settings(tmp_path).uri)
    assert [client.get_run(receipt[1]).info.status for receipt in receipts] == ["FINISHED"] * 8
    for receipt in receipts:
        values = {metric.step: metric.value for metric in client.get_metric_history(receipt[1], "val/loss")}
        assert values == {epoch: pytest.approx(1 / epoch) for epoch in range(1, 51)}, "not one value is lost"
    assert len(client.search_experiments(filter_string="name = 'signs'")) == 1


@pytest.mark.slow
def test_a_server_that_is_killed_holds_nothing_up_and_gets_the_whole_run_later(tmp_path):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with mlflow_server(tmp_path, port) as server:
        process = start(tmp_path, uri=uri, epochs=60, seconds=0.1)
        run_id = lines_until(process, "opened")[-1][1]
        lines_until(process, "epoch 10 ")
        kill_group(server)
        *epochs, receipt = lines_until(process, "receipt")
        said = process.communicate(timeout=60)[1]
    assert max(float(words[2]) for words in epochs) < 2
    kept = Path(receipt[2])
    assert receipt[1] == run_id
    assert f"cnnexp send {kept}" in said
    assert "Traceback" not in said
    assert kept.stat().st_mode & 0o077 == 0  # it may hold a password

    away = subprocess.run([sys.executable, "-c", SEND, str(kept)], capture_output=True, text=True, check=False)
    assert "must answer" in away.stderr
    assert kept.exists()
    with mlflow_server(tmp_path, port):
        senders = [
            subprocess.Popen(
                [sys.executable, "-c", SEND, str(kept)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        answers = [sender.communicate(timeout=120) for sender in senders]
        assert run_id in {said.strip() for said, _ in answers}, answers
        client = MlflowClient(uri)
        run = client.get_run(run_id)
        assert (run.info.status, run.info.run_name) == ("FINISHED", "process")
        assert [metric.step for metric in client.get_metric_history(run_id, "val/loss")] == list(range(1, 61))
        assert len(client.search_runs([run.info.experiment_id])) == 1
        assert len(client.search_logged_models([run.info.experiment_id])) == 1
        names = {item.path for item in client.list_artifacts(run_id)}
        assert names >= {"config.yaml", "images", *tracking_inputs.FILES}
        assert len(client.list_artifacts(run_id, "images")) == 2
    assert not kept.exists()
    assert record_folder.JOURNAL not in {path.name for path in tmp_path.rglob("*")}


@pytest.mark.slow
def test_what_a_server_keeps_is_compared_and_asked_for_answers(tmp_path):
    port = free_port()
    store = f"tracking.uri=http://127.0.0.1:{port}"
    image = tmp_path / "black.png"
    Image.new("L", (8, 8)).save(image)
    with mlflow_server(tmp_path, port):
        sweep(*WORDS, store, folder=tmp_path, multirun=False)
        (first,) = {run.info.run_id for run in MlflowClient(f"http://127.0.0.1:{port}").search_runs(["1"])}
        assert "black.png" in sweep("predict", "latest", str(image), store, folder=tmp_path, multirun=False)
        printed = sweep(*WORDS, "regularization.dropout=0,0.5", "seed=0,1", store, folder=tmp_path)
        assert "verdict" in printed
        assert "test images (McNemar)" in " ".join(printed.split()), "the predictions were read"
        assert "trouble" not in printed
        assert "Downloading" not in printed
        said = " ".join(sweep("evaluate", first, store, folder=tmp_path, multirun=False).split())
        assert "the same images." in said, "the settings of its data and its own predictions were read"


def test_a_delivering_process_that_dies_is_replaced_and_what_it_has_delivered_is_known(home, client):
    def begin(name):
        settings = tracking_inputs.settings(home)
        return OwnedRecord.begin(settings, run_name=name, parameters={}, config_yaml=None, tags={}, commit=None)

    delivered, ended, under_way = (begin(name) for name in ("delivered", "ended", "under way"))
    delivered.end("FINISHED")
    wait_for(lambda: not delivered.folder.exists())
    process = delivery_client().process
    process.send_signal(signal.SIGSTOP)
    ended.end("FINISHED")
    process.kill()
    process.wait()
    under_way.end("FINISHED")
    began = time.monotonic()
    for record in (delivered, ended, under_way):
        record.wait()
        assert record.kept_reason is None
        assert client.get_run(record.run_id).info.status == "FINISHED"
    assert time.monotonic() - began < 50, "nobody waits for a process that is gone"
