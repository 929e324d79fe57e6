"""``--json`` alone prints, ``--json=FILE`` writes, ``--json=-`` prints; the same for CSV, Markdown and pages."""

import json
import sys

import pytest
import tensorflow  # noqa: F401 - now, so that tests/conftest.py sets it up before pytest catches what is printed

import compatibility as contract
from cnnexp.__main__ import main


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return contract.unpack(tmp_path_factory.mktemp("store"))


@pytest.fixture
def inside(store, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(store)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    return store


def ask(capfd, *words):
    assert main(list(words)) == 0
    return capfd.readouterr().out


DOCUMENTS = [("csv", "kind,"), ("markdown", "**"), ("html", "<!doctype html>"), ("json", "{")]


@pytest.mark.parametrize(("kind", "begins"), DOCUMENTS)
def test_compare_prints_or_writes(inside, capfd, kind, begins):
    table = ask(capfd, "compare", "sweep-zoom")
    printed = ask(capfd, "compare", "sweep-zoom", f"--{kind}")
    assert printed.lower().startswith(begins)
    assert ask(capfd, "compare", "sweep-zoom", f"--{kind}=-") == printed
    assert ask(capfd, "compare", "sweep-zoom", f"--{kind}=out") == table
    assert (inside / "out").read_text(encoding="utf-8") == printed


def test_the_argument_after_a_lone_json_is_no_file(inside, capfd):
    assert json.loads(ask(capfd, "compare", "--json", "sweep-zoom"))
    assert json.loads(ask(capfd, "check-data", "--json", "data=digits"))["name"] == "digits"
    assert not (inside / "sweep-zoom").exists()
    assert not (inside / "data=digits").exists()


def test_check_data_prints_or_writes(inside, capfd):
    printed = ask(capfd, "check-data", "data=digits", "--json=-")
    assert "digits" in ask(capfd, "check-data", "data=digits", "--json=out.json", "--html=out.html")
    assert (inside / "out.json").read_text(encoding="utf-8") == printed
    assert (inside / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(("kind", "begins"), [("csv", "file,"), ("html", "<!doctype html>"), ("json", "[")])
def test_predict_prints_or_writes(inside, capfd, kind, begins):
    asked = ["predict", "golden", "images/digit-0.png"]
    printed = ask(capfd, *asked, f"--{kind}")
    assert printed.lower().startswith(begins)
    assert ask(capfd, *asked, f"--{kind}=-") == printed
    for written in ([f"--{kind}=out"], [f"--{kind}", "out"]):
        (inside / "out").unlink(missing_ok=True)
        assert ask(capfd, *asked, *written) == ""
        assert (inside / "out").read_bytes().decode() == printed


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "sweep-zoom", "--json", "--csv=-"],
        ["check-data", "data=digits", "--json", "--html=-"],
        ["predict", "golden", "images/digit-0.png", "--csv=-", "--json=-"],
        ["compare", "sweep-zoom", "--csv=out", "--html=./out"],
        ["predict", "golden", "images/digit-0.png", "--csv=out", "--json=out"],
        ["compare", "sweep-zoom", "--csv=/nowhere/out.csv"],
        ["check-data", "data=digits", "--json=/nowhere/out.json"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_written_or_printed_is_refused(inside, capfd, words):
    (inside / "out").unlink(missing_ok=True)
    assert main(words) == 2
    said = capfd.readouterr().err
    rules = (
        "Only one document can be printed",
        "must be a file that can be written",
        "Each document needs a file of its own",
    )
    assert any(rule in said for rule in rules)
    assert not (inside / "out").exists()
