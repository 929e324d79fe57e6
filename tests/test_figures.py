import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cnnexp import figures
from cnnexp.figures import canvas
from support.sample_records import class_names, evaluation, history


def texts(figure: Figure) -> list[str]:
    """Everything written in the figure, tick labels included."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def names(axes: Axes) -> list[Text]:
    """The names of the rows."""
    return [text for text in axes.texts if text.get_gid() == "left"]


def overlapping_labels(figure: Figure) -> list[tuple[str, str]]:
    """Neighbouring tick labels whose boxes overlap, on the axis that is not slanted."""
    figure.canvas.draw()
    pairs = []
    for axes in figure.axes:
        labels = [*(label for label in axes.get_yticklabels() if label.get_text()), *names(axes)]
        boxes = [label.get_window_extent() for label in labels]
        pairs += [
            (labels[i].get_text(), labels[i + 1].get_text())
            for i in range(len(labels) - 1)
            if boxes[i].overlaps(boxes[i + 1])
        ]
    return pairs


def all_figures(classes: int) -> dict[str, Figure]:
    judged = evaluation(class_names(classes))
    return {
        "confusion": figures.confusion_matrix(judged, normalized=False, split="test"),
        "normalized": figures.confusion_matrix(judged, normalized=True, split="test"),
        "per_class": figures.per_class(judged, split="test"),
        "curves": figures.curves(history(classes)),
    }


@pytest.mark.parametrize("classes", [2, 10, 25, 100])
def test_everything_stands_on_the_paper_and_no_labels_overlap(classes):
    for name, figure in all_figures(classes).items():
        assert overlapping_labels(figure) == [], name
        paper = figure.bbox
        drawn = figure.get_tightbbox()  # inches
        assert min(drawn.x0, drawn.y0) >= 0, name
        assert drawn.x1 * figure.dpi <= paper.width, name
        assert drawn.y1 * figure.dpi <= paper.height, name


def test_counts_stand_in_the_cells_and_nothing_in_empty_ones():
    judged = replace(evaluation(("cat", "dog")), confusion=np.array([[37, 0], [4, 59]]))
    written = texts(figures.confusion_matrix(judged, normalized=False, split="test"))
    assert {"37", "4", "59", "cat", "dog"} <= set(written)
    assert "0" not in written
    assert any("96 of 100 images right" in text for text in written)
    assert "most often mistaken: dog as cat (4)" in written


def test_normalized_rows_are_percentages_of_the_true_class():
    judged = replace(evaluation(("cat", "dog")), confusion=np.array([[30, 10], [1, 999]]))
    written = set(texts(figures.confusion_matrix(judged, normalized=True, split="test")))
    assert {"75", "25", "<1", "100"} <= written


def test_a_class_without_images_is_drawn_grey_not_as_zero():
    judged = evaluation(("cat", "dog", "eel"), counts=[20, 20, 0])
    figure = figures.confusion_matrix(judged, normalized=True, split="test")
    cells = figure.axes[0].collections[0].get_array()
    assert np.allclose(cells[2, :, :3], 0.94)
    assert not np.allclose(cells[1, 1, :3], 0.94)
    assert "–" in texts(figures.per_class(judged, split="test"))


def test_a_hundred_classes_name_every_fifth_and_show_shades_instead_of_numbers():
    figure = all_figures(100)["confusion"]
    assert len(names(figure.axes[0])) == 20
    assert len(figure.axes[0].texts) == 40  # names of rows and columns, and no numbers
    assert {"right", "wrong"} <= set(texts(figure))


def test_of_many_classes_the_lowest_f1_are_shown():
    judged = evaluation(class_names(100))
    shown = {name.get_text() for name in names(figures.per_class(judged, split="test").axes[0])}
    drawable = canvas.drawable(class_names(100), limit=24)
    f1 = {name: score.f1 for name, score in zip(drawable, judged.per_class, strict=True)}
    assert sorted(f1[name] for name in shown) == sorted(f1.values())[:30]


def test_curves_mark_the_best_epoch_and_survive_values_that_are_not_finite():
    run = history(30, best=17)
    broken = replace(run.epochs[3], val_loss=float("nan"), train_loss=float("inf"))
    figure = figures.curves(replace(run, epochs=(*run.epochs[:3], broken, *run.epochs[4:])))
    assert "best epoch: 17" in texts(figure)
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[3])


def test_names_with_markup_or_of_another_script_are_drawn():
    judged = evaluation(("$x^2$", "猫", "a\x1b[31m"))
    for figure in (
        figures.confusion_matrix(judged, normalized=False, split="test"),
        figures.per_class(judged, split="test"),
    ):
        written = texts(figure)
        assert "$x^2$" in written
        assert "#2" in written  # a control character cannot be drawn
        assert figures.png(figure)


def test_long_names_keep_both_ends():
    assert canvas.shorten("n02085620 wire-haired fox terrier 15", 18) == "n02085620…rrier 15"
    assert canvas.shorten("short", 18) == "short"


def test_png_is_an_image_of_the_figures_size_and_the_same_every_time():
    first, second = (figures.png(all_figures(10)["confusion"]) for _ in range(2))
    assert first == second
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 500


def test_figures_may_be_drawn_in_threads():
    judged = [evaluation(class_names(5), skill=skill) for skill in (1.0, 2.0, 3.0, 4.0)]

    def draw(record):
        return figures.png(figures.confusion_matrix(record, normalized=True, split="test"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, judged)) == [draw(record) for record in judged]
