"""The benchmark of faults: what counts as right, harmful, repaired; every number here is checked by hand."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.faults import baselines
from benchmarks.faults.cases import ADDED, cases_of
from benchmarks.faults.compose_case import merged, suggested_overrides
from benchmarks.faults.counted import table_of
from benchmarks.faults.execute import sign_flip
from benchmarks.faults.intervals import macro_f1, wilson
from benchmarks.faults.judging import Judged, outcome
from benchmarks.faults.records import CaseRecord, Named
from benchmarks.faults.scoring import report
from benchmarks.faults.tiers import chosen

CASES = {case.id: case for case in cases_of("development")}
RATE = CASES["T1/digits/small/high"]
HEALTHY = CASES["H00/digits/small/0"]


def named(*ids):
    return tuple(Named(name, {"T": 3, "M": 2, "E": 4, "U": 0}.get(name[0], 1), False, "") for name in ids)


def record(case, *ids, **values):
    fixed = {"reported": 0.5, "clean": 0.5, "control": 0.9, "p_value": 0.001, "error": "", "probed": True}
    return CaseRecord(**{**fixed, **values}, case=case.id, part=case.part, version="v", named=named(*ids))


@pytest.mark.parametrize(
    ("case", "ids", "expected"),
    [
        ("T1/digits/small/high", ["T1", "M2"], "named"),
        ("T5/digits/small/high", ["T1"], "equivalent"),  # a lower rate repairs a batch that is too small for it
        ("T1/digits/small/high", ["M2", "T1"], "listed"),
        ("T1/digits/small/high", ["T2"], "cause"),
        ("T1/digits/small/high", ["U0"], "unknown"),
        ("T1/digits/small/high", [], "silent"),
        ("T1/digits/small/high", ["P6"], "wrong"),
        ("X2/digits/small/high", ["U0"], "named"),
        ("X2/digits/small/high", ["P9"], "equivalent"),  # a kind without a name, under the right cause
        ("X2/digits/small/high", ["T1"], "wrong"),
    ],
)
def test_only_the_first_name_counts(case, ids, expected):
    assert outcome(CASES[case], ids, [one.cause for one in named(*ids)]) == expected


def test_a_run_that_is_refused_in_words_that_say_the_fault_is_answered_rightly():
    refusal = "Every class needs a training image; there is none of 7."
    split = CASES["S3/digits/small/high"]
    assert Judged(split, record(split, error=refusal, reported=None)).outcome == "refused"
    assert Judged(RATE, record(RATE, error=refusal, reported=None)).outcome == "silent"


def test_of_two_faults_either_may_be_named_first():
    pair = next(case for case in CASES.values() if len(case.faults) == 2)
    assert {outcome(pair, [fault.id], [1]) for fault in pair.faults} == {"named"}


def test_a_fault_counts_when_a_matched_run_without_it_is_better_beyond_chance():
    assert Judged(RATE, record(RATE, "T1")).hurts
    assert not Judged(RATE, record(RATE, "T1", control=0.51)).hurts  # one point
    assert not Judged(RATE, record(RATE, "T1", p_value=0.2)).hurts


def test_a_fault_of_the_test_counts_when_the_same_model_is_better_on_clean_images():
    inverted = CASES["P6/fashion_a/small/high"]
    assert Judged(inverted, record(inverted, reported=0.1, clean=0.9, control=0.9, p_value=1.0)).hurts


def test_a_leak_counts_when_the_reported_number_flatters():
    leak = CASES["S1/digits/small/high"]
    assert Judged(leak, record(leak, reported=0.99, clean=0.9)).hurts
    assert not Judged(leak, record(leak, reported=0.91, clean=0.9)).hurts


def test_pairs_that_agree_do_not_change_the_sign_flip_test():
    better, worse = np.array([True] * 5 + [True] * 90), np.array([False] * 5 + [True] * 90)
    assert sign_flip(better, worse) == pytest.approx(1 / 2**5)
    assert sign_flip(better, better) == 1


def test_a_repair_has_to_bring_back_four_fifths_of_what_was_lost():
    assert Judged(RATE, record(RATE, "T1", repaired=0.83)).is_repaired
    assert not Judged(RATE, record(RATE, "T1", repaired=0.81)).is_repaired
    assert Judged(RATE, record(RATE, "T1", repaired=None)).is_repaired is None


def test_wilson_allows_what_the_protocol_says():
    assert wilson(3, 300)[1] == pytest.approx(0.029, abs=5e-4)
    assert wilson(0, 0) == (0, 1)


def test_a_kind_that_is_never_named_has_an_f1_of_zero():
    # T1: 2 of 2 found, 1 of 3 said wrongly: 4/5; T2: nothing
    assert macro_f1(["T1", "T1", "T2"], ["T1", "T1", "T1"]) == pytest.approx(0.4)


def test_a_later_override_replaces_an_earlier_one_and_a_group_its_settings():
    assert merged(("a=1", "a.b=2", "c=3"), ("c=4", "a=5")) == ("c=4", "a=5")


def test_an_override_is_told_from_an_action():
    assert suggested_overrides("training.epochs=60 regularization=dropout_l2") == (
        "training.epochs=60",
        "regularization=dropout_l2",
    )
    assert suggested_overrides("Add images, or data.limit=5") == ()


def test_baselines_say_what_their_rules_say():
    curves = {
        "train/loss": [1.0, 0.5],
        "val/loss": [1.0, 1.2],
        "train/accuracy": [0.5, 0.9],
        "val/accuracy": [0.5, 0.5],
    }
    overfit = record(RATE, curves=curves, signals={"largest_input": 1.0, "learning_rate": 1e-3, "mean_input": 0.1})
    assert baselines.umlaut(overfit) == "M2"
    assert baselines.sagemaker(overfit) == "M2"
    assert baselines.auto_trainer(overfit) is None
    assert baselines.umlaut(replace(overfit, signals={"largest_input": 2.0})) == "P1"
    assert baselines.most_frequent(overfit) == "P1"


def test_the_report_counts_harmless_faults_neither_way_and_accusations_of_healthy_runs():
    harmless = CASES["T1/digits/small/low"]
    text = report([record(RATE, "T1"), record(harmless, "M2", control=0.5), record(HEALTHY, "M2"), record(RATE, "T2")])
    assert "2 faulty runs, 1 of them harmless" in text
    assert "T1→T2 1" in text  # the last record of a case
    assert "1.00 (0.21 to 1.00, 1 of 1)   H00/digits/small/0 M2" in text


def test_a_full_tier_that_is_stopped_early_has_seen_every_kind():
    kinds = {case.faults[0].id if case.faults else case.healthy for case in cases_of("held_out")}
    first = [
        case.faults[0].id if case.faults else case.healthy for case in chosen("full", "held_out")[: 2 * len(kinds)]
    ]
    assert kinds <= set(first)
    assert 45 <= len(chosen("ci", "development")) <= 65


SIBLING = next(case for case in cases_of(ADDED) if case.id.startswith("A01/"))  # also L2


def of_kind(name, basis, cause):
    return Named(name, cause, False, "", 0.8, basis)


def test_evidence_is_counted_by_its_kind_where_no_rule_was_written_by_the_case():
    seen, fresh, again = (
        CASES[f"T1/{place}"] for place in ("digits/small/high", "digits/small/low", "fashion_a/small/high")
    )
    records = [
        replace(record(seen), named=(of_kind("T1", "outputs", 3),)),  # of the ci tier: not counted
        replace(record(fresh), named=(of_kind("T1", "outputs", 3), of_kind("E3", "probabilities", 4))),
        replace(record(again), named=(of_kind("T2", "outputs", 3),)),
        replace(record(SIBLING), named=(of_kind("L2", "labels", 1),)),
        replace(record(CASES["H00/fashion_a/small/0"]), named=(of_kind("U0", "unnamed", 0),)),
    ]
    told = table_of(records)
    assert "# 4 runs, 1 of them healthy; 2 of 5 right" in told
    assert "Basis.OUTPUTS: Counted(1, 2)," in told
    assert "Basis.LABELS: Counted(1, 1)," in told
    assert "Basis.UNNAMED: Counted(0, 1)," in told
    # (2 + 1) of (5 + 2), of which four pseudo-findings
    assert f"Basis.RECORD: Counted(0, 0),  # {3 / 7:.2f}" in told
