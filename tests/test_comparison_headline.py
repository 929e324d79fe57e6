"""The verdict is one sentence of at most 25 words, whatever a sweep looks like; a screen holds the end of a sweep."""

import io
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from rich.console import Console

from cnnexp.comparison import compare
from cnnexp.records import Finding
from cnnexp.report.comparison import advice_sentences, basis, markdown_text, verdict
from cnnexp.report.comparison.headline import MOST_WORDS
from cnnexp.report.comparison.html_page import page
from cnnexp.report.comparison.ranking import print_ranking
from cnnexp.report.comparison.wording import model_label, row_label
from cnnexp.report.console import THEME
from cnnexp.report.sweep_progress import SCREEN, SweepReport
from cnnexp.sweeps.results import Results
from cnnexp.sweeps.summary import SweepSummary, next_steps, print_end
from support.simulated_runs import simulated_run

MOST_RUNS = 60
ANSI = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
COLLAPSED = Finding("T1", 3, "collapsed: one answer", "It collapsed.", {}, 0.9, "optimizer.learning_rate=0.001")
NAMES = (
    "training.batch_size", "optimizer.learning_rate", "regularization.dropout", "model", "data.path", "optimizer",
    "optimizer.reference_batch_size", "augmentation.color_jitter_of_the_whole_image", "my own.setting with blanks",
)  # fmt: skip
LEVELS = (
    ("16", "64"), ("0.001", "0.01", "0.1"), ("0.0", "0.3"), ("vgg", "small", "resnet"), ("a folder of mine", "b\nc"),
    ("–", "none"), tuple(str(2**k) for k in range(7)), ("x" * 300, "true"), ("", "  ", "many words in one level of it"),
)  # fmt: skip


def random_sweep(rng):
    """Return runs of a sweep with some settings, seeds, gains, collapses, failures and pruned runs, and a metric."""
    chosen = rng.choice(len(NAMES), size=rng.integers(1, 5), replace=False)
    seeds = int(rng.choice([1, 2, 3, 5, 6]))
    gain, collapse, fail, prune = (
        rng.choice([0.0, 0.02, 0.1]),
        *(rng.choice([0.0, 0.1, 0.5, 1.0], p=[0.6, 0.2, 0.15, 0.05]) for _ in range(3)),
    )
    bad_level = {name: rng.choice(LEVELS[k]) for k, name in zip(chosen, [NAMES[k] for k in chosen], strict=True)}
    drawn = rng.random() < 0.2
    runs = []
    for values in product(*(LEVELS[k] for k in chosen)):
        if rng.random() < 0.1 or len(runs) > MOST_RUNS:
            continue
        settings = dict(zip((NAMES[k] for k in chosen), values, strict=True))
        if drawn:
            settings["optimizer.learning_rate"] = f"{10 ** rng.uniform(-4, -1):.6g}"
        for seed in range(seeds):
            score = 0.8 + gain * sum(LEVELS[k].index(v) for k, v in zip(chosen, values, strict=True)) / 5
            run = simulated_run(float(np.clip(score + rng.normal(0, 0.01), 0, 1)), seed=seed, **settings)
            run = replace(
                run, run_id=f"{len(runs)}", metrics=run.metrics | {"test/log_loss": 1 - score, "updates": 1.0}
            )
            bad = all(settings[name] == level for name, level in list(bad_level.items())[:1])
            if rng.random() < (collapse if bad else collapse / 4):
                run = replace(
                    run,
                    metrics=run.metrics | {"test/accuracy": 0.1, "best/val_loss": 2.3},
                    read_findings=lambda: (COLLAPSED,),
                )
            if rng.random() < fail / 3:
                why = rng.choice(["The training loss must stay finite; it became NaN", "out of memory"])
                run = replace(run, status="FAILED", metrics={}, tags={"failure": str(why)})
            elif rng.random() < prune / 3:
                run = replace(run, tags={"pruned": "true"})
            runs.append(run)
    finished = [run for run in runs if run.status == "FINISHED" and not run.tags]
    return (runs if finished else [*runs, simulated_run(0.9, seed=99)]), str(
        rng.choice(["test/accuracy", "test/log_loss"])
    )


@pytest.mark.parametrize("number", range(60))
def test_every_verdict_is_one_sentence_of_at_most_25_words(number):
    runs, metric = random_sweep(np.random.default_rng(number))
    if not all(metric in run.metrics for run in runs if run.status == "FINISHED"):
        metric = "test/accuracy"
    comparison = compare(runs, metric_name=metric, by=())
    answer, *_ = verdict(comparison)
    assert len(answer.split()) <= MOST_WORDS
    assert "\n" not in answer
    assert answer.endswith(".")
    assert "=" not in answer
    if comparison.endings.failures:
        assert "learn nothing" in answer or "learned nothing" in answer
    if any(run.status == "FAILED" and "memory" in run.tags["failure"] for run in runs):
        assert " failed" in answer
    if number % 30 == 0:
        assert markdown_text(comparison).startswith("**")
        assert page(comparison, command="again").count("<h1>") == 1


def test_the_best_is_named_without_a_verdict():
    """Of a sweep that varies one of five settings at a time, by what it has changed; and with its score."""
    usual = {"model": "vgg", "augmentation": "crop", "training.batch_size": "64", "optimizer": "sgd", "epochs": "3"}
    changes = {"model": "small", "augmentation": "mix", "training.batch_size": "16", "optimizer": "adam", "epochs": "9"}
    scores = {
        None: 0.8,
        "model": 0.7,
        "augmentation": 0.9,
        "training.batch_size": 0.75,
        "optimizer": 0.6,
        "epochs": 0.78,
    }
    runs = [
        simulated_run(score, seed=0, **(usual | ({} if name is None else {name: changes[name]})))
        for name, score in scores.items()
    ]
    runs = [replace(run, run_id=str(number)) for number, run in enumerate(runs)]
    answer, best, *_ = verdict(compare(runs, metric_name="test/accuracy", by=()))
    assert answer == "Augmentation mix is best on validation; a verdict needs 5 seeds, not 1."
    assert best.startswith("Best so far: ")
    assert "augmentation mix" in best
    assert "batch size 64" in best
    assert best.endswith("with test/accuracy 0.9000 (best val_loss, 1 seed).")


def grid(combinations, seeds):
    rng = np.random.default_rng(0)
    levels = ("0.001", "0.01"), ("16", "64"), tuple(f"{k / 100:g}" for k in range(combinations // 4))
    names = ("optimizer.learning_rate", "training.batch_size", "regularization.dropout")
    for values in product(*levels):
        for seed in range(seeds):
            bad = values[:2] == ("0.01", "16") and seed == 0
            run = simulated_run(
                0.1 if bad else 0.9 + rng.normal(0, 0.01), seed=seed, **dict(zip(names, values, strict=True))
            )
            yield replace(run, read_findings=lambda: (COLLAPSED,)) if bad else run


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize(("combinations", "seeds"), [(8, 3), (40, 5), (200, 1)])
def test_the_end_of_a_sweep_is_never_longer_than_a_screen(capsys, monkeypatch, columns, combinations, seeds):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    comparison = compare(list(grid(combinations, seeds)), metric_name="test/accuracy", by=())
    summary = SweepSummary(
        verdict(comparison)[0], basis(comparison), advice_sentences(comparison), "", {}, "", comparison
    )
    lines = next_steps(
        summary, [], uri="sqlite:////home/someone/experiments/mlflow.db", parent_id="0123456789abcdef" * 2
    )
    print_end(Results("best/val_loss"), summary, SweepReport(), lines)
    printed = ANSI.sub("", capsys.readouterr().out)
    assert sum(max(1, -(-len(line.rstrip()) // columns)) for line in printed.splitlines()) <= SCREEN
    assert "learn nothing" in " ".join(printed.split())
    assert "★" in printed


@pytest.mark.parametrize("columns", [60, 120])
def test_the_ranking_cuts_no_number(columns):
    console = Console(file=io.StringIO(), width=columns, force_terminal=False, theme=THEME)
    comparison = compare(list(grid(8, 3)), metric_name="test/accuracy", by=())
    print_ranking(comparison, console, lines=9)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 9
    assert max(map(len, lines)) <= columns
    assert "0.001, 0, 16" in lines[3]
    assert all(re.search(r"0\.[89]\d+", line) for line in lines[1:-2])


def test_seeds_without_a_setting_are_called_by_what_they_share():
    runs = [simulated_run(0.9 + seed / 100, seed=seed, model="baseline-smoke") for seed in (0, 1)]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    assert row_label(comparison, comparison.rows[0]) == "2 seeds of baseline-smoke"
    assert model_label(comparison, runs[1]) == "baseline-smoke-s1"
    repeated = compare([runs[0], replace(runs[0], run_id="again")], metric_name="test/accuracy", by=())
    assert row_label(repeated, repeated.rows[0]) == "2 runs of baseline-smoke"
