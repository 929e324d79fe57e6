"""How sure a finding is, and where the limits come from."""

import ast
import tokenize
from pathlib import Path

import pytest

import cnnexp.diagnosis
from cnnexp.diagnosis.confidence import COUNTED, Basis, Counted, confidence_by, of_likeliest, shrunken

MODULES = sorted(Path(cnnexp.diagnosis.__file__).parent.glob("*.py"))


def test_a_kind_of_evidence_is_as_sure_as_it_was_right_and_few_cases_say_little():
    everything = Counted(79, 98)  # (79 + 1) of (98 + 2): four fifths
    assert shrunken(Counted(0, 0), everything) == pytest.approx(0.8)
    assert shrunken(Counted(16, 16), everything) == pytest.approx((16 + 4 * 0.8) / 20)
    assert shrunken(Counted(0, 1), everything) == pytest.approx(3.2 / 5)


def test_what_is_stated_is_neither_certain_nor_void_and_follows_from_what_was_counted():
    assert all(0 < confidence_by(basis) < 1 for basis in Basis)
    assert all(0 <= own.right <= own.findings for own in COUNTED.values())
    assert set(COUNTED) == set(Basis)


def test_of_names_that_exclude_each_other_the_first_is_less_sure_than_alone():
    assert of_likeliest([0.8]) == pytest.approx(0.8)
    # odds 4 and 1, and 1 that neither is right
    assert of_likeliest([0.8, 0.5]) == pytest.approx(4 / 6)
    assert of_likeliest([1.0, 1.0]) < 0.6


def numbers(module):
    """Yield name and line of each number that is a constant of a module."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and not any(isinstance(one, ast.Call) for one in ast.walk(node.value)):
            values = [one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant)]
            if values and all(isinstance(value, int | float) for value in values):
                yield ast.unparse(node.targets[0]), node.lineno


def commented(module):
    """Return the lines of a module that have a comment, also those of a block that begins with one."""
    with module.open("rb") as file:
        lines = {token.start[0] for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT}
    for name_and_line in sorted(numbers(module), key=lambda one: one[1]):
        if name_and_line[1] - 1 in lines:
            lines.add(name_and_line[1])
    return lines


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.stem)
def test_every_limit_says_what_it_means_or_what_it_was_set_on(module):
    lines = commented(module)
    unsaid = [name for name, line in numbers(module) if line not in lines and "LISTED" not in name and name != "Z"]
    assert not unsaid
