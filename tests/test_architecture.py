"""docs/architecture.md says where things are; this holds it to that."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+\?) \| `(cnnexp/[\w/]+\.py)` \| (.+) \|$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("question", "file", "names"), ROWS, ids=[row[0] for row in ROWS])
def test_a_question_is_answered_by_names_that_exist(question, file, names):
    defined = top_level_names(ROOT / file)
    assert set(re.findall(r"`(\w+)`", names)) <= defined, f"{question} {file} defines {sorted(defined)}"


def test_at_least_twenty_questions_are_answered():
    assert len(ROWS) >= 20


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:cnnexp|tests|docs|conf|benchmarks)/[\w/.]+)`", DOCUMENT))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_package_of_the_picture_exists():
    picture = DOCUMENT.partition("```")[2].partition("```")[0]
    packages = {path.name for path in (ROOT / "cnnexp").iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(re.findall(r"\w+", picture))


def top_level_names(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
