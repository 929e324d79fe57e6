"""How commands end: exit code and the first words on standard error, a row of tests/golden/commands.json each."""

import sys

import pytest
import tensorflow  # noqa: F401 - now, so that tests/conftest.py sets it up before pytest catches what is printed

import compatibility as contract
from cnnexp.__main__ import main

ROWS = contract.golden("commands.json")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return contract.unpack(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['folder']}: {' '.join(row['words'])}")
def test_a_command_ends_as_it_did(store, monkeypatch, tmp_path, tmp_path_factory, capfd, row):
    folder = store if row["folder"] == "store" else tmp_path
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", sys.argv)  # restored: the command hands its words to Hydra there
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    code = main(row["words"])
    said = contract.said(capfd.readouterr().err, folder)
    assert (code, said) == (row["code"], row["says"])
