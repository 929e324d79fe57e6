"""``cnnexp.compare``: the comparison of the command, as tables and in a notebook."""

import csv

import pandas as pd
import pytest

import cnnexp
from cnnexp.__main__ import main
from cnnexp.errors import ConfigError, TargetError
from support.recorded_runs import Recorder, record_sweep


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    recorder = Recorder(tmp_path_factory.mktemp("compared"))
    record_sweep(recorder, seeds=5)
    return recorder.uri


@pytest.fixture(scope="module")
def compared(store):
    return cnnexp.compare("latest", f"tracking.uri={store}")


def test_the_tables_have_the_numbers_of_the_csv(compared, store, tmp_path):
    assert main(["compare", "latest", f"tracking.uri={store}", "--csv", str(tmp_path / "all.csv")]) == 0
    lines = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    tables = {
        "configuration": compared.configurations,
        "effect": compared.effects,
        "importance": compared.importance,
        "slice": compared.slices,
    }
    for kind, table in tables.items():
        expected = [line for line in lines if line["kind"] == kind]
        assert len(table) == len(expected) > 1
        assert list(table["mean"]) == [float(line["mean"]) for line in expected]
        assert list(table["standing"]) == [line["standing"] for line in expected]
    assert set(compared.left_out["reason"]) == {"failed", "pruned", "running"}


def test_verdict_and_text_are_those_of_the_command(compared, store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["compare", "latest", f"tracking.uri={store}"]) == 0
    printed = capsys.readouterr().out
    assert str(compared) == repr(compared) == printed
    assert " ".join(printed.split()).startswith(compared.verdict)


def test_a_notebook_shows_verdict_tables_and_still_charts_in_a_frame_of_its_own(compared):
    shown, page = compared._repr_html_(), compared.html()
    headings = [text.partition("<h1>")[2].partition("</h1>")[0] for text in (shown, page)]
    assert headings[0] == headings[1] != ""
    assert shown.count("<svg") > 10
    style = shown.partition("<style>")[2].partition("</style>")[0]
    assert not any(line.lstrip().startswith(("body", ":root", "html")) for line in style.splitlines()), (
        "the notebook around it keeps its looks"
    )
    assert "<script" not in shown


def test_the_settings_may_be_named_as_a_list_or_as_on_the_command_line(store):
    as_text = cnnexp.compare("latest", f"tracking.uri={store}", by="regularization.dropout")
    as_list = cnnexp.compare("latest", f"tracking.uri={store}", by=["regularization.dropout"], metric="test/macro_f1")
    assert as_text.comparison.by == as_list.comparison.by == ("regularization.dropout",)
    assert as_list.configurations["metric"].unique().tolist() == ["test/macro_f1"]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        (["latset"], {}, TargetError, "Did you mean latest"),
        (["latest"], {"metric": "test/acuracy"}, ConfigError, "Did you mean test/accuracy"),
        (["latest"], {"by": "optimiser"}, ConfigError, "optimizer"),
    ],
)
def test_errors_are_those_of_the_command(store, arguments, options, error, says, capsys):
    with pytest.raises(error) as raised:
        cnnexp.compare(*arguments, f"tracking.uri={store}", **options)
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert main(["compare", *arguments, f"tracking.uri={store}", *flags]) == 2
    assert capsys.readouterr().err == f"cnnexp: {raised.value}\n"
    assert says in str(raised.value)


def test_runs_that_cannot_be_compared_say_so(tmp_path):
    recorder = Recorder(tmp_path)
    parent = recorder.sweep("two data sets")
    for digest in ("d1", "d2"):
        recorder.run(
            digest,
            {"seed": "0", "data": digest},
            {"best/val_loss": 0.1, "test/accuracy": 0.9},
            parent=parent,
            digest=digest,
        )
    compared = cnnexp.compare("latest", f"tracking.uri={recorder.uri}")
    assert compared.refusals
    assert compared.verdict.startswith("Refused: these runs were tested on different images")
    assert compared.verdict.endswith(" ".join(compared.refusals))
    assert isinstance(compared.models, pd.DataFrame)
