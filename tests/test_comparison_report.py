"""What a reader sees: terminal, page, CSV, JSON, Markdown, and the parent run in MLflow."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from sklearn.datasets import load_digits

from cnnexp.__main__ import main
from cnnexp.comparison import compare
from cnnexp.comparison.metric import metric
from cnnexp.comparison.paired import Estimate
from cnnexp.report.comparison import csv_text, json_text, markdown_text, print_comparison
from cnnexp.report.comparison.html_page import page
from cnnexp.report.comparison.notebook_fragment import fragment
from cnnexp.report.comparison.page_data import page_data
from cnnexp.report.comparison.thumbnails import Thumbnails
from cnnexp.report.comparison.wording import gain_text, value_text
from cnnexp.report.console import THEME
from cnnexp.sweeps import summary
from cnnexp.sweeps.results import Result, Results
from cnnexp.tracking.comparison_page import PAGE, log_comparison
from cnnexp.tracking.store.find_runs import find_runs
from support.recorded_runs import Recorder, record_sweep


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    recorder = Recorder(tmp_path_factory.mktemp("report"))
    return recorder, record_sweep(recorder, seeds=5)


@pytest.fixture(scope="module")
def comparison(recorded):
    return compare(find_runs(["latest"], uri=recorded[0].uri), metric_name="test/accuracy", by=())


def printed(comparison, width=100):
    console = Console(file=io.StringIO(), width=width, force_terminal=False, theme=THEME)
    print_comparison(comparison, console)
    return console.file.getvalue()


def test_terminal_says_the_verdict_first_and_names_what_is_missing(comparison):
    text = printed(comparison)
    assert text.startswith("Dropout 0.3 beats 0 by ")
    assert "regularization.dropout=0.3 gains" in text
    assert "1 failed: broken" in text
    assert "1 pruned: cut-short" in text
    assert "1 running: still-going" in text
    assert "model" not in text.split("What each setting")[0]  # only what differs


def test_terminal_breaks_no_number_at_eighty_columns(comparison):
    lines = printed(comparison, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if re.search(r"0\.\d+ ± 0\.\d+ +0\.\d+ ± 0\.\d+", line)]) == 6


def test_terminal_breaks_no_word_at_sixty_columns(comparison):
    lines = printed(comparison, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    words = printed(comparison, width=400).split() + comparison.metric.name.split()
    assert {word for word in " ".join(lines).split() if word not in words} == set()


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
    assert audit.open == []
    assert [link for link in audit.links if not link.startswith("data:")] == []
    ours = html.partition('<script type="application/gzip"')[0]
    assert re.findall(r"https?://\S+", ours) == []


def test_without_scripts_the_page_has_verdict_and_table(comparison):
    html = page(comparison, command="cnnexp compare latest")
    readable = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)
    assert "Dropout 0.3 beats 0 by " in readable
    assert readable.count("<tr") == 7
    assert "1 failed: broken" in readable


def test_a_notebook_gets_still_charts_and_no_scripts(comparison):
    html = fragment(comparison, command="cnnexp compare latest")
    audit = Audit()
    audit.feed(html)
    assert audit.open == []
    assert "script" not in audit.tags
    assert audit.tags.count("svg") >= 2 + 4 + 9  # effects, coordinates, curves, three pairs of matrices
    assert "Only learning_rate=0.001, dropout=0.3, seed=" in html


def test_the_page_escapes_what_was_recorded(comparison):
    html = page(comparison, command="cnnexp compare '<script>alert(1)</script>'")
    assert "<script>alert" not in html
    assert html.count("<script") == html.count("</script>") == 4
    assert "<b>ahead" not in html
    assert "Train is &lt;b&gt;ahead&lt;/b&gt; of validation." in fragment(comparison, command="")


def test_csv_holds_rows_effects_and_models(comparison):
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    kinds = [line["kind"] for line in lines]
    counted = [kinds.count(kind) for kind in ("configuration", "effect", "model", "importance", "slice")]
    assert counted == [6, 3, 5, 2, 3]  # the parts are the classes
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
    lines = markdown_text(comparison).splitlines()
    assert lines[0].startswith("**Dropout 0.3 beats 0 by ")
    header = next(line for line in lines if line.startswith("|"))
    assert "dropout" in header
    assert len([line for line in lines if line.startswith("|")]) == 8


def test_the_sweep_shows_it_in_mlflow(recorded, comparison):
    recorder, parent = recorded
    log_comparison(uri=recorder.uri, parent_id=parent, page="<!doctype html>", description=markdown_text(comparison))
    run = recorder.client.get_run(parent)
    assert run.data.tags["mlflow.note.content"].startswith("**Dropout")
    assert [item.path for item in recorder.client.list_artifacts(parent)] == [PAGE]


def pixels(uri):
    assert uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_page_shows_images_of_files(comparison, tmp_path):
    (tmp_path / "stop").mkdir()
    Image.new("RGB", (200, 100), (200, 30, 30)).save(tmp_path / "stop" / "1.png")
    (tmp_path / "stop" / "2.png").write_text("no image")
    shown = Thumbnails(replace(comparison.reference.best_run, data_source=str(tmp_path)))
    assert pixels(shown("stop/1.png")).shape == (28, 56, 3)
    assert shown("stop/2.png") is None
    assert shown("stop/gone.png") is None


def test_the_page_shows_images_of_a_data_set_without_files(comparison):
    run = replace(comparison.reference.best_run, settings={"data": "digits"}, data_source="sklearn.datasets")
    shown = Thumbnails(run)
    assert pixels(shown("index-7"))[:, :, 0] == pytest.approx(load_digits().images[7] * 255 / 16, abs=0.5)
    assert shown("index-1797") is None
    moved = replace(run, settings={"data": "cifar10"}, data_source="/gone")
    assert Thumbnails(moved)("index-7") is None


def test_the_images_stand_in_the_page(comparison, tmp_path):
    row = comparison.reference
    names = {name for row in comparison.rows for run in row.configuration.runs for name in run.read_predictions().files}
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), 128).save(tmp_path / name)
    with_images = replace(row, best_run=replace(row.best_run, data_source=str(tmp_path)))
    shown = replace(comparison, rows=(with_images, *comparison.rows[1:]))
    html = fragment(shown, command="again")
    assert html.count("<img src=") == html.count("<small>") > 3
    pictures = page_data(shown, command="again", running=None, typed_again=None).answers.pictures
    assert len(pictures) > 3
    assert all(pixels(source).shape == (8, 8, 3) for source in pictures.values())


def test_compare_renews_what_the_sweep_shows(recorded):
    recorder, parent = recorded
    store = f"tracking.uri={recorder.uri}"
    assert main(["compare", parent, store, "--log", "--metric", "test/macro_f1"]) == 0
    note = recorder.client.get_run(parent).data.tags["mlflow.note.content"]
    assert "test/macro_f1" in note


def test_only_a_sweep_can_be_shown_so(tmp_path, capsys):
    recorder = Recorder(tmp_path)
    recorder.run("alone", {"seed": "0"}, {"test/accuracy": 0.5, "best/val_loss": 1.0})
    assert main(["compare", "alone", f"tracking.uri={recorder.uri}", "--log"]) == 2
    assert "--log needs the runs of one sweep" in capsys.readouterr().err


def test_a_comparison_that_fails_is_said_and_costs_nothing_else(tmp_path):
    recorder = Recorder(tmp_path)
    parent = recorder.sweep("untested")
    scores = {"best/val_loss": 0.5, "best/val_accuracy": 0.9, "best/epoch": 3.0}
    recorder.run("no-test-split", {"seed": "0"}, scores, parent=parent)
    results = Results("best/val_loss")
    results.add(Result(0, "no-test-split", {"seed": "0"}, "FINISHED", scores, 0.1, 32, "none", 1.0, ""))
    word = summary.summarize_with_comparison(results, uri=recorder.uri, parent_id=parent)
    assert "comparing them failed (ConfigError: --metric takes" in word.trouble
    assert word.description.startswith("**best on validation: seed 0: val loss 0.5000")
    assert word.files == {}


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


def test_seeds_that_tie_have_no_interval_of_no_width():
    accuracy = metric("test/accuracy")
    assert value_text(Estimate(0.9359, 0.9359, 0.9359 + 1e-16, 2), accuracy) == "0.9359"
    assert gain_text(Estimate(0.01, 0.01, 0.01, 2), accuracy) == "+1.00"
    assert value_text(Estimate(0.98, 0.945, 1.015, 5), accuracy) == "0.980 ± 0.035"
