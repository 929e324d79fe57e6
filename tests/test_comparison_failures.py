"""Runs that learned nothing, and settings that matter only together: counted and said, never averaged away."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats

from cnnexp.comparison import Standing, compare
from cnnexp.comparison.paired import fisher_exact, mean_interval, t_interval
from cnnexp.records import Finding
from cnnexp.report.comparison import advice_sentences, verdict
from cnnexp.report.comparison.wording import effect_sentence
from support.simulated_runs import simulated_run

BATCHES, RATES, DROPOUTS = ("16", "64"), ("0.001", "0.01"), ("0.0", "0.3")
COLLAPSED = Finding("T1", 3, "collapsed: one answer", "It collapsed.", {}, 0.9, "optimizer.learning_rate=0.001")
BATCH, RATE, DROPOUT = "training.batch_size", "optimizer.learning_rate", "regularization.dropout"


def grid(seeds=5, *, collapses=lambda batch, rate, dropout, seed: False, gain=lambda batch, rate, dropout: 0.0):
    """Return a sweep of eight settings; `collapses` says which runs learn nothing."""
    luck = np.random.default_rng(0)
    runs = []
    for batch, rate, dropout, seed in product(BATCHES, RATES, DROPOUTS, range(seeds)):
        nothing = collapses(batch, rate, dropout, seed)
        score = 0.1 if nothing else 0.93 + gain(batch, rate, dropout) + luck.normal(0, 0.003)
        run = simulated_run(score, seed=seed, **{BATCH: batch, RATE: rate, DROPOUT: dropout})
        runs.append(replace(run, read_findings=lambda: (COLLAPSED,)) if nothing else run)
    return runs


def three_of_24(batch, rate, dropout, seed):
    return (batch, rate) == ("16", "0.01") and (seed, dropout) in {(0, "0.0"), (2, "0.0"), (1, "0.3")}


def compared(runs):
    return compare(runs, metric_name="test/accuracy", by=())


def row_of(comparison, *values):
    return next(
        row for row in comparison.rows if tuple(row.configuration.values[n] for n in (BATCH, RATE, DROPOUT)) == values
    )


def test_runs_that_learned_nothing_are_counted_and_both_ways_are_there():
    comparison = compared(grid(3, collapses=three_of_24))
    assert (comparison.endings.learned, dict(comparison.endings.learned_nothing)) == (21, {"collapsed": 3})
    row = row_of(comparison, "16", "0.01", "0.0")
    assert (row.endings.learned, row.endings.failures) == (1, 2)
    assert row.score.mean > 0.9 > row.score_all.mean
    assert row is comparison.rows[-1]  # ranked by all that finished
    sound = row_of(comparison, "64", "0.01", "0.0")
    assert sound.score == sound.score_all
    assert 0 <= row.score_all.low <= row.score_all.high <= 1


def test_what_fails_only_together_is_found():
    comparison = compared(grid(3, collapses=three_of_24))
    (found,) = comparison.failure_interactions
    assert (found.setting.name, found.level, found.other.name) == (RATE, "0.01", BATCH)
    assert (list(found.fails_with), list(found.not_with)) == (["16"], ["64"])
    assert not compared(grid(3)).failure_interactions
    alone = compared(grid(3, collapses=lambda batch, rate, d, seed: rate == "0.01" and (batch, seed) != ("64", 0)))
    assert not alone.failure_interactions  # the rate fails with both batch sizes
    assert (alone.by_level[0].level, alone.by_level[0].endings.failures) == ("0.01", 10)


def test_advice_names_each_setting_that_helps():
    rate, batch = advice_sentences(compared(grid(3, collapses=three_of_24)))
    assert rate.endswith("0.001 learned. Next: optimizer.learning_rate=0.001")
    assert batch == (
        "With learning rate 0.01, batch size 64 learned (6 runs), and 16 did not (3 of 6 runs learned nothing). "
        "To keep learning rate 0.01: training.batch_size=64"
    )
    assert advice_sentences(compared(grid(3))) == ()


def test_advice_repeats_what_the_findings_of_the_best_settings_would_change():
    short = Finding("F3", 2, "under-trained", "It ended too early.", {}, 0.9, "training.epochs=16")
    vague = Finding("L1", 1, "wrong labels", "Some are wrong.", {}, 0.9, "look at the files")
    runs = [
        replace(run, read_findings=lambda: (short, vague)) if run.settings["seed"] == "0" else run for run in grid(3)
    ]
    assert advice_sentences(compared(runs)) == (
        "Best settings so far: under-trained (1 of 3 runs). Next: training.epochs=16",
    )


def test_an_effect_is_about_the_runs_that_learned_and_all_runs_stand_beside_it():
    better = compared(grid(collapses=three_of_24, gain=lambda b, r, dropout: 0.03 * (dropout == "0.3")))
    effect = next(effect for effect in better.effects if effect.setting.name == DROPOUT)
    assert effect.difference.standing is Standing.BETTER
    assert effect.difference.basis == "learned"
    assert effect.difference.gain.mean == pytest.approx(0.03, abs=0.005)
    assert effect.all_runs.gain.n == 5
    assert effect.all_runs.gain.high > 3 * effect.difference.gain.high


def test_no_claim_where_the_runs_that_learned_nothing_say_the_opposite():
    """A rate that is better where it learns, and learns in four of five runs, is no better rate."""
    runs = grid(
        collapses=lambda b, rate, d, s: rate == "0.01" and s == 0, gain=lambda b, rate, d: 0.02 * (rate == "0.01")
    )
    effect = next(effect for effect in compared(runs).effects if effect.setting.name == RATE)
    assert effect.difference.contradicted or effect.difference.basis == "all"
    assert effect.difference.standing is not Standing.BETTER


def test_a_run_that_diverged_counts_and_its_level_has_a_row_of_its_own():
    failed = {"failure": "The training loss must stay finite; it became NaN"}
    runs = [*grid(3)]
    lost = [
        replace(
            simulated_run(0.0, seed=s, **{BATCH: "16", RATE: "1.0", DROPOUT: "0.0"}),
            status="FAILED",
            metrics={},
            tags=failed,
        )
        for s in range(3)
    ]
    comparison = compared([*runs, *lost])
    assert comparison.endings.learned_nothing == {"diverged": 3}
    (row,) = comparison.lost
    assert (row.values[RATE], row.endings.failures) == ("1.0", 3)
    assert (comparison.by_level[0].setting.name, comparison.by_level[0].level) == (RATE, "1.0")


def test_one_answer_for_all_images_is_a_collapse_without_any_finding():
    run = simulated_run(0.12, seed=0, **{DROPOUT: "0.0"})
    scores = {"test/accuracy": 0.12, "test/balanced_accuracy": 0.1, "test/macro_precision": 0.012}
    ended = compared([replace(run, metrics=run.metrics | scores), simulated_run(0.9, seed=0, **{DROPOUT: "0.3"})])
    assert ended.run_endings[run.run_id] == "collapsed"


def test_a_gain_that_depends_on_another_setting_is_found():
    depends = compared(grid(gain=lambda batch, rate, d: 0.03 * (rate == "0.01") * (1 if batch == "16" else -1)))
    (found,) = depends.score_interactions
    assert {found.setting.name, found.other.name} == {RATE, BATCH}
    assert abs(found.gain_with - found.gain_without) == pytest.approx(0.06, abs=0.01)
    assert not compared(grid(gain=lambda batch, rate, d: 0.03 * (rate == "0.01"))).score_interactions


def test_importance_is_the_share_of_the_variance_and_zero_is_said_to_be_possible():
    comparison = compared(grid(gain=lambda batch, rate, d: 0.03 * (rate == "0.01")))
    first, *rest = comparison.importance
    assert first.setting.name == RATE
    assert first.share.value == pytest.approx(0.015**2 / (0.015**2 + 0.003**2), abs=0.06)
    assert first.share.low < first.share.value < first.share.high
    assert first.share.told_from_zero
    assert not any(one.share.told_from_zero for one in rest)


def test_importance_is_told_among_runs_that_learned():
    """A rate that makes all runs collapse is all of the variance; what matters among the others is said first."""
    comparison = compared(
        grid(collapses=lambda batch, rate, d, s: rate == "0.01", gain=lambda b, r, d: 0.03 * (b == "64"))
    )
    sentence = next(text for text in verdict(comparison) if text.startswith("Of the variance"))
    assert sentence.startswith("Of the variance between runs that learned, by itself: batch size 9")
    assert "With those that learned nothing: learning rate 100 %" in sentence


def test_importance_after_a_search_that_repeats_nothing():
    rng = np.random.default_rng(1)
    rates = 10 ** rng.uniform(-4, -1, 60)
    runs = [
        simulated_run(
            0.9 - 0.05 * abs(np.log10(rate) + 2.5) + rng.normal(0, 0.01),
            seed=k,
            **{RATE: f"{rate:.6g}", DROPOUT: f"{rng.choice([0.0, 0.3])}"},
        )
        for k, rate in enumerate(rates)
    ]
    first, second = compared(runs).importance
    assert (first.setting.name, first.share.unit, first.share.told_from_zero) == (RATE, "runs", True)
    assert not second.share.told_from_zero


def test_an_interval_stays_within_the_range_of_the_metric():
    wide = mean_interval([0.99, 0.1, 0.98], low=0.0, high=1.0)
    assert 0 < wide.low < wide.mean < wide.high < 1
    assert mean_interval([0.4, 2.3, 0.1], low=0.0, high=None).low > 0
    near = mean_interval([0.50, 0.51, 0.52], low=0.0, high=1.0)
    plain = t_interval([0.50, 0.51, 0.52])
    assert (near.low, near.high) == pytest.approx((plain.low, plain.high), abs=1e-4)  # far from a bound, Student's own
    assert mean_interval([1.0, 1.0], low=0.0, high=1.0).low == 1.0


def test_fisher_s_tea():
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(0.4857142857)  # Fisher 1935, The Design of Experiments, two-sided
    assert fisher_exact(1, 12, 5, 12) == pytest.approx(stats.fisher_exact([[1, 11], [5, 7]]).pvalue)
    assert fisher_exact(2, 2, 2, 2) == 1.0
    many = stats.fisher_exact([[2200, 300], [6900, 600]]).pvalue  # parts of ten thousand test images
    assert fisher_exact(2200, 2500, 6900, 7500) == pytest.approx(many, rel=1e-9)


def test_rows_that_differ_are_told_where_a_failure_elsewhere_forbids_the_effect():
    """Batch 16 is better wherever it learns, often not at a high rate: rows of the low rate still differ."""
    runs = grid(
        6,
        collapses=lambda batch, rate, d, seed: (batch, rate) == ("16", "0.01") and seed < 3,
        gain=lambda batch, r, d: 0.035 * (batch == "16"),
    )
    comparison = compared(runs)
    effect = next(effect for effect in comparison.effects if effect.setting.name == BATCH)
    assert effect.difference.contradicted
    assert effect.difference.standing is Standing.ALIKE
    assert "no verdict, all runs point the other way" in effect_sentence(effect, comparison.metric)
    for dropout in DROPOUTS:
        assert row_of(comparison, "64", "0.001", dropout).standing is Standing.WORSE


def test_rows_that_differ_are_told_where_two_settings_cancel_each_other():
    """Neither batch nor rate does anything on average; together they do."""
    comparison = compared(grid(6, gain=lambda batch, rate, d: -0.03 * ((batch == "16") != (rate == "0.001"))))
    assert all(effect.difference.standing is Standing.ALIKE for effect in comparison.effects)
    assert comparison.score_interactions
    for dropout in DROPOUTS:
        assert row_of(comparison, "64", "0.001", dropout).standing is Standing.WORSE
