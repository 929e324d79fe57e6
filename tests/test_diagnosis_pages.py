"""``cnnexp diagnose --html``: the page of a run, and that of images."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from cnnexp.__main__ import main
from cnnexp.diagnosis.image.confirm import Candidate, Suspicion
from cnnexp.records import Finding, RunSummary
from cnnexp.report.diagnosis.image_page import tried
from cnnexp.report.diagnosis.standing_chart import said
from cnnexp.report.pages import overlaid
from cnnexp.report.prediction import PageWriter
from cnnexp.report.run.findings_page import findings_page
from cnnexp.saved import list_images, predict
from cnnexp.saved.looks import Standing, standings
from support import trained_model


@pytest.fixture
def model(tmp_path):
    return trained_model.folder(tmp_path / "model")


def digit(tmp_path, name="0.png"):
    (path,) = trained_model.save_digits(tmp_path / "digits", ["index-0"])
    return path.rename(tmp_path / name)


def test_the_page_of_images_has_the_verdict_before_the_evidence(tmp_path, model, capsys):
    wrong = tmp_path / "no.png"
    wrong.write_text("no image")
    page = tmp_path / "why.html"
    assert main(["diagnose", str(model), str(digit(tmp_path)), str(wrong), "--html", str(page)]) == 1
    text = page.read_text()
    parts = ["answered right" if "answered right" in text else "hard", "as given", "as the network sees it"]
    parts += ["what speaks for 0", "most like it, to this network", "Where it stands", "not answered"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "HiResCAM" in text or "occlusion" in text
    assert "not answered" in capsys.readouterr().out


def test_the_true_class_is_asked_about_too(tmp_path, model):
    page = tmp_path / "why.html"
    assert main(["diagnose", str(model), str(digit(tmp_path)), "--true", "8", "--html", str(page)]) == 0
    assert [f"what speaks for {label}<" in page.read_text() for label in "087"] == [True, True, False]


def test_names_of_files_are_no_markup(tmp_path, model, capsys):
    path = digit(tmp_path, "<img onerror=x>.png")
    assert main(["diagnose", str(model), str(path), "--html=-"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "<img onerror" not in text
    assert "<script" not in text


def test_one_document_at_most_is_printed(tmp_path, model, capsys):
    assert main(["diagnose", str(model), str(digit(tmp_path)), "--html=-", "--json"]) == 2
    assert "Only one document" in capsys.readouterr().err


def test_json_and_page_can_be_written_together(tmp_path, model, capsys):
    page = tmp_path / "why.html"
    assert main(["diagnose", str(model), str(digit(tmp_path)), "--html", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["label"] == "0"
    assert page.stat().st_size > 10_000


def test_a_dark_image_stands_below_the_training_images():
    model = trained_model.model()
    dark, *_ = standings(model, np.full((8, 8, 1), 1, np.uint8))
    assert dark.below < 0.01
    assert {one.name for one in standings(model, np.zeros((8, 8, 1), np.uint8))} == {"brightness", "contrast", "detail"}


def test_where_an_image_stands_in_words():
    training = np.arange(200, dtype=np.float32)
    assert said(Standing("contrast", 50.0, training)) == "more than 25% of the training images"
    assert said(Standing("contrast", -1.0, training)) == "less than nearly all training images"
    assert said(Standing("contrast", 999.0, training)) == "more than nearly all training images"
    assert Standing("contrast", 3.0, np.full(9, 3, np.float32)).below == 0.5


def test_heat_covers_the_image_with_orange():
    pixels = np.array([[[10, 20, 30], [90, 90, 90]]], np.uint8)
    covered = overlaid(pixels, np.array([[0, 1]], np.float32))
    assert covered[0, 0].tolist() == [20, 20, 20]
    red, green, blue = covered[0, 1].tolist()
    assert red > green > blue


def recorded(findings):
    return RunSummary(
        run_id="3f9a2c" + "0" * 26, name="<b>run</b>", experiment="e", status="FINISHED", parent_id=None, started=0.0,
        seconds=1.0, settings={}, metrics={"test/accuracy": 0.5}, tags={}, data_digest=None, data_source=None,
        read_curves=dict, read_predictions=lambda: None, read_findings=lambda: findings,
    )  # fmt: skip


def test_the_page_of_a_run_ranks_its_findings():
    cause = Finding(
        "L1", 1, "wrong labels", "Labels are wrong.", {"images": 12.0}, 0.9, "look at them",
        symptoms=("over-fitting",), files=("a/<1>.png", "a/2.png"),
    )  # fmt: skip
    second = Finding("T2", 3, "rate too low", "It is low.", {}, 0.5, "optimizer.learning_rate=0.01", declared=True)
    page = findings_page([recorded((cause, second))], asked="latest")
    assert "Most likely wrong labels: Labels are wrong. 1 more finding follows." in page
    assert page.index("1. wrong labels") < page.index("2. rate too low")
    assert "90 % sure" in page
    assert "declared" in page
    assert "2 files" in page
    assert "a/&lt;1&gt;.png" in page
    assert "<b>run</b>" not in page


def test_a_run_without_findings_says_so():
    page = findings_page([recorded(())], asked="latest")
    assert "No check found a fault." in page
    assert 'class="fine"' in page


def test_the_page_of_predictions_shows_where_a_network_with_feature_maps_looks(tmp_path):
    pixels = keras.Input((8, 8, 1), dtype="uint8")
    maps = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(pixels))
    network = keras.Model(pixels, keras.layers.Dense(10)(keras.layers.Flatten()(maps)))
    for model, pictures in ((trained_model.model(), 1), (replace(trained_model.model(), network=network), 2)):
        (prediction,) = predict(model, list_images([str(digit(tmp_path))], root=None), coverage=0.9, neighbours=0)
        with PageWriter(tmp_path / "a.html", model, coverage=0.9) as page:
            page.write(prediction)
        assert (tmp_path / "a.html").read_text().count('class="large"') == pictures


def candidate(kind, *, share, undone_p, typical_p=0.5):
    return Candidate(kind=kind, share=share, share_p=0.4, typical_p=typical_p, undone_p=undone_p)


def test_what_was_tried_is_shown_with_what_undoing_it_brings():
    first = candidate("inverted", share=0.9, undone_p=0.6)
    second = candidate("blurred", share=0.004, undone_p=None, typical_p=0.01)
    third = candidate("swapped", share=0.1, undone_p=0.001)
    found = Suspicion(clean_p=0.001, kind_p=0.002, named_p=0.002, is_beyond=True, candidates=(first, second, third))
    rows = tried(found)
    assert [(row.kind, row.share, row.undone) for row in rows] == [
        ("inverted", "90 %", "60 %"), ("blurred", "< 1 %", ""), ("swapped", "10 %", "< 1 %"),
    ]  # fmt: skip
    assert [row.outcome for row in rows] == ["named", "excluded", "excluded"]
    assert tried(replace(found, clean_p=0.4, named_p=0.4, is_beyond=False)) == []
    nearly = replace(second, restored_p=0.3)
    assert tried(replace(found, candidates=(first, nearly)))[1].undone == "30 %"
