import json
from dataclasses import replace

import pytest

from cnnexp.diagnosis import diagnose, rank
from cnnexp.diagnosis.consequences import EXPLAINS
from cnnexp.diagnosis.few_levels import COUNTED
from cnnexp.diagnosis.judged_labels import CONTRADICTED
from cnnexp.diagnosis.split_gap import GAP, OF_TRAIN, OF_VALIDATION
from cnnexp.records import DataImage, DataIssue, DataReport, Finding
from cnnexp.records.catalogue import NAMES
from cnnexp.tracking.store import run_files
from support.diagnosed_runs import run


def finding(fault, confidence=0.8, title=None):
    return Finding(fault, int("LPDS".find(fault[0]) < 0) + 1, title or NAMES[fault], "", {}, confidence, "")


def issue(fault, groups=(), title="", **evidence):
    return DataIssue(fault, title, f"a sentence about {fault}", False, evidence, tuple(groups), "")


def report(*issues, train=(50, 50), test=(50, 50)):
    counts = {"train": train, "validation": (0, 0), "calibration": (0, 0), "test": test}
    return DataReport("", "", "", sum(train) + sum(test), (8, 8, 1), ("a", "b"), counts, issues, (), ())


def image(row, split="train", label="a"):
    return DataImage(row, f"{row}.png", split, label, "")


def ids(findings):
    return [one.id for one in findings]


def test_a_symptom_stands_under_its_cause_although_it_is_surer():
    (cause,) = rank([finding("E3", 0.9, "over-confident"), finding("P6", 0.85)])
    assert (cause.id, cause.symptoms) == ("P6", ("over-confident",))


def test_two_causes_of_which_none_explains_the_other_stand_by_confidence():
    assert ids(rank([finding("M2", 0.7), finding("L4", 0.9)])) == ["L4", "M2"]


def test_a_symptom_of_two_causes_is_named_under_both():
    causes = rank([finding("M2", 0.7), finding("L4", 0.9), finding("E3", 1.0)])
    assert [one.symptoms for one in causes] == [(NAMES["E3"],)] * 2


def test_no_two_faults_explain_each_other_so_that_neither_would_stand():
    assert not [(a, b) for a, explained in EXPLAINS.items() for b in explained if a in EXPLAINS.get(b, ())]
    assert {one for a, explained in EXPLAINS.items() for one in (a, *explained)} <= set(NAMES)


@pytest.mark.parametrize(
    ("place", "symptom", "stands"),
    [
        (OF_TRAIN, "M2", False),
        (OF_TRAIN, "L1", False),
        (OF_TRAIN, "T1", False),
        (OF_VALIDATION, "M2", False),
        (OF_VALIDATION, "T1", False),
        (OF_VALIDATION, "L3", False),
        (OF_VALIDATION, "L2", True),  # which is asked of the training images
        (None, "M2", True),  # images of the test change no training
        (None, "T1", True),
        (None, "S4", False),
    ],
)
def test_what_follows_from_a_change_depends_on_the_split_that_suffered_it(place, symptom, stands):
    cause = replace(finding("P6", 0.7), evidence={} if place is None else {place: 0.2}, basis="undone")
    found = rank([cause, replace(finding(symptom, 0.8), basis="neighbours")])
    assert ids(found) == ([symptom, "P6"] if stands else ["P6"])


def test_labels_that_answers_alone_contradict_follow_from_a_setting_that_kept_the_network_from_learning():
    setting = replace(finding("M3", 0.6), basis="settings")
    assert ids(rank([setting, replace(finding("L2", 0.8), basis="labels")])) == ["M3"]
    assert ids(rank([setting, replace(finding("L2", 0.8), basis="labels against test")])) == ["L2", "M3"]
    assert ids(rank([replace(finding("T3", 0.9), basis="curves"), replace(finding("L2", 0.8), basis="labels")])) == [
        "L2"
    ]


def test_what_is_wrong_with_training_images_makes_no_difference_between_two_splits_that_were_not_trained_on():
    black = replace(finding("D2", 0.8), evidence={OF_TRAIN: 0.2}, basis="files")
    gap = replace(finding("U0", 0.7), evidence={GAP: 0.2})
    labels = replace(finding("L1", 0.7), evidence={CONTRADICTED: 0.2}, basis="labels against test")
    assert ids(rank([black, gap])) == ["D2", "U0"]
    assert ids(rank([black, gap, labels])) == ["D2", "L1"]
    everywhere = replace(black, evidence={OF_TRAIN: 0.2, OF_VALIDATION: 0.2})
    assert ids(rank([everywhere, gap])) == ["D2"]


def test_few_levels_are_counted_and_a_blur_that_looks_like_them_is_not():
    few = replace(finding("S4", 0.7), evidence={COUNTED: 1}, basis="splits")
    assert ids(rank([few, replace(finding("D2", 0.8), basis="reproduced")])) == ["S4"]
    assert ids(rank([few, replace(finding("P8", 0.8), basis="undone")])) == ["S4"]  # a tilt smooths, too
    assert ids(rank([few, replace(finding("P9", 0.8), basis="undone")])) == ["P9"]


def test_an_augmentation_that_breaks_labels_explains_a_training_that_failed_and_a_turned_test_does_not():
    by_setting = replace(finding("P8", 0.7), basis="settings")
    assert ids(rank([by_setting, replace(finding("T1", 0.8), basis="outputs")])) == ["P8"]
    turned = replace(finding("P8", 0.7), basis="undone")
    assert ids(rank([turned, replace(finding("T1", 0.8), basis="outputs")])) == ["T1", "P8"]


def test_unreadable_files_are_a_finding_with_the_files():
    (found,) = diagnose(run(report=report(issue("D1", [[image(3)], [image(4)]], images=2))))
    assert (found.id, found.cause, found.files) == ("D1", 1, ("3.png", "4.png"))


@pytest.mark.parametrize(("leaked", "exact", "found"), [(1, 1, []), (2, 2, ["S1"]), (2, 0, []), (3, 0, ["S1"])])
def test_leaked_images_count_from_two_points_of_a_score_and_near_ones_from_three(leaked, exact, found):  # of 100
    groups = [[image(row), image(100 + row, "test")] for row in range(leaked)]
    assert ids(diagnose(run(report=report(issue("S1", groups, exact=exact))))) == found


@pytest.mark.parametrize(("train", "found"), [((30, 50), []), ((60, 50), ["D4"])])
def test_repeated_images_of_a_class_that_would_be_rare_without_them_are_oversampling(train, found):
    groups = [[image(row), image(100 + row)] for row in range(10)]
    assert ids(diagnose(run(report=report(issue("D4", groups), train=train)))) == found


@pytest.mark.parametrize(
    "remark",
    [
        issue("D2", images=1),
        issue("D5", classes=1),
        issue("E1", ratio=12),
        issue("S2", title="perhaps groups", images=2),
        issue("L4", title="classes named alike"),
        issue("S4", title="test differs from train"),
    ],
)
def test_what_only_asks_for_a_look_is_no_finding(remark):
    assert diagnose(run(report=report(remark))) == ()


def test_a_recorded_finding_of_an_earlier_version_is_read_and_a_new_one_comes_back_whole(tmp_path):
    whole = replace(finding("M2"), symptoms=("over-confident",), alternatives=("D5",), files=("a.png",), declared=True)
    fields = {name: getattr(whole, name) for name in Finding.__slots__}
    earlier = {name: fields[name] for name in ("id", "cause", "title", "sentence", "evidence", "confidence", "repair")}
    (tmp_path / "findings.json").write_text(json.dumps([fields, earlier]))
    assert run_files.findings(str(tmp_path), store="") == (whole, finding("M2"))


def test_copies_that_were_added_to_train_on_purpose_are_neither_duplicates_nor_an_unstratified_split():
    shares = issue("S3", title="class shares of test differ")
    copies = issue("D4", groups=[(image(row), image(row + 50)) for row in range(50)])
    some = issue("D4", groups=[tuple(image(row + 10 * copy) for copy in range(6)) for row in range(10)])
    assert ids(rank([], report(shares, train=(100, 50)))) == ["S3"]
    assert rank([], report(shares, copies, train=(100, 50))) == ()
    assert ids(rank([], report(some, train=(100, 50)))) == ["D4"]


def test_names_that_one_training_cannot_tell_apart_are_one_finding_less_sure_of_the_first():
    short = replace(finding("T6", 0.7, "too large a batch"), sentence="Batches were large.", alternatives=("T2",))
    narrow = replace(
        finding("M3", 0.6, "over-regularized"), sentence="Dropout was strong.", symptoms=("over-confident",)
    )
    (one,) = rank([narrow, short])
    assert (one.id, one.alternatives, one.symptoms) == ("T6", ("T2", "M3"), ("over-confident",))
    assert one.sentence == "Batches were large. Or over-regularized: Dropout was strong."
    assert one.confidence < 0.7


def test_a_name_that_was_tried_is_not_one_of_a_set():
    tried = replace(finding("T6", 0.7), basis="tried")
    assert ids(rank([finding("M3", 0.9), tried])) == ["M3", "T6"]


def test_two_findings_of_one_name_are_one():
    (one,) = rank([finding("S4", 0.8, "test differs"), replace(finding("S4", 0.7), sentence="Too sure.")])
    assert (one.confidence, one.alternatives) == (0.8, ())
    assert one.sentence.endswith("Too sure.")


def test_near_copies_that_train_has_among_itself_too_are_versions_of_one_object():
    across = [(image(row), image(row + 50), image(row + 100, "test")) for row in range(20)]
    within = issue(
        "D4", groups=[(image(row), image(row + 50)) for row in range(20, 30)], title="duplicates", exact=0, near=10
    )
    leak = issue("S1", groups=across, exact=0, near=40)
    (found,) = rank([], report(leak, within))
    assert (found.id, found.alternatives) == ("S2", ("S1",))
    copies = issue("S1", groups=[(image(row), image(row + 100, "test")) for row in range(20)], exact=0, near=20)
    assert ids(rank([], report(copies))) == ["S1"]
    assert ids(rank([], report(issue("S1", groups=across, exact=40, near=0)))) == ["S1"]
