"""The page computes verdicts again in a reader's browser: its JavaScript against the Python, on random tables."""

import csv
import io
import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cnnexp.comparison import compare
from cnnexp.comparison.result import Comparison, Difference, Row, Share
from cnnexp.errors import ConfigError
from cnnexp.records import Finding, RecordedPredictions, RunSummary
from cnnexp.report.comparison.headline import failure_words, headline
from cnnexp.report.comparison.page_data import page_data
from cnnexp.report.comparison.setting_words import best_so_far
from cnnexp.report.comparison.wording import name_of_runs
from cnnexp.system.text import spreadsheet_cell

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "cnnexp" / "report" / "comparison" / "page"
METRICS = ("test/accuracy", "test/log_loss")

SCRIPT = """
import { createInterface } from "node:readline";
import { compare } from "#comparing";
import { readData } from "#data";
import { nameOfRuns } from "#design";
import { failureWords, headline } from "#headline";
import { sliceDifferences, slicesOf } from "#slices";
import { finished } from "#steps";
import { importanceBothWays } from "#variance";
import { bestSoFar } from "#words";

for await (const line of createInterface({ input: process.stdin })) {
  const { document, questions } = JSON.parse(line);
  const data = readData(document);
  const answers = questions.map(({ runs, metric, by }) => {
    const found = compare(data, runs.map((id) => data.place.get(id)), metric, by);
    return found && {
      headline: headline(data, runs.map((id) => data.place.get(id)), found),
      best: bestSoFar(found),
      parts: data.answers && data.answers.parts.map(({ label }) => label),
      slices: data.answers && slicesOf(data.answers, data.answers.runs[0]),
      sliceDifferences:
        data.answers?.runs.length > 1 && sliceDifferences(data.answers, ...data.answers.runs.slice(0, 2)),
      failures: found.failureInteractions.map(failureWords),
      importance: finished(importanceBothWays(found)),
      refused: found.refused,
      settings: found.settings.map(({ column, confoundedWith }) => [column.name, confoundedWith]),
      rows: found.rows.map((row) => ({
        name: nameOfRuns(data, row.runs),
        runs: row.runs.map((run) => data.runs.id[run]), best: data.runs.id[row.bestRun], standing: row.standing,
        score: row.score, scoreAll: row.scoreAll, gain: row.overSeeds, gainAll: row.overAllSeeds,
      })),
      effects: found.effects.map((effect) => ({
        setting: effect.setting.column.name, level: effect.setting.column.levels[effect.level],
        against: effect.setting.column.levels[effect.against], blocks: effect.blocks, difference: effect.difference,
        allRuns: effect.allRuns,
      })),
      models: found.models.map((model) => ({
        run: data.runs.id[model.run], only: [model.onlyThis, model.onlyReference], difference: model.difference,
      })),
    };
  });
  console.log(JSON.stringify(answers));
}
"""


COLLAPSED = Finding("L3", 1, "collapsed", "One answer for every image.", {}, 0.9, "optimizer.learning_rate=0.001")


def random_runs(rng: np.random.Generator) -> list[RunSummary]:
    """One to three settings, up to nine seeds; failed and pruned runs, missing seeds, and scores on a coarse grid."""
    choices = {
        "optimizer": ["adam", "sgd"],
        "optimizer.learning_rate": ["0.001", "0.01", "1e-05"],
        "training.batch_size": ["16", "64", "128"],
        "regularization.dropout": ["0.0", "0.3"],
    }
    names = list(rng.choice(list(choices), rng.integers(1, 4), replace=False))
    seeds, images = int(rng.choice([1, 2, 4, 5, 6, 9])), int(rng.choice([40, 200]))
    scheduled, trouble = rng.choice([0.0, 0.0, 0.4, 1.0]), float(rng.choice([0.0, 0.05]))  # trouble: share of runs
    grid = np.array(np.meshgrid(*[range(len(choices[name])) for name in names])).reshape(len(names), -1).T
    labels = np.arange(images) % 3
    gain = rng.normal(0, 0.05, (len(names), 3))
    turn, breaks = rng.choice([0.0, -0.3, 0.1]), rng.random() < 0.3  # what the second levels of two do together
    runs = []
    for cell in grid[: int(rng.choice([2, 4, 6, 9, 18]))]:
        together = len(names) > 1 and cell[0] == cell[1] == 1
        shared = 0.8 + sum(gain[i, level] for i, level in enumerate(cell)) + turn * together
        for seed in range(seeds):
            if rng.random() < trouble:
                continue
            collapsed = rng.random() < (0.8 if breaks and together else trouble)
            right = 1 / 3 if collapsed else np.clip(shared + rng.normal(0, 0.02), 0.05, 1)
            wrong = rng.random(images) > right
            predicted = np.where(wrong, (labels + 1) % 3, labels)
            loss = float(rng.choice([math.nan, math.inf])) if rng.random() < trouble / 2 else float(wrong.mean() + 0.1)
            settings = {name: choices[name][level] for name, level in zip(names, cell, strict=True)}
            if "optimizer.learning_rate" in settings and rng.random() < scheduled:
                settings["schedule"] = "cosine" if settings["optimizer.learning_rate"] == "0.01" else "constant"
            metrics = {
                "best/val_loss": loss,
                "best/val_accuracy": 1 - loss,
                "test/accuracy": float((~wrong).mean()),
                "test/log_loss": float(f"{rng.gamma(2, 0.3):.6g}"),
            }
            findings = (COLLAPSED,) if collapsed else ()
            settings |= {"seed": str(seed)}
            runs.append(summary(len(runs), settings, metrics, labels, predicted, findings, trouble, rng))
    return runs


def summary(number, settings, metrics, labels, predicted, findings, trouble, rng) -> RunSummary:
    probabilities = np.full((len(labels), 3), 0.1, np.float32)
    probabilities[np.arange(len(labels)), predicted] = 0.8
    files = tuple(f"index-{row}" for row in range(len(labels)))
    predictions = RecordedPredictions(("a", "b", "c"), files, None, None, None, labels, probabilities)
    fails = rng.random() < trouble
    return RunSummary(
        run_id=f"{number:032x}",
        name=f"run-{number}",
        experiment="signs",
        status="FAILED" if fails else "FINISHED",
        parent_id="p",
        started=float(number),
        seconds=1.0,
        settings=settings,
        metrics={name: float(f"{value:.6g}") for name, value in metrics.items()},
        tags={"failure": "the loss must stay finite"} if fails else {"pruned": "3"} if rng.random() < trouble else {},
        data_digest="d",
        data_source=None,
        read_curves=dict,
        read_predictions=lambda: predictions,
        read_findings=lambda: findings,
    )


def asked(runs: list[RunSummary], rng: np.random.Generator) -> tuple[str, list[dict], list[Comparison | None]] | None:
    """A page's document, the questions a reader may put to it, and what Python answers."""
    try:
        whole = compare(runs, metric_name="test/accuracy", by=())
    except ConfigError:
        return None
    left = [run for run in runs if rng.random() < 0.7]
    by = [setting.name for setting in whole.settings[:1]]
    questions = [(runs, METRICS[0], []), (left, METRICS[0], []), (left, METRICS[1], []), (runs, METRICS[1], by)]
    expected = []
    for chosen, metric, settings in questions:
        try:
            expected.append(compare(chosen, metric_name=metric, by=settings))
        except ConfigError:
            expected.append(None)
    document = page_data(whole, command="cnnexp compare latest", running=None, typed_again=None).as_json()
    words = [{"runs": [run.run_id for run in chosen], "metric": metric, "by": by} for chosen, metric, by in questions]
    return document, words, expected


def answers(tables: int, folder: Path) -> list[tuple[Comparison | None, dict | None]]:
    """Return what Python and what JavaScript says to four questions about each of so many random tables."""
    rng = np.random.default_rng(0)
    made = [found for _ in range(tables) if (found := asked(random_runs(rng), rng)) is not None]
    assert len(made) > 0.9 * tables
    lines = [f'{{"document":{document},"questions":{json.dumps(words)}}}' for document, words, _ in made]
    found = said(SCRIPT, folder, lines)
    assert len(found) == len(made)
    return [pair for (_, _, expected), own in zip(made, found, strict=True) for pair in zip(expected, own, strict=True)]


def said(program: str, folder: Path, lines: Sequence[str] = ()) -> list:
    """Run a program that imports modules of the page; return the JSON of the lines that it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node to run the scripts of the page: there is no `node`")
    for file in MODULES.iterdir():
        (folder / file.name).symlink_to(file)
    script = folder / "asked.mjs"
    script.write_text(program, encoding="utf-8")
    command = [node, "--preserve-symlinks", str(script)]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_address_of_another_page_chooses_nothing_here(tmp_path):
    """As where a page is written again, of other runs, and the reader loads it again."""
    (chosen, own) = said(
        """
        import { fromHash } from "#state";
        const named = (...names) => new Map(names.map((name) => [name, {}]));
        const data = {
          settingNamed: named("seed", "optimizer"), metricNamed: named("test/accuracy"),
          curves: { "val/loss": [] }, runs: { id: ["a", "b"] },
        };
        const read = (values) => fromHash("#" + encodeURIComponent(JSON.stringify(values)), data);
        const gone = {
          metric: "test/f1", by: ["model.width"], grouped: null, search: 3, sort: {}, columns: ["model.width"],
          filters: { "model.width": { levels: ["8"] }, optimizer: { ranges: [[0, 1]] }, "test/f1": { ranges: [] } },
          lit: [1, 2], x: "model.width", heat: ["seed", "model.width"], curve: "val/f1", pair: [0, 2], opened: 2,
          more: 1,
        };
        const here = {
          metric: "test/accuracy", by: ["optimizer"], grouped: false, search: "adam", lit: [0, 1], pair: [1, 0],
          filters: { optimizer: { levels: ["adam"] }, "test/accuracy": { ranges: [[0, 1]] } }, y: "test/accuracy",
          heat: ["seed", "optimizer"], curve: "val/loss", opened: 1, columns: ["seed"], sort: { column: "seed" },
        };
        console.log(JSON.stringify([read(gone), fromHash("#null", data), fromHash("#%", data)]));
        console.log(JSON.stringify([JSON.stringify(read(here)) === JSON.stringify(here)]));
        """,
        tmp_path,
    )
    assert chosen == [{"filters": {}}, {}, {}]
    assert own == [True]


def test_a_table_that_is_taken_along_is_as_safe_as_one_that_is_written(tmp_path):
    cells = ["=1+1", "-1", "+2.5e-3", "-a", "@x", "＝1", "adam", "a,b", 'say "so"', "1\r2", "\tb"]
    program = 'import { asCsv } from "#charts"; console.log(JSON.stringify(asCsv(%s)))'
    (text,) = said(program % json.dumps([{"cell": cell} for cell in cells]), tmp_path)
    _, *found = csv.reader(io.StringIO(text, newline=""))
    assert [cell for (cell,) in found] == [spreadsheet_cell(cell) for cell in cells]


def test_random_tables_give_the_same_comparison(tmp_path):
    for expected, found in (answered := answers(40, tmp_path)):
        same(expected, found)
    for expected, found in answered[::4]:  # the first question of each table is about all runs
        same_slices(expected, found)


@pytest.mark.slow
def test_a_thousand_tables_give_the_same_comparison(tmp_path):
    answered = answers(1000, tmp_path)
    for expected, found in answered:
        same(expected, found)
    rows = [row for _, found in answered if found for row in found["rows"]]
    assert {row["standing"] for row in rows} == {"reference", "worse", "better", "alike", "untested"}
    assert any(row["gainAll"] for row in rows)
    assert any(row["gain"] and row["gain"]["contradicted"] for row in rows)
    assert any(expected.score_interactions for expected, _ in answered if expected)
    assert any(expected.failure_interactions for expected, _ in answered if expected)
    units = {own["unit"] for _, found in answered if found for own in found["importance"]["all"]}
    assert units == {"seeds", "runs"}
    assert any(found["models"] for _, found in answered if found)
    assert any(moves for _, found in answered if found for _, moves in found["settings"])
    assert any(expected.left_out for expected, _ in answered if expected)


def same(expected: Comparison | None, found: dict | None) -> None:
    assert (expected is None) == (found is None)
    if expected is None:
        return
    assert found["settings"] == [[s.name, list(s.confounded_with)] for s in expected.settings]
    assert found["refused"] == bool(expected.refusals)
    resampled = expected.models and expected.metric.name != "test/accuracy"  # which takes the images
    if not resampled:
        assert found["headline"] == headline(expected)
    assert found["best"] == best_so_far(expected)
    words = {"not distinguishable": "alike", "not tested": "untested"}
    for row, own in zip(expected.rows, found["rows"], strict=True):
        assert sorted(own["runs"]) == sorted(run.run_id for run in row.configuration.runs)
        assert own["best"] == row.best_run.run_id
        assert own["name"] == name_of_runs(row.configuration.runs)
        resampled = expected.metric.name != "test/accuracy" and not is_judged_by_seeds(row)  # images: not in a page
        standing = "untested" if resampled else words.get(row.standing.value, row.standing.value)
        assert own["standing"] == ("reference" if row is expected.rows[0] and not expected.refusals else standing)
        same_estimate(row.score, own["score"])
        same_estimate(row.score_all, own["scoreAll"])
        same_difference(row.over_seeds, own["gain"])
        same_difference(row.over_all_seeds, own["gainAll"])
    for effect, own in zip(expected.effects, found["effects"], strict=True):
        assert (own["setting"], own["level"], own["against"]) == (effect.setting.name, effect.level, effect.against)
        assert own["blocks"] == effect.blocks
        same_difference(effect.difference, own["difference"])
        same_difference(effect.all_runs, own["allRuns"])
    assert found["failures"] == [failure_words(one) for one in expected.failure_interactions]
    same_importance(expected, found["importance"])
    if expected.metric.name == "test/accuracy":
        for model, own in zip(expected.models, found["models"], strict=True):
            assert (own["run"], own["only"]) == (model.run.run_id, [model.only_this_right, model.only_reference_right])
            same_difference(model.difference, own["difference"])


def same_importance(expected: Comparison, both_ways: dict[str, list[dict]]) -> None:
    same_shares({one.setting.name: one.share for one in expected.importance}, both_ways["all"])
    learned = {one.setting.name: one.learned for one in expected.importance if one.learned is not None}
    same_shares(learned, both_ways["learned"])


def same_shares(bars: dict[str, Share], found: list[dict]) -> None:
    assert {own["setting"] for own in found} == set(bars)
    for own in found:
        share = bars[own["setting"]]
        assert (own["unit"], own["told_from_zero"]) == (share.unit, share.told_from_zero)
        for part in ("value", "low", "high"):
            assert own[part] == pytest.approx(getattr(share, part), rel=1e-4, abs=1e-6)


def is_judged_by_seeds(row: Row) -> bool:
    return row.over_seeds is not None and row.over_seeds.p_adjusted is not None


def same_slices(expected: Comparison, found: dict) -> None:
    """Of the best run of the reference row, and against it of the next row's; `expected` is of all runs."""
    slices = {one.label: one for one in expected.slices}
    differences = {one.label: one for one in expected.slice_differences}
    assert set(found["parts"]) == set(slices)
    for label, own in zip(found["parts"], found["slices"], strict=True):
        one = slices[label]
        assert (own["right"], own["images"], own["otherRight"]) == (one.correct, one.images, one.other_correct)
        same_estimate(one.difference, own["difference"])
        same_number(one.p_adjusted, own["pAdjusted"])
    if differences:
        for label, own in zip(found["parts"], found["sliceDifferences"], strict=True):
            same_estimate(differences[label].gain, own["gain"])
            same_number(differences[label].p_adjusted, own["pAdjusted"])


def same_difference(expected: Difference | None, found: dict | None) -> None:
    assert (expected is None) == (found is None)
    if expected is not None:
        same_estimate(expected.gain, found["gain"])
        assert (found["basis"], found["contradicted"]) == (expected.basis, expected.contradicted)
        same_number(expected.p, found["p"])
        same_number(expected.p_adjusted, found["pAdjusted"])


def same_estimate(expected, found):
    assert found["n"] == expected.n
    for end in ("mean", "low", "high"):
        same_number(getattr(expected, end), found[end])


def same_number(expected: float | None, found: float | None) -> None:
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9))
