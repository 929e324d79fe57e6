"""The page of a run: what stands in it, names that mean harm, its size, and how a browser shows it."""

import html
import json
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cnnexp.records import PredictedImage, RunCommand
from cnnexp.report.data_report import page as data_page
from cnnexp.report.run.page import MOST_CLASSES, probability_text, run_page
from support.sample_records import (
    BAD_LABELS,
    class_names,
    data_report,
    evaluation,
    gallery,
    history,
    kinds,
    run_command,
    run_result,
)

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = (
    "<script>alert(1)</script>",
    "قطة صغيرة",
    "n" * 300,
    "\x1b[31m\u202eevil",
    "'\"&amp;</title></style>",
    "a b  c",
)


class Page(HTMLParser):
    """The elements of a page, and the text of each."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements, self._open = [], []  # (tag, attributes, [text])
        self.feed(content)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in ("meta", "img", "br"):
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, text in self._open:
            text.append(data)

    def texts(self, tag: str) -> list[str]:
        return [" ".join("".join(text).split()) for name, _, text in self.elements if name == tag]

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


@pytest.fixture(scope="module")
def result():
    return run_result(class_names(10), findings=(BAD_LABELS,), notes=["Three files were left out."])


@pytest.fixture(scope="module")
def page(result):
    return Page(run_page(result, run_command()))


def test_the_title_and_the_heading_say_what_came_out(result, page):
    (headline,) = page.texts("h1")
    low, high = result.evaluation.intervals["accuracy"]
    accuracy = result.evaluation.metrics["accuracy"]
    assert headline == f"Accuracy {accuracy:.3f} on 200 test images (95 % interval {low:.3f} to {high:.3f})"
    assert page.texts("title")[0] == f"{result.info.name}: {headline}"


def test_the_header_says_what_was_run_and_how_to_run_it_again(result, page):
    facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    assert facts["data"] == "digits, 10 classes, 8 × 8 × 1; scikit-learn load_digits"
    assert facts["model"] == "baseline, 241,546 parameters"
    assert facts["recorded"] == "in MLflow at sqlite:///mlflow.db, experiment cnnexp"
    assert "cnnexp optimizer=sgd training.epochs=20 'data.path='\"'\"'a b'\"'\"''" in page.texts("pre")
    rows = page.texts("tr")
    assert "training.epochs2050" in rows
    assert "optimizer.momentum0.9–" in rows


def test_findings_data_warnings_and_notes_stand_there_in_full(result, page):
    sections = page.texts("section")
    (finding,) = [text for text in sections if BAD_LABELS.sentence in text]
    assert BAD_LABELS.repair in finding
    (warning,) = [text for text in sections if result.data_report.issues[0].sentence in text]
    assert "cnnexp check-data 'data.path=" in warning
    assert "Three files were left out." in page.texts("li")
    assert any("1 finding, 1 data warning." in text for text in page.texts("p"))
    without = Page(run_page(replace(result, findings=()), run_command()))
    assert "FindingsNo check found a fault in the training." in without.texts("section")


def test_a_note_that_is_a_data_warning_already_is_not_repeated(result):
    sentence = result.data_report.issues[0].sentence
    page = Page(run_page(replace(result, notes=(sentence, "another note")), run_command()))
    assert [text for text in page.texts("li") if text in (sentence, "another note")] == ["another note"]


def test_scores_stand_with_intervals_overall_and_by_class(result, page):
    rows = page.texts("tr")
    low, high = result.evaluation.intervals["accuracy"]
    assert f"accuracy{result.evaluation.metrics['accuracy']:.3f}{low:.3f}–{high:.3f}" in rows
    score = result.evaluation.per_class[3]
    numbers = f"{score.precision:.3f}{score.recall:.3f}{score.f1:.3f}"
    assert [row for row in rows if row.startswith(f"3{score.support}{numbers}")]


def test_curves_mark_the_best_epoch_and_say_it_in_words(result, page):
    labels = [attributes["aria-label"] for attributes in page.attributes("svg")]
    best = result.history.epochs[result.history.best_epoch - 1]
    assert labels[0] == (
        f"loss over 20 epochs; in the best one, epoch {best.epoch}, "
        f"training {best.train_loss:.3g} and validation {best.val_loss:.3g}"
    )
    assert [label.split(" over")[0] for label in labels[:3]] == ["loss", "accuracy", "learning rate"]
    assert page.texts("text").count(f"best epoch {best.epoch}") == 3


def test_each_image_has_its_picture_file_label_prediction_and_mark(result, page):
    figures = page.texts("figure")[: len(result.gallery.top_losses)]
    for image, text in zip(result.gallery.top_losses, figures, strict=True):
        unlike = "unlike the training data" if image.unlike else ""
        expected = f"{image.label} 25.0 % {image.predicted} 75.0 % {unlike} {image.file}"
        assert "".join(text.split()) == "".join(expected.split())
    pictures = page.attributes("img")
    assert len(pictures) == 10 + 2 + 10  # top losses, a pair, strips
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in pictures)
    assert pictures[3]["alt"] == "3 taken for 4: test/3/3.png"
    assert pictures[-1]["alt"] == "2 training images of 9"


def test_both_directions_of_a_pair_are_shown(page):
    assert [text for text in page.texts("h3") if "taken for" in text] == [
        "7 of 20: 0 taken for 1",
        "0 of 20: 1 taken for 0",
    ]


def test_it_says_whether_training_images_were_augmented(result):
    def told(augmentation):
        info = replace(result.info, augmentation=augmentation)
        page = Page(run_page(replace(result, info=info), run_command()))
        return next(text for text in page.texts("p") if text.startswith("The first training images"))

    assert "augmented as they were: shift 0.1; seed 0, 8 × 8 pixels." in told("shift 0.1")
    assert "which were not augmented; seed 0" in told("none")


def test_each_kind_of_augmentation_is_shown_alone_where_there_is_one(result):
    shown = kinds(shape=(8, 8, 1), count=12)
    page = Page(run_page(replace(result, gallery=replace(result.gallery, kinds=shown)), run_command()))
    names = [name for name, _ in shown.alone]
    assert names == [str(one) for one in shown.augmentation.kinds]
    assert [one["alt"] for one in page.attributes("img")[-13:]] == ["plain training images", *names]
    assert "mixup 0.2Two images blended;" in " ".join(page.texts("figcaption"))
    assert "The same 8 training images each time: a column is one image, a row one epoch." in page.texts("p")
    without = Page(run_page(result, run_command()))
    assert "Each kind of change alone" in page.texts("h3")
    assert "Each kind of change alone" not in without.texts("h3")


def test_a_right_answer_has_no_second_class(result):
    right = PredictedImage(np.zeros((8, 8, 1), np.uint8), "a.png", 3, 3, 0.4, 0.4, unlike=False)
    shown = replace(result, gallery=replace(result.gallery, top_losses=(right,), confused=()))
    page = Page(run_page(shown, run_command()))
    assert "".join(page.texts("figure")[0].split()) == "340.0%a.png"
    assert "No test image was taken for another class." in page.texts("p")


def test_the_page_needs_nothing_from_elsewhere(result):
    content = run_page(result, run_command())
    page = Page(content)
    assert not {"script", "link", "iframe", "a"} & {tag for tag, _, _ in page.elements}
    assert "http" not in content.replace("http://www.w3.org/2000/svg", "")
    assert content.startswith("<!doctype html>")


def hostile_result():
    names = HOSTILE
    result = run_result(names, findings=[replace(BAD_LABELS, sentence=name, repair=name) for name in names])
    command = RunCommand(overrides=tuple(f"data.path={name}" for name in names), changed={names[0]: (names[0], None)})
    info = replace(result.info, name=names[0], data_source=names[2], notes=names)
    return replace(result, info=info, notes=names), command


def test_hostile_names_stay_text():
    result, command = hostile_result()
    content = run_page(result, command)
    page = Page(content)
    assert "script" not in {tag for tag, _, _ in page.elements}
    assert not {"\x1b", "\u202e"} & set(content)
    assert len(page.texts("style")) == len(page.texts("h1")) == 1
    assert page.texts("title")[0].startswith("<script>alert(1)</script>: Accuracy")
    shown = [text for text in page.texts("bdi") if text]
    assert {"<script>alert(1)</script>", "قطة صغيرة", "n" * 300, "\\x1b[31m\\u202eevil"} <= set(shown)


def smooth(shape):
    """An image as a camera takes them: no noise."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    planes = [127 + 120 * np.sin((rows * (c + 1) + columns * 2) / 40) for c in range(shape[2])]
    return np.stack(planes, axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("classes", "shape"), [(2, (28, 28, 1)), (10, (32, 32, 3)), (10, (64, 64, 3)), (10, (512, 512, 3))]
)
def test_a_page_of_usual_images_is_at_most_a_megabyte(classes, shape):
    names = class_names(classes)
    pixels = smooth(shape)
    whole = gallery(names, shape=(8, 8, 1))
    image = replace(whole.top_losses[0], pixels=pixels)
    full = replace(
        whole, top_losses=(image,) * 24, seen=np.stack([pixels] * (8 * classes)), seen_files=("f",) * 8 * classes
    )
    way = replace(whole.confused[0][0], images=(image,) * 4)
    full = replace(full, confused=((way, way),) * 6, seen_labels=np.repeat(np.arange(classes), 8))
    shown = kinds(shape=(1, 1, 1), count=12)
    eight = np.stack([pixels] * 8)
    full = replace(
        full, kinds=replace(shown, plain=eight, alone=tuple((name, np.stack([eight] * 2)) for name, _ in shown.alone))
    )
    assert len(run_page(replace(run_result(names), gallery=full), run_command())) < 1_000_000


def test_a_thousand_classes_and_epochs_are_bounded():
    names = class_names(1000)
    small = gallery(names[:20])
    run = history(20_000)
    result = replace(run_result(names[:20]), info=replace(run_result(names[:2]).info, class_names=names))
    judged = evaluation(names, [1] * 1000)
    content = run_page(replace(result, gallery=small, history=run, evaluation=judged), run_command())
    page = Page(content)
    assert len(content) < 1_000_000
    assert len([text for text in page.texts("tr") if "most often" not in text]) < MOST_CLASSES + 30
    assert f"And {1000 - MOST_CLASSES} more classes in classification_report.json." in page.texts("p")
    assert any("20 of 1000 classes are shown." in text for text in page.texts("p"))
    matrix = page.attributes("img")[-21]
    assert matrix["alt"].startswith("confusion matrix of 1000 classes")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_values_that_are_not_finite_leave_a_gap(result, loss):
    broken = [replace(values, val_loss=loss) if values.epoch in (2, 5) else values for values in result.history.epochs]
    content = run_page(replace(result, history=replace(result.history, epochs=tuple(broken))), run_command())
    assert "nan" not in content
    assert "inf," not in content


def test_one_epoch_is_a_page_too():
    page = Page(run_page(replace(run_result(), history=history(1)), run_command()))
    assert len(page.attributes("circle")) == 4  # a dot for each curve


def test_a_long_training_is_drawn_by_loss_on_a_log_axis(result):
    steep = tuple(replace(values, train_loss=10.0**-values.epoch) for values in result.history.epochs)
    page = Page(run_page(replace(result, history=replace(result.history, epochs=steep)), run_command()))
    assert "loss (log axis)" in page.texts("text")
    assert "accuracy" in page.texts("text")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "100.0 %"), (0.99996, "> 99.9 %"), (0.9994, "99.9 %"), (0.5, "50.0 %"), (0.0004, "< 0.1 %"), (0.0, "0.0 %")],
)
def test_no_probability_is_rounded_to_certainty(value, text):
    assert probability_text(value) == text


MEASURE = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" style="border:0" width="{width}" height="900" srcdoc="{page}"></iframe><output></output>
<script>onload = () => {{
  const root = document.getElementById("page").contentDocument.documentElement
  const wide = [...root.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > root.clientWidth
    + 0.5 && !one.closest(".scroll, svg"))
  document.querySelector("output").textContent = JSON.stringify(
    {{scroll: root.scrollWidth, client: root.clientWidth, wide: wide.map(one => one.outerHTML.slice(0, 80))}})
}}</script>"""


def measured(content: str, width: int, folder: Path) -> dict:
    """Return the widths of a page as a browser lays it out, and the elements that are wider."""
    file = folder / f"{width}.html"
    file.write_text(MEASURE.format(width=width, page=html.escape(content)), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'browser'}"]
    command = [str(CHROMIUM), *options, "--window-size=1600,1000", "--dump-dom", f"file://{file}"]
    dump = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return json.loads(html.unescape(dump.partition("<output>")[2].partition("</output>")[0]))


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs a browser: there is no {CHROMIUM}")
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("shown", ["plain", "hostile", "many", "data check"])
def test_nothing_is_wider_than_the_window(width, shown, tmp_path):
    if shown == "data check":
        content = data_page(data_report(HOSTILE), np.zeros((2, 8, 8, 1), np.uint8), command="n" * 300)
    elif shown == "hostile":
        content = run_page(*hostile_result())
    else:
        content = run_page(run_result(class_names(60 if shown == "many" else 10)), run_command())
    found = measured(content, width, tmp_path)
    assert found["wide"] == []
    assert found["scroll"] <= found["client"] <= width
