"""How verdicts on images are counted."""

from benchmarks.faults.image_table import markdown, score


def test_a_name_counts_alone_and_a_list_as_listed():
    assert [score(named, ["a"]) for named in ([], ["a"], ["b"], ["a", "b"], ["b", "c"])] == [
        "silent",
        "right",
        "wrong",
        "listed",
        "wrong",
    ]
    assert score(["a"], []) == "wrong"  # of what has no name, any name is


def test_faults_that_can_be_told_are_counted_apart_and_wrong_names_listed():
    rows = [
        {"fault": "x", "kind": "named", "right": ["a"], "identifiable": 0.9, "images": [["a"], []], "sets": [["a"]]},
        {"fault": "y", "kind": "named", "right": ["b"], "identifiable": 0.1, "images": [["c"], ["c"]], "sets": []},
        {"fault": "none", "kind": "clean", "right": [], "identifiable": 1.0, "images": [[], []], "sets": [[]]},
    ]
    lines = markdown({"data": rows}).splitlines()
    assert any(line.startswith("| data: 1 faults that can be told, one image | 2 | 0.500 (") for line in lines)
    assert any(line.startswith("| data: 1 that cannot, one image | 2 | 0.000 (") for line in lines)
    assert "| y | c 2 |" in lines
