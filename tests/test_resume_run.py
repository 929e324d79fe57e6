"""A run that was killed or stopped goes on in the same MLflow run; real processes, and the folder between them."""

import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from sklearn.datasets import load_digits

from cnnexp.compose import compose_config
from cnnexp.datasets import inspect_dataset, trainable_splits
from cnnexp.datasets.cache.folder import entries
from cnnexp.errors import CheckpointError, NonFiniteLossError
from cnnexp.runs.checkpoint_folder import CheckpointFolder, StoppedRuns, is_kept, key_of
from cnnexp.runs.origin import changes, origin_of
from cnnexp.runs.resolved_settings import resolve
from cnnexp.runs.resuming import Resuming
from cnnexp.sweeps.context import SweepContext
from cnnexp.sweeps.resumed_run import resumed_run
from support.faulty_server import free_port, kill_group, mlflow_server
from support.full_disk import small_disk
from support.sweep_processes import children, recorded, runs_in, start, wait_for

WORDS = ["data.limit=600", "training.epochs=60", "training.patience=null"]
EPOCH = ("train/loss", "val/loss", "val/accuracy", "learning_rate")


def config(tmp_path, *overrides):
    return compose_config([f"data.cache={tmp_path}", *overrides])


def held(made):
    return CheckpointFolder.claim(made, "key")


# --- the folder


def test_a_folder_is_taken_over_when_its_process_has_gone(tmp_path):
    made = config(tmp_path)
    first, second = held(made), held(made)
    assert first.path != second.path, "one that a living process holds is left alone"
    first.begin("record")
    first.release()
    again = held(made)
    assert (again.path, again.record) == (first.path, "record")
    again.release()
    second.release()
    named = CheckpointFolder.claim(made, "key", record="record")
    assert named.path == first.path
    named.release()
    other = CheckpointFolder.claim(made, "key", record="another")
    assert other.record is None
    other.remove()


def test_a_folder_is_free_when_its_process_is_killed(tmp_path):
    program = (
        "import sys, time; from cnnexp.compose import compose_config;"
        "from cnnexp.runs.checkpoint_folder import CheckpointFolder;"
        "folder = CheckpointFolder.claim(compose_config([sys.argv[1]]), 'key');"
        "print(folder.path, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, f"data.cache={tmp_path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        other = held(config(tmp_path))
        process.kill()
    assert other.path != path
    other.remove()
    again = held(config(tmp_path))
    assert again.path == path
    again.remove()


def test_a_process_that_is_about_to_end_is_waited_for(tmp_path):
    made = config(tmp_path)
    first = held(made)
    threading.Timer(0.3, first.release).start()
    again = CheckpointFolder.claim(made, "key", patience=30)
    assert again.path == first.path
    began = time.monotonic()
    other = CheckpointFolder.claim(made, "key", patience=0.2)
    assert 0.2 <= time.monotonic() - began < 20
    assert other.path not in (None, again.path)
    other.release()
    StoppedRuns.with_key(made, "key").remove()
    assert (other.path.exists(), again.path.exists()) == (False, True), "one that is held stays"
    again.remove()


def test_a_folder_that_is_removed_meanwhile_is_nobodys(tmp_path):
    folder = held(config(tmp_path))
    folder.begin("record")
    folder.release()
    stopped = StoppedRuns.of(tmp_path)
    assert stopped.folders == (folder.path,)
    shutil.rmtree(folder.path)  # as by the process that has finished its run
    assert stopped.size == 0
    stopped.remove()


def test_states_are_not_taken_for_those_of_what_came_before(tmp_path):
    folder = held(config(tmp_path))
    (folder.path / "rest.state").write_bytes(b"")
    folder.note_origin({"data": "old"})
    (folder.path / "origin.json.part").mkdir()  # so that it cannot be written again
    folder.note_origin({"data": "new"})
    assert folder.origin is None
    folder.release()


@pytest.mark.parametrize(
    ("error", "state", "kept"),
    [
        (KeyboardInterrupt(), True, True),
        (OSError("the disk is full"), True, True),
        (KeyboardInterrupt(), False, False),
        (NonFiniteLossError("it diverged"), True, False),
    ],
)
def test_a_folder_is_kept_where_its_run_can_go_on(error, state, kept, tmp_path):
    folder = held(config(tmp_path))
    folder.begin("record")
    if state:
        (folder.path / "rest.state").write_bytes(b"")
    assert folder.keep_after(error) is kept
    assert folder.path.exists() is kept
    assert is_kept("record", cache=str(tmp_path)) is kept


def test_a_folder_that_nobody_came_back_for_is_removed_after_a_month(tmp_path):
    made = config(tmp_path)
    old = held(made)
    old.release()
    month = time.time() - 31 * 24 * 3600
    os.utime(old.path, (month, month))
    CheckpointFolder.new(made, "other").remove()
    assert not old.path.exists()


def test_without_checkpoints_or_where_none_can_be_made_nothing_is_kept(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    for made in (config(tmp_path, "training.checkpoint_every=null"), config(tmp_path)):
        folder = held(made)
        assert folder.path is None
        assert not folder.keep_after(KeyboardInterrupt())


def test_runs_continue_one_another_by_what_they_are_asked_for():
    def key(*overrides, store="sqlite:///a", **tags):
        return key_of(compose_config(list(overrides)), store=store, tags=tags)

    same = [(), ("training.resume=never",), ("training.finish=true",), ("tracking.run_name=other",), ("data.cache=/x",)]
    assert len({key(*overrides) for overrides in same}) == 1
    others = [("seed=1",), ("training.epochs=2",), ("data.limit=9",), ("tracking.experiment=b",), ("model=vgg",)]
    keys = [key(*overrides) for overrides in others] + [key(store="sqlite:///b"), key(parent="x"), key()]
    assert len(set(keys)) == len(keys)


def test_the_same_path_in_another_folder_is_another_run(tmp_path, monkeypatch):
    made = compose_config(["data=folder", "data.path=photos"])
    monkeypatch.chdir(tmp_path)
    here = key_of(made, store="s", tags={})
    assert here == key_of(compose_config(["data=folder", f"data.path={tmp_path}/photos"]), store="s", tags={})
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert key_of(made, store="s", tags={}) != here


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_states_of_other_users_of_the_cache_are_in_nobodys_way():
    with tempfile.TemporaryDirectory() as cache:
        made = config(Path(cache))
        theirs = held(made)
        theirs.begin("record")
        for folder in (Path(cache), theirs.path.parent):
            folder.chmod(0o777)
        os.seteuid(65534)
        try:
            mine = held(made)
            assert mine.failure is None
            assert mine.path != theirs.path
            assert not is_kept("record", cache=cache)
            assert not StoppedRuns.of(Path(cache)).folders
            assert entries(Path(cache)) == ()
            mine.remove()
        finally:
            os.seteuid(0)
        theirs.remove()


def test_what_has_changed_is_named():
    before = {"data": "a", "processor": "x", "keras": "3.1", "numpy": "2"}
    found = changes(before, {"data": "b", "processor": "x", "keras": "3.2", "numpy": "2", "code of my": "1"})
    assert found.fatal == ("digest of the data b instead of a",)
    assert found.others == ("keras 3.2 instead of 3.1", "code of my 1 instead of none")


@pytest.fixture(scope="module")
def splits():
    data = compose_config(["data.limit=100"]).data
    return trainable_splits(inspect_dataset(data, seed=0, on_progress=lambda *_: None, strict=True), data)


def origin(splits, *overrides):
    made = compose_config(list(overrides))
    return origin_of(made, splits, resolve(made, splits, pretrained=None), None)


@pytest.fixture
def stopped_with(tmp_path):
    """Return a function: origin of a saved state -> what goes on from it, as a single run and as one of a sweep."""
    folders = []

    def made(before):
        for restarts in (False, True):
            folders.append(CheckpointFolder.new(config(tmp_path), "key"))
            (folders[-1].path / "rest.state").write_bytes(b"")
            folders[-1].note_origin(before)
            said = []
            resuming = Resuming.by(config(tmp_path), folders[-1], restarts=restarts, note=said.append, warn=said.append)
            yield resuming, said

    yield made
    for folder in folders:
        folder.release()


@pytest.mark.parametrize(
    "name", ["data", "weights", "processor", "threads", "precision", "oneDNN", "device", "deterministic"]
)
def test_what_numbers_cannot_do_without_is_refused_or_begun_anew(name, splits, stopped_with):
    now = origin(splits)
    (single, _), (swept, said) = stopped_with({**now, name: "another"})
    with pytest.raises(CheckpointError, match="instead of another"):
        single.checked(splits, now)
    assert single.folder.has_state
    (note,) = swept.checked(splits, now).notes[len(splits.notes) :]
    assert note.startswith("Begun anew")
    assert said == [note], "a sweep shows no header with notes"
    assert not swept.folder.has_state


@pytest.mark.parametrize("name", ["python", "cnnexp", "tensorflow", "keras", "numpy", "code of model=mine"])
def test_what_else_has_changed_is_noted(name, splits, stopped_with):
    now = origin(splits)
    for resuming, _ in stopped_with({**now, name: "another"}):
        (note,) = resuming.checked(splits, now).notes[len(splits.notes) :]
        assert f"{name} {now.get(name, 'none')} instead of another" in note
        assert resuming.folder.has_state


def test_nothing_is_said_where_nothing_has_changed(splits, stopped_with):
    for resuming, said in stopped_with(origin(splits)):
        assert resuming.checked(splits, origin(splits)).notes == splits.notes
        assert not said


def test_the_origin_tells_data_threads_and_precision_apart(splits):
    now = origin(splits)
    other = dataclasses.replace(splits, digest="of others")
    assert changes(now, origin(other)).fatal
    assert changes(now, origin(splits, "training.threads=7")).fatal
    assert changes(now, origin(splits, "training.precision=bfloat16")).fatal


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_files_that_a_power_cut_left_empty_end_no_command(content, splits, stopped_with, tmp_path):
    now = origin(splits)
    for resuming, _ in stopped_with(now):
        (resuming.folder.path / "origin.json").write_bytes(content)
        assert "cannot be read" in resuming.checked(splits, now).notes[-1]
        assert not resuming.folder.has_state
    ((single, _), _) = stopped_with(now)
    (single.folder.path / "run.json").write_bytes(content)
    assert single.folder.record is None
    single.folder.release()
    assert not is_kept("record", cache=str(tmp_path))


def test_resume_never_leaves_a_stopped_run_alone(tmp_path):
    def resumed(*overrides):
        store = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
        made = config(tmp_path, store, f"tracking.outbox={tmp_path}/outbox", *overrides)
        return resumed_run(made, name="run", overrides=[], context=SweepContext(tags={}))

    stopped = resumed().folder
    (stopped.path / "rest.state").write_bytes(b"")
    stopped.release()
    other = resumed("training.resume=never").folder
    assert other.path != stopped.path
    assert stopped.has_state
    other.remove()
    again = resumed().folder
    assert again.path == stopped.path
    again.release()


# --- processes


def run(*words, folder, code=0):
    process = start(*WORDS, *words, folder=folder, multirun=False)
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == code, printed
    return printed


def numbers(folder, uri=None):
    """Every value that does not depend on the clock; each metric of an epoch is there once."""
    uri = f"sqlite:///{folder}/mlflow.db" if uri is None else uri
    _, runs = runs_in(uri)
    assert [run.status for run in runs] == ["FINISHED"]
    client = MlflowClient(uri)
    curves = {
        name: [(one.step, one.value) for one in client.get_metric_history(runs[0].run_id, name)] for name in EPOCH
    }
    for curve in curves.values():
        assert len({step for step, _ in curve}) == len(curve)
    metrics = {name: value for name, value in runs[0].metrics.items() if not name.startswith("seconds/")}
    return {name: sorted(curve) for name, curve in curves.items()}, metrics


def folders(folder):
    return list((folder / "cache" / "cnnexp" / "checkpoints").glob("*"))


def stopped(folder, number, *words):
    """Start a run and send it a signal once it has a state; return what it printed, and its exit code."""
    process = start(*WORDS, *words, folder=folder, multirun=False)
    wait_for(lambda: [one for one in folders(folder) if list(one.glob("rest.state"))], seconds=300)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=300)
    return printed, process.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder=folder)
    return numbers(folder)


@pytest.fixture
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_the_same_command_goes_on_with_a_killed_run(tmp_path, undisturbed):
    stopped(tmp_path, signal.SIGKILL)
    printed = run(folder=tmp_path)
    assert "training.resume=never starts another run" in printed
    assert "Its saved state is used" in printed
    assert numbers(tmp_path) == undisturbed
    assert not list(tmp_path.glob("outbox/*"))
    assert not folders(tmp_path)
    run(folder=tmp_path)
    assert len(recorded(tmp_path)[1]) == 2, "after a finished run the same command begins a new one"


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on_and_does(number, code, tmp_path, undisturbed):
    printed, returned = stopped(tmp_path, number)
    assert returned == code, printed
    (killed,) = recorded(tmp_path)[1]
    assert killed.status == "KILLED"
    command = f"resume {killed.run_id[:12]} tracking.uri=sqlite:///{tmp_path}/mlflow.db"
    assert [line.split(maxsplit=1)[0] for line in printed.splitlines() if command in line] == ["resume", "finish"]
    process = start("latest", folder=tmp_path, command="resume")
    again, _ = process.communicate(timeout=300)
    assert process.returncode == 0, again
    assert numbers(tmp_path) == undisturbed
    assert not folders(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_run_is_resumed_from_any_folder_with_its_relative_paths_and_presets(tmp_path):
    home, elsewhere = tmp_path / "some home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / "presets" / "experiment").mkdir(parents=True)
    preset = "# @package _global_\ntraining:\n  epochs: 400\n  patience: null\n"
    (home / "presets" / "experiment" / "mine.yaml").write_text(preset)
    for number, image in enumerate(load_digits().images[:300]):
        file = home / "photos" / str(number % 2) / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(file)
    words = ["--config-dir=presets", "experiment=mine", "data=folder", "data.path=photos", "data.cache=cache"]
    process = start(*words, folder=home, multirun=False)
    wait_for(lambda: list(home.glob("cache/checkpoints/*/rest.state")), seconds=300)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=300)
    (line,) = [line for line in printed.splitlines() if line.startswith("resume ")]
    _, *command = shlex.split(line.partition("resume")[2])
    for target in ("latest", command[command.index("resume") + 1]):
        process = start(target, command[-1], "--finish", folder=elsewhere, command="resume")
        again, _ = process.communicate(timeout=300)
        assert (process.returncode == 0) is (target == "latest"), again
    assert "is finished" in again
    (run,) = recorded(home)[1]
    assert (run.status, run.params["training.epochs"]) == ("FINISHED", "400")
    assert not list(elsewhere.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_the_best_epoch_so_far_is_judged(tmp_path):
    stopped(tmp_path, signal.SIGINT)
    (killed,) = recorded(tmp_path)[1]
    process = start(killed.run_id, "--finish", folder=tmp_path, command="resume")
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    curves, metrics = numbers(tmp_path)
    assert 0 < len(curves["val/loss"]) < 60
    assert metrics["best/val_loss"] == min(value for _, value in curves["val/loss"])
    assert not folders(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_run_whose_processor_has_changed_is_refused_and_nothing_is_lost(tmp_path):
    stopped(tmp_path, signal.SIGKILL)
    (folder,) = folders(tmp_path)
    origin = json.loads((folder / "origin.json").read_text())
    (folder / "origin.json").write_text(json.dumps({**origin, "processor": "another"}))
    assert "instead of another" in run(folder=tmp_path, code=CheckpointError.exit_code)
    assert list(folder.glob("*.state"))
    (folder / "origin.json").write_text(json.dumps(origin))
    run(folder=tmp_path)
    assert [one.status for one in recorded(tmp_path)[1]] == ["FINISHED"]


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize(
    "words",
    [
        ("model=resnet", "model.width=4", "model.depth=2", "model.units=1", "training.head_epochs=60"),
        ("optimizer.learning_rate=auto", "training.ema=0.9", "training.soup=3"),
        ("data.folds=3",),
    ],
)
def test_a_killed_run_of_any_form_ends_with_its_numbers(words, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    run(*words, folder=other)
    expected = numbers_of_all(other)
    process = start(*WORDS, *words, folder=tmp_path, multirun=False)
    wait_for(lambda: [one for one in folders(tmp_path) if list(one.glob("*.state"))], seconds=600)
    for pid in [*children(process.pid), process.pid]:
        if b"delivery_process" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=300)
    run(*words, folder=tmp_path)
    assert numbers_of_all(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_full_cache_folder_ends_no_run(tmp_path, undisturbed):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        disk.fill()
        printed = run(f"data.cache={disk.folder}", folder=tmp_path)
    assert printed.count("The state of this run cannot be saved: No space left on device.") == 1
    assert numbers(tmp_path) == undisturbed


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_run_whose_whole_disk_is_full_goes_on_when_there_is_room(tmp_path, undisturbed):
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        cache = f"data.cache={disk.folder / 'cache'}"
        process = start(*WORDS, cache, folder=disk.folder, multirun=False)
        wait_for(lambda: list(disk.folder.glob("cache/checkpoints/*/rest.state")), seconds=300)
        disk.fill()
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 1, printed
        disk.free()
        assert "training.resume=never starts another run" in run(cache, folder=disk.folder)
        assert numbers(disk.folder) == undisturbed
        assert not list(disk.folder.glob("cache/checkpoints/*"))


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_run_whose_server_is_lost_goes_on_when_it_is_back(tmp_path, undisturbed):
    port = free_port()
    store = f"tracking.uri=http://127.0.0.1:{port}"
    with mlflow_server(tmp_path, port) as server:
        process = start(*WORDS, store, folder=tmp_path, multirun=False)
        wait_for(lambda: [one for one in folders(tmp_path) if list(one.glob("rest.state"))], seconds=300)
        kill_group(server)
        process.kill()
        process.communicate(timeout=60)
    assert "127.0.0.1" in run(store, folder=tmp_path, code=1)
    (folder,) = folders(tmp_path)
    assert list(folder.glob("*.state")), "nothing is lost"
    with mlflow_server(tmp_path, port):
        assert "Its saved state is used" in run(store, folder=tmp_path)
        assert numbers(tmp_path, f"http://127.0.0.1:{port}") == undisturbed
    assert not list(tmp_path.glob("outbox/*"))


def numbers_of_all(folder):
    _, runs = recorded(folder)
    assert {one.status for one in runs} == {"FINISHED"}
    return sorted(
        sorted((name, value) for name, value in one.metrics.items() if not name.startswith("seconds/")) for one in runs
    )


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_run_goes_on_with_its_state_on_its_device_alone(tmp_path, monkeypatch):
    stopped(tmp_path, signal.SIGKILL)
    monkeypatch.setenv("CNNEXP_GPUS", json.dumps([{"name": "Made-up GPU"}]))
    refused = run(folder=tmp_path, code=CheckpointError.exit_code)
    assert "device Made-up GPU instead of the processor. Undo that, or begin another run" in refused
    monkeypatch.delenv("CNNEXP_GPUS")
    run(folder=tmp_path)
    assert [one.status for one in recorded(tmp_path)[1]] == ["FINISHED"]
