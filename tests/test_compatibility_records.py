"""Names and numbers of what is recorded, against those of an earlier version in tests/golden."""

import re

import pytest

import compatibility as contract

# On another processor or with other libraries sums come in another order: the last digits differ, three epochs
# enlarge that, and an image on the border then counts as another class.
PROBABILITIES = {"rel": 0.02, "abs": 0.02}

REFERENCE = ["model.reference_bytes", "used.device"]
ADDED = {  # since that version
    "run": {"artifacts": ["run.html", "log.txt"], "tags": ["sweep.folder", "sweep.words"], "parameters": REFERENCE},
    "parent": {
        "metrics": ["sweep/best_test_accuracy", "sweep/best_val_loss", "sweep/learned_nothing", "sweep/runs"],
        "tags": ["sweep.folder"],
    },
    "child": {"artifacts": ["run.html", "log.txt"], "parameters": REFERENCE},
    "failed": {"artifacts": ["log.txt"], "parameters": REFERENCE},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of the stores of a run and of a sweep, of which one run fails."""
    return contract.run_and_sweep(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def found(made):
    return contract.runs_by_kind(*made)


@pytest.mark.parametrize("kind", ["run", "parent", "child", "failed"])
def test_what_a_run_records_has_the_same_names(found, kind):
    folder, run = found[kind]
    told = contract.described(folder, run)
    for model in told["models"]:
        model["name"] = "model"  # since that version it has the name of its run
    for part, expected in contract.golden("records.json")[kind].items():
        added = ADDED.get(kind, {}).get(part, [])
        assert told[part] == (sorted([*expected, *added]) if added else expected), f"{part} of a {kind}"


def test_a_seeded_run_and_a_seeded_sweep_have_the_same_numbers(made):
    recorded = contract.golden("numbers.json")
    same_machine = recorded["made_on"] == contract.machine()
    for kind, folder in zip(("alone", "sweep"), made, strict=True):
        told = contract.numbers(folder)
        assert told.keys() == recorded[kind].keys()
        for name, metrics in recorded[kind].items():
            check(told[name], metrics, same_machine=same_machine)


def check(told, expected, *, same_machine):
    assert told.keys() == expected.keys()
    for key, values in expected.items():
        if same_machine or not re.match(r"(train|val|best|test|gap)/|temperature", key):
            assert told[key] == values, key
        elif not re.search(r"epoch|auc|precision|recall|f1|ece|_low|_high", key):  # these jump with a single image
            assert told[key] == pytest.approx(values, **PROBABILITIES), key


def test_marks_of_the_sweep_made_now(made):
    assert contract.hashes(made[1]) == contract.golden("marks.json")
