"""The benchmark of faults: its cases are fixed, and its injections do what the catalogue says."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.faults import split
from benchmarks.faults.cases import ADDED, PARTS, STRANGERS, all_cases, cases_of, fault_of, table
from benchmarks.faults.data_sets import SPLITS, DataSet, Part, Places, load
from benchmarks.faults.injections import injection

DIGITS = load("digits", Places(None, None), seed=0)
OF_THE_TEST = ("L4", "P3", "P4", "P6", "P7", "P9", "X1", "X2", "X3", "X6")
ARRAYS = [name for name, row in table("catalogue").items() if row["by"] == "arrays" and name != "P5"]
SIBLINGS = [
    name
    for name, row in (table("siblings") | table("strangers")).items()
    if row["by"] == "arrays" and "cifar" not in row.get("data", "")
]


def test_the_parts_are_those_that_were_fixed_before_anything_was_tuned():
    assert split.is_unchanged(), f"now they are\n{split.lines()}"


def test_what_is_held_out_shares_no_data_no_network_and_no_severity_with_development():
    for what in ("data", "severities", "architectures"):
        development, held_out = (set(table("split")[what][part]) for part in PARTS)
        assert not development & held_out


def test_no_case_has_the_name_of_another_and_a_tenth_has_two_faults():
    cases = all_cases()
    assert len({case.id for case in cases}) == len(cases)
    for part in PARTS:
        single = [case for case in cases_of(part) if len(case.faults) == 1]
        pairs = [case for case in cases_of(part) if len(case.faults) == 2]
        assert 0.05 <= len(pairs) / len(single) <= 0.1
        assert all(fault_of(one.id)["cause"] != fault_of(two.id)["cause"] for one, two in (c.faults for c in pairs))


def test_at_least_300_healthy_runs_and_20_reports_by_others():
    assert sum(case.healthy is not None for case in all_cases()) >= 300
    assert sum(row["source"].startswith("http") for row in table("reports").values()) >= 20


@pytest.mark.parametrize("fault", ARRAYS)
def test_an_injection_changes_the_data_and_keeps_what_an_archive_needs(fault):
    row = fault_of(fault)
    for severity in ("low", "middle", "high"):
        wrong = injection(row["how"])(DIGITS, row[severity], np.random.default_rng(0))
        assert any(not same(wrong[name], DIGITS[name]) for name in SPLITS)
        for part in wrong.parts.values():
            assert part.images.dtype == np.uint8
            assert part.images.shape[1:] == DIGITS["test"].images.shape[1:]
            assert len(part.images) == len(part.labels) > 0
        if fault in OF_THE_TEST:
            assert all(same(wrong[name], DIGITS[name]) for name in SPLITS[:3])


def test_channels_are_swapped_in_all_test_images_at_the_highest_severity():
    colour = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    data = DataSet(("a", "b"), {name: Part(colour, np.array([0, 1])) for name in SPLITS})
    swapped = injection("swapped_test")(data, 1.0, np.random.default_rng(0))
    assert (swapped["test"].images == colour[..., ::-1]).all()


def same(one, other):
    return np.array_equal(one.images, other.images) and np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize("fault", SIBLINGS)
def test_a_kind_beside_the_catalogue_changes_the_data_and_not_what_its_name_excludes(fault):
    row = fault_of(fault)
    wrong = injection(row["how"])(DIGITS, row["amount"], np.random.default_rng(0))
    assert any(not same(wrong[name], DIGITS[name]) for name in SPLITS)
    assert all(part.images.dtype == np.uint8 and len(part.images) == len(part.labels) for part in wrong.parts.values())
    assert all(part.images.shape[1:] == (8, 8, 1) for part in wrong.parts.values())
    if row["how"].endswith("_test"):
        assert all(same(wrong[name], DIGITS[name]) for name in SPLITS[:3])
    if row["how"].endswith("_training"):
        assert all(same(wrong[name], DIGITS[name]) for name in SPLITS[1:])


def test_what_was_added_is_none_of_the_parts_and_names_its_sources():
    added, fixed = cases_of(ADDED), {case.id for part in PARTS for case in cases_of(part)}
    assert not fixed & {case.id for case in added}
    assert not table("siblings").keys() & table("catalogue").keys()
    strangers = cases_of(STRANGERS)
    assert not {case.id for case in strangers} & ({case.id for case in added} | fixed)
    assert {case.data for case in strangers} <= set(table("split")["data"]["held_out"])
    assert {case.architecture for case in strangers} <= set(table("split")["architectures"]["held_out"])
    assert {case.data for case in added} <= set(table("split")["data"]["development"])
    assert all(row["source"].startswith("https://") and row["cause"] for row in table("reports_added").values())
