"""Sweeps on a Ray cluster of two nodes, recorded by a server on PostgreSQL."""

import json
import re

import pytest

from cnnexp.sweeps.executors.ray_worker import FolderTail, append_chunks
from support.cluster import kill_tree, ray_cluster, site
from support.image_folders import write_classes
from support.sweep_processes import WORDS, kill, start, sweep, table, wait_for
from support.sweep_processes import recorded as recorded_here

LONG = [*WORDS, "training.epochs=200"]  # longer than the second node takes to begin


def test_files_of_a_node_are_copied_chunk_by_chunk(tmp_path):
    there, home = tmp_path / "there", tmp_path / "home"
    (there / "record" / "files").mkdir(parents=True)
    tail = FolderTail(there)
    journal = there / "record" / "journal.jsonl"
    journal.write_text('{"a": 1}\n{"b"')
    (there / "record" / "files" / "empty.py").touch()
    (there / "log").write_bytes(b"\xff\x00")
    destinations = {"record": home / "one", "log": home / "one.log"}
    append_chunks(tail.read(), destinations)
    with journal.open("a") as file:
        file.write(": 2}\n")
    added = tail.read()
    assert [chunk.name for chunk in added] == ["record/journal.jsonl"]
    append_chunks(added, destinations)
    assert tail.read() == []
    assert (home / "one" / "journal.jsonl").read_text() == journal.read_text()
    assert (home / "one" / "files" / "empty.py").read_bytes() == b""
    assert (home / "one.log").read_bytes() == b"\xff\x00"


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        ("somewhere", 2, "hydra.launcher.address must be auto, or host:port"),
        ("127.0.0.1:9", 1, "127.0.0.1:9 did not (["),
    ],
)
def test_a_cluster_that_is_not_there_begins_no_sweep(tmp_path, address, code, message):
    pytest.importorskip("ray", reason="needs the extra cnnexp[ray]")
    words = ["hydra/launcher=ray", f"hydra.launcher.address={address}"]
    printed = sweep(*words, "seed=0,1", folder=tmp_path, code=code)
    title, reason = printed.splitlines()
    assert title == "sweep-seed"
    assert message in reason
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "words", "seen"), [(2, [], {"0", "1"}), (1, ["sweep.per_gpu=2"], {"0"})])
def test_each_run_has_the_gpu_that_ray_gave_it(gpus, words, seen, tmp_path, monkeypatch):
    """The GPUs are made up, on the node and for Ray, which only counts them."""
    pytest.importorskip("ray", reason="needs the extra cnnexp[ray]")
    monkeypatch.setenv("CNNEXP_GPUS", json.dumps([{"name": "Made-up GPU"}] * gpus))
    with ray_cluster(cores=2, gpus=gpus) as ray:
        place = ["hydra/launcher=ray", f"hydra.launcher.address={ray.address}"]
        printed = sweep(*LONG, "seed=0,1", "training.threads=1", *words, *place, folder=tmp_path)
    assert f"fit 2 cores and {gpus} GPU" in printed
    _, runs = recorded_here(tmp_path)
    assert [run.params["used.device"] for run in runs] == ["Made-up GPU"] * 2
    files = tmp_path.glob("mlartifacts/**/environment.json")
    assert {json.loads(file.read_text())["cuda_visible_devices"] for file in files} == seen


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    pytest.importorskip("ray", reason="needs the extra cnnexp[ray]")
    pytest.importorskip("psycopg", reason="needs the extra cnnexp[ray]")
    with site(tmp_path_factory.mktemp("site")) as begun:
        yield begun


@pytest.fixture
def second(here):
    """A second node for one test."""
    node = here.ray.node()
    yield node
    kill_tree(node)


@pytest.mark.slow
def test_a_sweep_on_two_nodes_has_the_numbers_of_one_machine(here, second, tmp_path):
    printed = sweep(*WORDS, "seed=0,1,2", *here.words("two"), folder=tmp_path)
    assert "fit 2 cores of 2 Ray nodes" in printed
    assert "trouble" not in printed  # comparing runs whose files the server keeps
    (parent,), runs = here.recorded("two")
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 4
    assert {run.tags["mlflow.parentRunId"] for run in runs} == {parent.run_id}
    sweep(*WORDS, "seed=0,1,2", folder=tmp_path)
    assert table(runs) == table(recorded_here(tmp_path)[1])
    assert not list(tmp_path.glob("outbox/*"))
    assert not list(tmp_path.glob("multirun/*/*/*"))


@pytest.mark.slow
def test_a_run_of_a_node_that_dies_goes_on_from_its_state_on_another(here, second, tmp_path):
    words = [*LONG, "seed=0,1", f"data.cache={tmp_path}/cache"]  # a folder that both nodes reach
    process = start(*words, *here.words("killed"), folder=tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("cache/checkpoints/*/rest.state"))) == 2, seconds=600)
    kill_tree(second)
    printed, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, printed
    assert printed.count("It is tried again.") == 1
    assert printed.count("Its saved state is used") == 1
    (parent,), runs = here.recorded("killed")
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 3
    assert sorted(run.tags.get("attempts", "1") for run in runs) == ["1", "2"]
    sweep(*words, folder=tmp_path)
    assert table(runs) == table(recorded_here(tmp_path)[1])


@pytest.mark.slow
def test_resuming_after_the_sweep_was_killed(here, second, tmp_path):
    words = [*LONG, "seed=0,1", *here.words("resumed")]
    process = start(*words, folder=tmp_path)
    wait_for(lambda: len(here.busy("resumed")) == 2, seconds=600)
    kill(process.pid)
    process.communicate(timeout=60)
    wait_for(lambda: {run.status for run in here.recorded("resumed")[1]} == {"KILLED"}, seconds=60)
    printed = sweep(*words, folder=tmp_path)
    assert "resuming" in printed
    (parent,), runs = here.recorded("resumed")
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 3


@pytest.mark.slow
def test_runs_of_a_search_are_pruned(here, second, tmp_path):
    pytest.importorskip("optuna", reason="searches need the extra cnnexp[optuna]")
    words = ["hydra/sweeper=optuna", "optimizer.learning_rate=tag(log,interval(1e-5,1e-1))", "training.epochs=9"]
    pruning = ["hydra.sweeper.n_trials=6", "sweep.pruning=asha", "sweep.pruning_start=1"]
    sweep(*WORDS, *words, *pruning, *here.words("search"), folder=tmp_path)
    (parent,), runs = here.recorded("search")
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 7
    assert 0 < sum("pruned" in run.tags for run in runs) < 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("empty", r"Node \S+: data.path must be a folder of images, .*; there is no \S+/empty/photos"),
        ("other", r"The data must be the same on every node; data.path=~/photos on node \S+ has the digest"),
    ],
)
def test_a_node_that_lacks_the_data_or_has_others_is_named_and_left_alone(here, tmp_path, home, message):
    """The second node's user has another home, and only the first one's has the data that the sweep has read."""
    (tmp_path / "empty").mkdir()
    for folder in (here.ray.home, tmp_path / "other"):
        write_classes(folder / "photos", {"a": 40, "b": 40}, size=(8, 8), color=False)
    words = [*WORDS, "training.epochs=2000", "data=folder", "data.path=~/photos", "data.limit=null", "seed=0,1,2"]
    process = start(*words, *here.words(home), folder=tmp_path)
    wait_for(lambda: here.busy(home), seconds=600)
    node = here.ray.node(HOME=str(tmp_path / home))
    printed, _ = process.communicate(timeout=1200)
    kill_tree(node)
    assert process.returncode == 0, printed
    assert len(re.findall(message, printed)) == 1, printed
    _, runs = here.recorded(home)
    assert [run.status for run in runs] == ["FINISHED"] * 3
    assert not any("attempts" in run.tags for run in runs)


@pytest.mark.slow
def test_code_of_a_user_reaches_the_nodes(here, second, tmp_path):
    (tmp_path / "code_of_mine.py").write_text(
        "import keras\n"
        "from cnnexp.extend import model\n"
        '@model("flat")\n'
        "def flat(settings, input_shape, num_classes):\n"
        "    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(num_classes)])\n",
        encoding="utf-8",
    )
    sweep("--extend=code_of_mine.py", *WORDS, "model=flat", "seed=0,1", *here.words("code"), folder=tmp_path)
    _, runs = here.recorded("code")
    assert [(run.status, run.params["model"]) for run in runs] == [("FINISHED", "flat")] * 2
