import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from itertools import count

import pytest

from cnnexp.errors import ConfigError
from cnnexp.report.console import open_console, print_title
from cnnexp.report.run import ProgressReport, RunReport, epoch_line
from cnnexp.report.run.curves import curve_charts
from cnnexp.report.run.log import RunLog
from cnnexp.report.run.progress import NEXT_STAGE
from cnnexp.report.sweep_progress import SweepReport
from support import TESTS
from support.sample_records import (
    BAD_LABELS,
    OVERFITTING,
    class_names,
    evaluation,
    history,
    run_info,
    run_result,
    settings,
)

STORY = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from support.sample_records import history, run_info, run_result, settings
from cnnexp.report.run import RunReport

names = ["[red]apple", "caf\\u00e9 \\u732b", "\\x1b[31mevil"]
with RunReport() as report:
    report.progress("decoding data", 900, 1797)
    report.progress("decoding data", 1797, 1797)
    report.info(run_info(names), settings(epochs=30))
    for values in history(30).epochs:
        report.progress("training", 31 * values.epoch - 10, 930)
        report.epoch(values)
    report.warn("this matters")
    report.result(run_result(names, epochs=30))
    report.closing([("open", "python -m cnnexp ui")])
"""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("CI", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def tell(environment=()):
    """Run the story in a process whose output is a pipe."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", STORY],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | dict(environment),
    )


def tell_on_terminal(environment=(), story=STORY) -> str:
    """Run the story in a process whose output is a terminal of 80 columns."""
    master, slave = pty.openpty()
    variables = os.environ | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | dict(environment)
    with subprocess.Popen([sys.executable, "-c", story], stdin=slave, stdout=slave, stderr=slave, env=variables):
        os.close(slave)
        chunks = []
        try:
            while chunk := os.read(master, 65536):
                chunks.append(chunk)
        except OSError:  # Linux's end of a terminal
            pass
    os.close(master)
    return b"".join(chunks).decode()


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def header(capsys, info, **training) -> str:
    RunReport().info(info, settings(**training))
    return capsys.readouterr().out


def scores(capsys, result) -> str:
    RunReport().result(result)
    return capsys.readouterr().out


def test_header_says_what_will_be_done(capsys):
    out = " ".join(header(capsys, run_info(notes=["auto became 2"])).split())
    for expected in (
        "digits-baseline-sgd-brave-otter",
        "digits, 10 classes, 8 × 8 × 1; scikit-learn load_digits",
        "train 1,000, validation 100, calibration 100, test 200",
        "100 train images each",
        "baseline, 241,546 parameters",
        "sgd, learning rate 0.02 (0.01 × 64/32), momentum 0.9, nesterov",
        "warmup_cosine, final 0.01, warmup epochs 1",
        "dropout 0.5, l2 0.001",
        "shift 0.1",
        "20 epochs of 16 steps, batch 64, patience 5 on val/loss",
        "2 threads, float32, seed 0",
        "auto became 2",
    ):
        assert expected in out


def test_header_leaves_out_what_does_not_apply(capsys):
    plain = settings(patience=None, batch_size=32)
    plain["regularization"] = {"name": "none", "dropout": 0.0, "l1": 0.0, "l2": 0.0, "label_smoothing": 0.0}
    plain["schedule"] = {"name": "constant"}
    plain["optimizer"] = {
        "name": "adam", "learning_rate": 0.001, "batch_scaling": "none", "reference_batch_size": 32,
        "layer_decay": 1.0,
        "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7,
    }  # fmt: skip
    RunReport().info(replace(run_info(), learning_rate=0.001), plain)
    out = lines(capsys.readouterr().out)
    assert "  optimizer       adam, learning rate 0.001" in out
    assert "  schedule        constant" in out
    assert "  regularization  none" in out
    assert "  training        20 epochs of 16 steps, batch 32" in out


def test_imbalance_is_seen(capsys):
    counts = {"train": [100, 50, 5], "test": [10, 10, 10]}
    out = header(capsys, run_info(("cat", "dog", "eel"), counts))
    assert "5 to 100 train images each, imbalance 20 : 1  █▅▁" in out
    assert "cat (100), dog (50), eel (5)" in out
    assert "1 class without any" in header(capsys, run_info(("cat", "dog"), {"train": [0, 9]}))


def test_a_hundred_classes_are_summed_up(capsys):
    counts = {"train": range(10, 110), "test": [1] * 100}
    out = header(capsys, run_info(class_names(100), counts))
    assert "10 to 109 train images each, imbalance 10.9 : 1" in out
    assert "fewest:" in out
    assert len(out.splitlines()) < 22


@pytest.mark.parametrize(("epochs", "most"), [(1, 1), (7, 7), (30, 12), (999, 12), (100_000, 12)])
def test_any_number_of_epochs_leaves_few_lines(capsys, epochs, most):
    report = RunReport()
    report.info(run_info(), settings() | {"training": settings()["training"] | {"epochs": epochs}})
    capsys.readouterr()
    first = history(1).epochs[0]
    for epoch in range(1, epochs + 1):
        report.epoch(replace(first, epoch=epoch))
    told = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert len(told) <= most
    assert {told[0], told[-1]} == {1, epochs}


def test_the_second_stage_is_marked_in_terminal_log_and_curves(capsys):
    run = history(8)
    stages = settings() | {"training": settings()["training"] | {"head_epochs": 3, "epochs": 5, "freeze": 2}}
    report, log = RunReport(), RunLog()
    for shown in (report, log):
        shown.info(run_info(), stages)
        for values in run.epochs:
            shown.epoch(values)
    for text in (capsys.readouterr().out, log.end(None).decode()):
        assert "3 epochs of the head, then 5 epochs of 16 steps" in text
        assert "first 2 blocks frozen" in text
        printed = lines(text)
        at = printed.index(NEXT_STAGE)
        assert printed[at - 1] == epoch_line(run.epochs[2])
    assert all("head alone" in chart for chart in curve_charts(replace(run, head_epochs=3)))
    assert not any("head alone" in chart for chart in curve_charts(run))


def test_training_that_stops_early_shows_its_last_epoch(capsys):
    run = history(7, best=2, stopped_early=True)
    with RunReport() as report:
        report.info(run_info(), settings(epochs=100))
        for values in run.epochs:
            report.epoch(values)
        report.result(replace(run_result(), history=run))
    out = capsys.readouterr().out
    assert out.count(epoch_line(run.epochs[-1])) == 1
    assert "best epoch 2 of 7, stopped early, val loss" in out


def epochs_shown(capsys, losses, accuracies=None, **training) -> list[int]:
    """Return the numbers of the epochs that have a line after a training with these validation values."""
    report = RunReport()
    report.info(run_info(), settings(epochs=len(losses), **training))
    capsys.readouterr()
    first = history(1).epochs[0]
    with report:
        for epoch, loss in enumerate(losses, start=1):
            accuracy = accuracies[epoch - 1] if accuracies else 0.5
            report.epoch(replace(first, epoch=epoch, val_loss=loss, val_accuracy=accuracy))
    return [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("best", [1, 2, 4, 14, 29, 30])
def test_the_best_epoch_has_a_line_in_its_place(capsys, best):
    shown = epochs_shown(capsys, [abs(epoch - best) / 30 + 0.1 for epoch in range(1, 31)])
    assert {1, best, 30} <= set(shown)
    assert shown == sorted(set(shown))
    assert len(shown) <= 12


def test_the_best_epoch_is_the_one_by_the_monitor_and_the_first_of_equals(capsys):
    losses = [1.0, 0.9, 0.8, 0.7, 0.2, 0.6, *[0.7] * 24]
    accuracies = [0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.9, 0.3, 0.3, 0.9, *[0.3] * 19]
    assert epochs_shown(capsys, losses, accuracies) == [1, 3, 5, 6, *range(9, 31, 3)]
    by_accuracy = epochs_shown(capsys, losses, accuracies, monitor="val/accuracy")
    assert by_accuracy == [1, 3, 6, 8, 9, *range(12, 31, 3)]


def test_epochs_without_a_finite_loss_are_not_the_best(capsys):
    nan = float("nan")
    assert epochs_shown(capsys, [nan, 1.0, nan, *[nan] * 27]) == [1, 2, 3, *range(6, 31, 3)]


@pytest.mark.parametrize("loss", [0.0001, 999.9999, 1e12, float("inf"), float("nan")])
def test_the_table_of_epochs_fits_sixty_columns(capsys, monkeypatch, loss):
    monkeypatch.setenv("COLUMNS", "60")
    report = RunReport()
    with report:
        report.info(run_info(), settings(epochs=99_999))
        head = capsys.readouterr().out.splitlines()[-2:]
        report.epoch(replace(history(1).epochs[0], train_loss=loss, val_loss=loss, learning_rate=1.234e-05))
    (line,) = capsys.readouterr().out.splitlines()
    assert max(map(len, (*head, line))) <= 60
    assert head[1].split() == ["epoch", "loss", "accuracy", "loss", "accuracy", "rate", "seconds"]
    assert head[0].split() == ["training", "validation", "learning"]  # above "rate"
    ends = [word.end() for word in re.finditer(r"\S+", head[1])]
    assert [word.end() for word in re.finditer(r"\S+", line)] == ends  # each number under its heading


def test_epoch_line_shows_every_number():
    values = replace(history(1).epochs[0], epoch=12, train_loss=0.25, train_accuracy=0.5, val_loss=float("nan"))
    assert epoch_line(replace(values, val_accuracy=0.75, learning_rate=1e-5, seconds=61.25)).split() == [
        "12", "0.2500", "0.500", "nan", "0.750", "1e-05", "61.2",
    ]  # fmt: skip


def test_scores_overall_and_per_class(capsys):
    result = run_result()
    out = scores(capsys, result)
    assert "test split, 200 images" in out
    accuracy = result.evaluation.metrics["accuracy"]
    low, high = result.evaluation.intervals["accuracy"]
    assert re.search(rf"accuracy +{accuracy:.3f}  {low:.3f}–{high:.3f} ", out)
    assert re.search(r"ECE +0\.012", out)
    assert re.search(r" uncalibrated +0\.046", out)
    score = result.evaluation.per_class[3]
    assert re.search(rf"^  3 +{score.precision:.3f} +{score.recall:.3f} +{score.f1:.3f} +20 ", out, re.MULTILINE)


def test_missing_metrics_and_classes_show_a_dash_and_the_note(capsys):
    judged = evaluation(("cat", "dog", "eel"), counts=[20, 20, 0])
    result = replace(run_result(("cat", "dog", "eel")), evaluation=replace(judged, intervals={}), metrics={})
    out = scores(capsys, result)
    assert re.search(r"ROC AUC +–", out)
    assert re.search(r"^  eel +– +– +– +0", out, re.MULTILINE)
    assert "note: A class has no test image: its scores are left out." in out


def test_many_classes_show_the_worst_and_count_the_rest(capsys):
    result = run_result(class_names(100))
    out = scores(capsys, result)
    assert "85 more classes, F1 from" in out
    worst = min(result.evaluation.per_class, key=lambda score: score.f1)
    shown = [line for line in out.splitlines() if re.search(r"\d\.\d{3} +\d\.\d{3} +\d\.\d{3} +20", line)]
    assert len(shown) == 15
    assert f"{worst.f1:.3f}" in shown[0]


def test_findings_end_in_a_repair_that_can_be_copied(capsys):
    long = replace(OVERFITTING, repair=" ".join(f"training.setting_{i}=value" for i in range(9)))
    out = lines(scores(capsys, run_result(findings=(OVERFITTING, BAD_LABELS, long))))
    assert "  over-fitting  fit, 90 % sure" in out
    assert "    gap 0.1235, gap low 0.08, gap high 0.17, best epoch 6" in out  # its sentence states none of them
    assert "    add  regularization=dropout_l2 training.patience=5" in out
    assert f"    add  {long.repair}" in out
    assert f"    do   {BAD_LABELS.repair}" in out


@pytest.mark.parametrize(
    ("value", "sentence", "said"),
    [
        (0.1235, "12.4% correct", True),
        (0.1235, "12.2% correct", False),
        (0.15, "15.0 points apart", True),
        (0.15, "0.15, 99 % interval", True),
        (2.302585, "a loss of 2.303, or 2.3", True),
        (1e-07, "a learning rate of 1e-07 is", True),
        (-0.065, "a slope of -0.065", True),
        (0.31, "epoch 31 of 40", True),  # said or not, the number is in findings.json
        (7.0, "no number", False),
    ],
)
def test_the_numbers_below_a_sentence_are_others_than_those_in_it(capsys, value, sentence, said):
    finding = replace(OVERFITTING, sentence=sentence, evidence={"number": value})
    out = scores(capsys, run_result(findings=(finding,)))
    assert ("    number " in out) is not said


def test_no_finding_is_said_too(capsys):
    assert "findings: none, no check found a fault" in scores(capsys, run_result(findings=()))


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_eighty_columns_are_enough(capsys, classes):
    names = class_names(classes)
    with RunReport() as report:
        report.info(run_info(names), settings())
        for values in history().epochs:
            report.epoch(values)
        report.result(run_result(names, notes=["a note " * 30]))
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "…" not in out  # nothing was cut off


def test_closing_lines_are_never_wrapped(capsys):
    link = "http://127.0.0.1:5000/#/experiments/1/runs/" + "0123456789abcdef" * 8
    RunReport().closing([("open", link)])
    assert capsys.readouterr().out == f"open      {link}\n"


def test_a_pipe_gets_plain_lines_and_warnings_go_to_stderr():
    told = tell()
    out = told.stdout.decode()
    assert not {"\x1b", "\r"} & set(out)
    assert all(name in out for name in ("[red]apple", "café 猫", "\\x1b[31mevil"))
    assert "decoding data" not in out  # over at once: not worth a line
    assert told.stderr.decode() == "warning: this matters\n"


@pytest.mark.parametrize(("encoding", "name"), [("ascii", "cafe ??"), ("latin-1", "café ??")])
def test_letters_the_output_lacks_are_replaced(encoding, name):
    out = tell({"PYTHONIOENCODING": encoding}).stdout.decode(encoding)
    assert name in out
    assert re.search(r"accuracy +\d\.\d{3}  \d\.\d{3}-\d\.\d{3}", out)


def test_a_terminal_gets_a_bar_and_is_given_back():
    out = tell_on_terminal()
    assert "━" in out
    assert "30/30" in out
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") > 0  # the cursor is shown again
    assert "\x1b[31mevil" not in out


def test_a_sweep_shows_what_is_done_going_on_and_failed_and_the_best_so_far():
    out = tell_on_terminal(
        story=f"""
import sys, time
sys.path.insert(0, {str(TESTS)!r})
from support.sample_records import history
from cnnexp.report.sweep_progress import SweepReport

with SweepReport() as report:
    report.begin([("runs", "3 runs")], total=3)
    for number in range(3):
        report.started(number, f"run-{{number}}", epochs=8)
    report.stage(2, "reading images", 30, 60)
    report.epoch(1, history(8).epochs[6])
    report.ended(0, "run-0", "val loss 0.5", good=True, best="run-0: val loss 0.5")
    time.sleep(1)
    report.ended(1, "run-1", "It was ended by SIGKILL.", good=False, best="run-0: val loss 0.5")
    report.table(("run", "batch", "updates"), [("a-run-with-a-long-name" * 5, "32", "12,345")])
"""
    )
    values = history(8).epochs[6]
    for expected in (
        "… run-2  reading images 50 %",
        f"… run-1  epoch 7/8  val loss {values.val_loss:.4f}  accuracy {values.val_accuracy:.3f}",
        "best so far  run-0: val loss 0.5",
        "1/3",
        "0:0",  # left
        "1 of 3 ✓ run-0  val loss 0.5",
        "2 of 3 ! run-1  It was ended by SIGKILL.",
        "12,345",
    ):
        assert expected in re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", out), expected
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") > 0


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}])
def test_ci_and_dumb_terminals_get_no_control_codes(variables):
    out = tell_on_terminal(variables)
    assert "\x1b" not in out
    assert "best epoch 20 of 30" in out


def test_no_color_leaves_colours_out_and_forced_colour_moves_nothing():
    assert not re.search(r"\x1b\[[\d;]*3\d", tell_on_terminal({"NO_COLOR": "1"}))
    forced = tell({"FORCE_COLOR": "1"}).stdout.decode()
    assert "\x1b[36m" in forced
    assert not re.search(r"\x1b\[[\d?]*[A-LhJKl]", forced)


def test_an_error_gives_the_terminal_back():
    out = tell_on_terminal(story=STORY.replace('report.warn("this matters")', 'raise SystemExit("stopped")'))
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") > 0
    assert lines(out)[-1].endswith("stopped")


def test_long_stages_speak_by_the_quarter(capsys):
    seconds = count(step=3)
    report = ProgressReport(open_console(), clock=lambda: float(next(seconds)))
    for done in range(0, 1001, 10):
        report.stage("decoding data", done, 1000)
    assert lines(capsys.readouterr().out) == [f"  decoding data: {done} of 1,000" for done in (250, 500, 750)] + [
        "  decoding data: 1,000 of 1,000"
    ]


# --- before TensorFlow is imported, without a screen, and afterwards


def test_the_name_is_printed_at_once_and_only_once(capsys):
    print_title("the name")
    with RunReport(titled=True) as report:
        assert capsys.readouterr().out == "the name\n"
        with report.waiting("loading TensorFlow"):
            pass
        report.info(run_info(), settings())
    assert run_info().name not in capsys.readouterr().out


@pytest.mark.parametrize("report", [RunReport, SweepReport])
def test_a_quiet_run_prints_warnings_alone(monkeypatch, capsys, report):
    monkeypatch.setenv("CNNEXP_QUIET", "1")
    with report() as quiet:
        if report is SweepReport:
            quiet.begin([("runs", "2")], total=2)
        print_title("name")
        quiet.warn("this matters")
        quiet.closing([("open", "it")])
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "warning: this matters\n")


def test_the_log_of_a_run_is_all_of_it():
    log = RunLog()
    log.info(run_info(), settings(epochs=30))
    for values in history(30).epochs:
        log.epoch(values)
    log.result(run_result(epochs=30))
    text = log.end(None).decode()
    assert re.match(r"started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\n", text)
    assert text.splitlines()[-1].startswith("ended ")
    assert run_info().name in text
    assert [line for line in text.splitlines() if line in {epoch_line(values) for values in history(30).epochs}] == [
        epoch_line(values) for values in history(30).epochs
    ]
    assert "regularization=dropout_l2 training.patience=5" in text
    assert "\x1b" not in text


def test_the_log_says_why_a_run_ended():
    assert b"ConfigError: it is wrong\n" in RunLog().end(ConfigError("it is wrong"))
    assert b"KeyboardInterrupt: stopped\n" in RunLog().end(KeyboardInterrupt())
