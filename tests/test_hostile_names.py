"""Names that command a spreadsheet, a page or the patience of a reader: they are shown, never obeyed."""

import csv
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.records import DataImage
from cnnexp.report.console import open_console
from cnnexp.report.data_report import print_report
from cnnexp.report.prediction import CsvWriter
from cnnexp.saved.prediction import Answer, Prediction
from cnnexp.system.text import markdown, spreadsheet_cell
from cnnexp.tracking.outbox import entries
from support.sample_records import data_report, run_info, run_result

FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    '=HYPERLINK("x")',
    "-",
    "--1",
]
HARMLESS = ["cat", "", "1=2", "a-b", " ", "-1", "+2.5", "-1e-3", "T-shirt", "'x", "~", "é"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text, tmp_path):
    answer = Answer(
        label=text, probability=0.5, probabilities=(0.5, 0.5), next_best=text, next_probability=0.5,
        prediction_set=(text, "b"), p_value=None, unlike=False,
    )  # fmt: skip
    with CsvWriter(tmp_path / "a.csv") as writer:
        writer.write(Prediction(name=text, answer=answer, error=None, pixels=None, nearest=()))
        writer.write(Prediction(name="x", answer=None, error=text, pixels=None, nearest=()))
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [rows[0][name] for name in ("file", "label", "next_best")] == [f"'{text}"] * 3
    assert rows[0]["prediction_set"] == f"'{text}|b"
    assert rows[1]["error"] == f"'{text}"
    assert float(rows[0]["probability"]) == 0.5


@pytest.mark.parametrize("text", HARMLESS)
def test_other_cells_stay_as_they_are(text):
    assert spreadsheet_cell(text) == text
    assert spreadsheet_cell(-0.5) == -0.5


NAMES = ["**bold**", "a|b", "[x](javascript:y)", "![x](http://x)", "<img src=x>", "`code`", "a_b_c", "# head", "~~x~~"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_description_is_text(name):
    info = dataclasses.replace(run_info(notes=[f"class {name} is rare"]), data_name=name)
    result = dataclasses.replace(run_result(["a", name]), info=info)
    for text in (entries.describe_info(info), entries.describe_result(result, notes=[f"no {name}"])):
        assert markdown(name) in text
        assert name not in text.replace(markdown(name), "")


@given(st.text(max_size=20))
def test_markdown_shows_every_text_in_one_line(text):
    shown = markdown(text)
    assert "\n" not in shown
    bare = shown.replace("\\\\", "")
    assert all(bare.count(letter) == bare.count(f"\\{letter}") for letter in "`*_|[#~")
    assert "<" not in shown
    assert ">" not in shown


def test_a_hundred_copies_are_a_short_line(capsys):
    report = data_report(["a", "b"])
    group = tuple(DataImage(row, f"folder/{row}.png", "train", "a", "") for row in range(120))
    issue = dataclasses.replace(report.issues[0], groups=(group,))
    print_report(open_console(), dataclasses.replace(report, issues=(issue,)))
    text = " ".join(capsys.readouterr().out.split())
    assert "folder/0.png (train, a)" in text
    assert "folder/4.png (train, a) and 115 more" in text
    assert "folder/5.png" not in text
