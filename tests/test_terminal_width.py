"""Sixty columns: no report is cut or broken within a word there, and its styles can be read on any background."""

import ast
import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from cnnexp.__main__ import main
from cnnexp.cli import COMMANDS
from cnnexp.report.console import THEME, open_console, print_line
from cnnexp.report.data_report import print_report
from cnnexp.report.run import RunReport
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.report.table import Column, print_table
from cnnexp.system.streams import print_error
from support.sample_records import BAD_LABELS, OVERFITTING, data_report, history, run_info, run_result, settings

ROOT = Path(__file__).parents[1]
NAMES = [f"kind {number}" for number in range(12)]
ANSI = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


def tell_run():
    with RunReport() as report:
        report.info(run_info(NAMES, notes=["auto became 2 threads, because this machine has two cores."]), settings())
        for values in history(12).epochs:
            report.epoch(values)
        report.result(run_result(NAMES, epochs=12, findings=(OVERFITTING, BAD_LABELS)))


def tell_sweep():
    with SweepReport() as report:
        report.begin([("runs", "24 runs, 2 at a time")], total=24)
        text = "val loss 0.0123, accuracy 0.987, pruned after epoch 12 because others were better at that epoch"
        report.ended(0, "regularized-sgd-bs64-seed0", text, good=True, best="regularized-sgd-bs64-seed0: 0.987")
        report.retried(1, "regularized-sgd-bs64-seed1", "The worker was killed by the system, out of memory.")
        report.note("A note that is longer than a terminal of sixty columns is wide, and then some words more.")
        rows = [("regularized-adam-bs128-lr0.002-seed0", "128", "0.002", "1,400")]
        report.table(("run", "batch size", "learning rate", "steps"), rows)


def tell_data():
    print_report(open_console(), data_report(NAMES))


def shown(capsys, monkeypatch, tell, *, columns, terminal):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
    tell()
    return capsys.readouterr().out


@pytest.mark.parametrize("tell", [tell_run, tell_sweep, tell_data])
def test_a_report_fits_sixty_columns_and_breaks_no_word(capsys, monkeypatch, tell):
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    narrow = shown(capsys, monkeypatch, tell, columns=60, terminal=True)
    wide = shown(capsys, monkeypatch, tell, columns=1000, terminal=False)
    assert "\x1b[90m" not in narrow  # "bright black", which some themes make invisible
    lines = ANSI.sub("", narrow).splitlines()
    assert [line for line in lines if len(line.rstrip()) > 60 and not re.match(r" +(add|do) ", line)] == []
    assert set(" ".join(lines).split()) <= set(wide.split())


def test_colours_are_left_out_where_the_user_says_so(capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[(\d+;)*3\d", shown(capsys, monkeypatch, tell_run, columns=60, terminal=True))


def test_every_style_is_of_the_theme():
    """One place says how things look; a colour named elsewhere is one that nobody checked on a dark terminal."""
    known = {*THEME.styles, "", "progress.remaining"}
    for file in (ROOT / "cnnexp").rglob("*.py"):
        if file.name in ("svg.py", "charts.py", "confusions.py") or "figures" in file.parts:
            continue  # pictures
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg and node.arg.endswith("style"):
                named = {one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant)}
                assert {one for one in named if isinstance(one, str)} <= known, (file, named)


def test_a_table_that_does_not_fit_is_printed_row_by_row():
    columns = [Column("run"), Column("learning rate", numeric=True), Column("accuracy", numeric=True)]
    rows = [["regularized-sgd-lr0.001", "0.001", "0.98 ± 0.01"], ["small", "0.1", "0.91 ± 0.02"]]

    def printed(width):
        console = Console(file=io.StringIO(), width=width, theme=THEME)
        print_table(console, columns, rows, styles=["best", ""])
        return console.file.getvalue().splitlines()

    assert [line.rstrip() for line in printed(50)] == [
        "                         learning",
        "run                          rate     accuracy",
        "regularized-sgd-lr0.001     0.001  0.98 ± 0.01",
        "small                         0.1  0.91 ± 0.02",
    ]
    assert [line.rstrip() for line in printed(40)[:4]] == [
        "run            regularized-sgd-lr0.001",
        "learning rate  0.001",
        "accuracy       0.98 ± 0.01",
        "",
    ]


def test_a_line_is_whole_for_programs_and_broken_between_words_on_a_terminal():
    def printed(*, terminal):
        console = Console(file=io.StringIO(), width=20, force_terminal=terminal, theme=THEME, color_system=None)
        print_line(console, Text("one two three four five six"))
        return console.file.getvalue()

    assert printed(terminal=False) == "one two three four five six\n"
    assert [line.rstrip() for line in printed(terminal=True).splitlines()] == ["one two three", "    four five six"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_an_error_is_one_line_for_programs_and_broken_between_words_on_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    message = "training has no setting 'epoch'; choose from epochs, batch_size, patience. Did you mean epochs?"
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        print_error(message)
        assert stream.getvalue().split() == message.split()
        assert (max(map(len, stream.getvalue().splitlines())) <= 60) is stream.isatty()


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_the_help_fits(monkeypatch, capfd, words):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(words) == 0
    assert [line for line in capfd.readouterr().out.splitlines() if len(line) > 60] == []
