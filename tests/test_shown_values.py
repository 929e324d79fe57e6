"""Values of every kind as people read them: in names of runs, lines of a sweep, and each form of a comparison."""

import io
import re

import pytest

from cnnexp.comparison import compare
from cnnexp.compose import compose_config, run_name
from cnnexp.config.shown_values import label_of, shown_value, told_apart
from cnnexp.report.comparison import csv_text, markdown_text, print_comparison, verdict
from cnnexp.report.comparison.html_page import page
from cnnexp.report.console import text_console
from support.simulated_runs import simulated_run


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("data.size", "[96, 128]", "96×128"),
        ("data.size", "[96,128]", "96×128"),
        ("data.size", "null", "null"),
        ("data.value_range", "[0.0, 4095.0]", "[0.0, 4095.0]"),
        ("data.value_range", "[1e-05,1]", "[1e-05, 1]"),
        ("data.exclude", "['*.tmp', 'a,b']", "[*.tmp, 'a,b']"),
        ("data.exclude", "[]", "[]"),
        ("data.path", "'a,b'", "a,b"),
        ("data.path", "a [old]", "a [old]"),
        ("data.path", "[", "["),
        ("data.mirror", "true", "true"),
        ("optimizer.learning_rate", "1e-05", "1e-05"),
    ],
)
def test_a_value_is_read_as_it_is_written(name, value, shown):
    assert shown_value(name, value) == shown


def test_a_line_of_a_sweep_says_what_differs_and_nothing_else():
    varied = {"optimizer.learning_rate": "1e-3", "data.size": "[96,96]", "model": "resnet", "regularization": "none",
              "training": "default", "data.limit": "null", "optimizer.weight_decay": "0.05", "seed": "1"}  # fmt: skip
    assert label_of(varied) == (
        "lr 0.001, size 96×96, resnet, no regularization, training default, no limit, weight decay 0.05, seed 1"
    )
    assert len(label_of({"data.path": f"'/data/{'x' * 300}/photos'"})) < 60


def test_paths_are_told_apart_by_their_ends():
    assert told_apart(["/a/x/train", "/a/y/train", "–"]) == {"/a/x/train": "x/train", "/a/y/train": "y/train", "–": "–"}
    assert told_apart(["/a", "a"]) == {"/a": "/a", "a": "a"}


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["data.size=[96,128]"], "size96x128-baseline"),
        (["data.value_range=[0,4095]"], "value_range_0_4095-baseline"),
        (["data.size=null"], "size_null-baseline"),
    ],
)
def test_the_name_of_a_run_has_no_brackets(overrides, name):
    assert run_name(compose_config(overrides), overrides) == name


KINDS = [  # setting, values, as they are read
    ("data.size", ("[96, 96]", "[128, 128]"), ("96×96", "128×128")),
    ("data.value_range", ("[0.0, 255.0]", "[0.0, 4095.0]"), ("[0.0, 255.0]", "[0.0, 4095.0]")),
    ("data.exclude", ("['a,b', 'c d']", "['e']"), ("['a,b', c d]", "[e]")),
    ("optimizer.weight_decay", ("1e-05", "0.01"), ("1e-05", "0.01")),
    ("data.mirror", ("false", "true"), ("false", "true")),
    ("decision.positive", ("a big dog, a cat", "b"), ("a big dog, a cat", "b")),
    ("model.weights", ("/data/first/weights.pt", "/data/second/weights.pt"), ("first/weights.pt", "second/weights.pt")),
]


@pytest.mark.parametrize(("name", "values", "shown"), KINDS, ids=[name for name, *_ in KINDS])
def test_every_form_of_a_comparison_reads_the_same(name, values, shown):
    scored = [(0.9 + 0.02 * place + 0.001 * seed, seed, v) for place, v in enumerate(values) for seed in (0, 1)]
    runs = [simulated_run(score, seed=seed, **{name: value}) for score, seed, value in scored]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    assert [row.configuration.values[name] for row in comparison.rows] == [values[1], values[0]]
    assert comparison.settings[0].levels[0] == values[0]  # lists of numbers by their numbers
    written = io.StringIO()
    print_comparison(comparison, text_console(written))
    forms = [written.getvalue(), markdown_text(comparison).replace("\\", ""), page(comparison, command="again")]
    for form in forms:
        for one in shown:
            assert one in form.replace("&#39;", "'")
    assert shown[1] in verdict(comparison)[0]
    assert not re.search(r",_|\[\d+,", verdict(comparison)[0])
    assert values[1] in csv_text(comparison).replace('""', '"')  # for programs, as recorded
