"""Sweeps that an earlier version recorded: the same words find their runs done, others do not.

What was recorded is in tests/golden; tests/golden/record.py says when it may be recorded again.
"""

import re
import shutil
import sqlite3
import sys
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

import compatibility as contract
from cnnexp.__main__ import main

SWEEPS = {sweep.name: sweep for sweep in contract.SWEEPS}
# A test of each takes a second, and these say little that the others do not.
RARE = ("range", "one", "regularized", "rates", "penalties", "moved", "training", "auto", "lists")
LISTED = [
    pytest.param(sweep, id=name, marks=pytest.mark.slow if name in RARE else ())
    for name, sweep in SWEEPS.items()
    if name != "search"  # no dry run lists what a search will choose
]
OTHERS = [(sweep.name, words) for sweep in contract.SWEEPS for words in sweep.others]
FROM_FILES = [
    pytest.param(SWEEPS[name], id=name, marks=pytest.mark.slow if name in ("quoted", "table") else ())
    for name in ("folder", "quoted", "table", "npz")
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder in which the sweeps were made, at a place of today."""
    return contract.unpack(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(autouse=True)
def user(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(sys, "argv", sys.argv)  # restored: the command hands its words to Hydra there
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def dry_run(words, capfd):
    assert main(["-m", *words, "sweep.dry_run=true"]) == 0
    line = next(line for line in capfd.readouterr().out.splitlines() if re.match(r"\d+ runs?, \d+ done", line))
    return re.sub(r"\brun,", "runs,", line)  # "1 run" and "1 runs" are the same answer


def stored(name):
    """Key and identities of a recorded sweep."""
    return contract.golden("hashes.json")[name]


@pytest.mark.parametrize("sweep", LISTED)
def test_a_recorded_sweep_is_done(recorded, monkeypatch, capfd, sweep):
    monkeypatch.chdir(recorded)
    count = len(stored(sweep.name)["runs"])
    assert dry_run(sweep.again, capfd) == f"{count} runs, {count} done, 0 to do", stored(sweep.name)


@pytest.mark.parametrize(("name", "words"), OTHERS, ids=[f"{name}: {words[-1]}" for name, words in OTHERS])
def test_other_words_are_another_sweep(recorded, monkeypatch, capfd, name, words):
    monkeypatch.chdir(recorded)
    assert " runs, 0 done, " in dry_run(words, capfd)


@pytest.mark.parametrize("sweep", FROM_FILES)
def test_other_data_are_not_done(recorded, monkeypatch, tmp_path, capfd, sweep):
    for place in (*recorded.glob("*pictures"), recorded / "table.csv", recorded / "arrays.npz"):
        shutil.copytree(place, tmp_path / place.name) if place.is_dir() else shutil.copy(place, tmp_path)
    shutil.copy(recorded / "mlflow.db", tmp_path)
    change_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert dry_run(sweep.words, capfd) == "2 runs, 0 done, 2 to do"


def change_data(folder):
    """Give one pixel of every data set another value."""
    for path in folder.glob("*pictures/dark/0.png"):
        pixels = np.array(Image.open(path))
        pixels[0, 0] ^= 1
        Image.fromarray(pixels).save(path)
    arrays = dict(np.load(folder / "arrays.npz"))
    arrays["images"][0, 0, 0] ^= 1
    np.savez(folder / "arrays.npz", **arrays)


def test_the_same_command_trains_what_is_missing_and_nothing_else(recorded, tmp_path):
    whole, partly = (contract.copy(recorded, tmp_path / name) for name in ("whole", "partly"))
    lost = remove_a_run(partly, parent=contract.parents(partly)["folder"])
    before = contract.runs(whole)
    first = contract.start("-m", *SWEEPS["seeds"].again, folder=whole)
    second = contract.start("-m", *SWEEPS["folder"].again, folder=partly)
    assert "2 runs were finished before" in contract.end(first)
    assert contract.runs(whole) == before
    assert re.search(r"\b1 runs? (was|were) finished before", contract.end(second))
    made = {run for run, _, _ in contract.runs(partly)} - {run for run, _, _ in before}
    assert len(made) == 1
    assert lost not in {run for run, _, _ in contract.runs(partly)}
    assert contract.hashes(partly) == contract.golden("hashes.json")


def remove_a_run(folder, *, parent):
    """Take one run of a sweep away, as a user of MLflow does, and return its id."""
    run = contract.children(folder, parent)[0]
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        store.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", (run,))
        store.commit()
    return run


@pytest.mark.slow
def test_all_sweeps_made_anew_have_the_same_marks(recorded, tmp_path):
    """Names what has moved, where the others only say that something has."""
    for name in ("pictures", "my pictures"):
        shutil.copytree(recorded / name, tmp_path / name)
    for name in ("table.csv", "arrays.npz"):
        shutil.copy(recorded / name, tmp_path)
    for sweep in contract.SWEEPS:
        contract.end(contract.start("-m", *sweep.words, folder=tmp_path))
    assert contract.hashes(tmp_path) == contract.golden("hashes.json")
