"""What a reader sees: terminal, page, CSV, JSON, Markdown, and the parent run in MLflow."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from recorded_runs import Recorder, record_sweep
from rich.console import Console

from cnnexp.__main__ import main
from cnnexp.comparison import compare
from cnnexp.report.comparison import print_comparison
from cnnexp.report.comparison_files import csv_text, json_text, markdown
from cnnexp.report.comparison_page import page
from cnnexp.tracking.summaries import find_runs
from cnnexp.tracking.sweep_page import PAGE, log_comparison


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    recorder = Recorder(tmp_path_factory.mktemp("report"))
    return recorder, record_sweep(recorder, seeds=5)


@pytest.fixture(scope="module")
def comparison(recorded):
    return compare(find_runs(["latest"], uri=recorded[0].uri), metric_name="test/accuracy", by=())


def printed(comparison, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_comparison(comparison, console)
    return console.file.getvalue()


def test_terminal_says_the_verdict_first_and_names_what_is_missing(comparison):
    text = printed(comparison)
    assert text.startswith("learning_rate=0.001, dropout=0.3 is best on validation")
    assert "regularization.dropout=0.3 gains" in text
    assert "1 failed: broken" in text
    assert "1 pruned: cut-short" in text
    assert "1 running: still-going" in text
    assert "model" not in text.split("What each setting")[0].split("best on validation;")[1]  # only what differs


def test_terminal_breaks_no_number_at_eighty_columns(comparison):
    lines = printed(comparison, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if re.search(r"0\.\d+ ± 0\.\d+ +0\.\d+ ± 0\.\d+", line)]) == 6


class Audit(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_elsewhere(comparison):
    html = page(comparison, command="cnnexp compare latest")
    audit = Audit()
    audit.feed(html)
    assert not audit.open
    assert "script" not in audit.tags
    assert not [link for link in audit.links if not link.startswith("data:")]
    assert audit.tags.count("svg") >= 2 + 4 + 9  # effects, coordinates, curves, three pairs of matrices
    assert "Only lr0.001-do0.3" in html


def test_the_page_escapes_what_was_recorded(comparison):
    html = page(comparison, command="cnnexp compare '<script>alert(1)</script>'")
    assert "<script" not in html
    assert "Train is &lt;b&gt;ahead&lt;/b&gt; of validation." in html


def test_csv_holds_rows_effects_and_models(comparison):
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    kinds = [line["kind"] for line in lines]
    assert [kinds.count(kind) for kind in ("configuration", "effect", "model")] == [6, 3, 5]
    effect = next(line for line in lines if line["kind"] == "effect" and line["regularization.dropout"] == "0.3")
    assert effect["against"] == "regularization.dropout=0.0"
    assert float(effect["mean"]) == pytest.approx(0.07, abs=0.01)
    assert effect["n"] == "5"


def test_json_is_complete(comparison):
    content = json.loads(json_text(comparison))
    assert content["rows"][0]["standing"] == "reference"
    assert len(content["rows"][0]["runs"]) == 5
    assert {item["reason"] for item in content["left_out"]} == {"failed", "pruned", "running"}


def test_markdown_has_the_verdict_first_then_the_table(comparison):
    lines = markdown(comparison).splitlines()
    assert lines[0].startswith("**learning\\_rate=0.001, dropout=0.3 is best on validation")
    header = next(line for line in lines if line.startswith("|"))
    assert "dropout" in header
    assert len([line for line in lines if line.startswith("|")]) == 8


def test_the_sweep_shows_it_in_mlflow(recorded, comparison):
    recorder, parent = recorded
    log_comparison(uri=recorder.uri, parent_id=parent, page="<!doctype html>", description=markdown(comparison))
    run = recorder.client.get_run(parent)
    assert run.data.tags["mlflow.note.content"].startswith("**learning")
    assert [item.path for item in recorder.client.list_artifacts(parent)] == [PAGE]


def test_the_command_writes_what_it_is_asked_for(recorded, tmp_path, capsys):
    html, table = tmp_path / "r.html", tmp_path / "t.csv"
    store = f"tracking.uri={recorded[0].uri}"
    words = [
        "compare",
        "latest",
        store,
        "--metric",
        "test/macro_f1",
        "--html",
        str(html),
        "--csv",
        str(table),
        "--json",
    ]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["metric"] == "test/macro_f1"
    assert f"cnnexp compare {recorded[1]} {store} --metric test/macro_f1" in html.read_text(encoding="utf-8")
    assert table.read_text(encoding="utf-8").startswith("kind,")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--metric", "test/f1"], "Did you mean test/macro_f1?"),
        (["--by", "dropout"], "Did you mean regularization.dropout?"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_2(recorded, capsys, words, sentence):
    assert main(["compare", "latest", f"tracking.uri={recorded[0].uri}", *words]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.splitlines()) == 1
