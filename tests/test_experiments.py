"""The experiments: presets and folders pair up, and every number in a README was written by ``cnnexp compare``."""

import csv
import itertools
import re

import pytest

from cnnexp.compose import CONF, check_sweep

ROOT = CONF.parent / "experiments"
QUESTIONS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
PROMISES = ("Question", "Command", "Minutes", "Expect")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?![\w])")
_CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)
_COMMENT = re.compile(r"#.*")
_ALWAYS = {"95"}  # % of every interval


def preset(question):
    return (CONF / "experiment" / f"{question}.yaml").read_text(encoding="utf-8")


def readme(question):
    return (ROOT / question / "README.md").read_text(encoding="utf-8")


def results(question):
    """All cells of what compare wrote, as numbers: as they are, and half the width of their interval."""
    numbers = []
    for file in sorted((ROOT / question).glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                cells = {name: value for name, cell in row.items() if (value := number(cell)) is not None}
                numbers += cells.values()
                for low, high in (("low", "high"), ("gain low", "gain high"), *ends(cells, "best/")):
                    if low in cells and high in cells:
                        numbers.append((cells[high] - cells[low]) / 2)
    return numbers


def ends(cells, prefix):
    return [(name, f"{name[:-3]}high") for name in cells if name.startswith(prefix) and name.endswith(" low")]


def minutes(question):
    return _NUMBER.findall(re.search(r"^# Minutes: (.*)$", preset(question), re.MULTILINE)[1])


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def test_every_preset_has_a_folder_and_every_folder_a_preset():
    assert sorted(folder.name for folder in ROOT.iterdir() if folder.is_dir()) == QUESTIONS
    assert len(QUESTIONS) == 8


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_preset_opens_with_its_promises(question):
    said = re.findall(r"^# (\w+): ", preset(question), re.MULTILINE)
    assert tuple(said) == PROMISES
    assert f"experiment={question}" in preset(question).split("Minutes:")[0]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_preset_is_a_sweep_over_at_least_five_seeds(question):
    seeds = re.search(r"seed: range\((\d+)\)", preset(question))
    assert seeds is not None
    assert int(seeds[1]) >= 5
    check_sweep([f"experiment={question}", *(["data.path=somewhere"] if "data.path=" in preset(question) else [])])


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_readme_says_how_to_do_it_again_and_links_what_exists(question):
    text = readme(question)
    asked = re.search(r"^# Question: +(.*)$", preset(question), re.MULTILINE)
    assert text.splitlines()[0].lower() == f"# {asked[1]}".lower()
    for command in re.findall(r"python -m cnnexp [^\n&]*", preset(question).split("# Minutes")[0]):
        assert command.strip() in text
    assert f"cnnexp compare {question}" in text or "cnnexp compare latest" in text
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / question / link).exists(), link


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_number_of_a_readme_stands_in_its_results_and_every_expected_one_too(question):
    known = results(question)
    given = {*_NUMBER.findall(_COMMENT.sub("", preset(question))), *_ALWAYS, *minutes(question)}
    expected = re.search(r"^# Expect: (.*)$", preset(question), re.MULTILINE)[1]
    for text in _NUMBER.findall(_CODE.sub("", readme(question)) + expected):
        plain = text.replace(",", "")
        assert plain in given or stands(plain, known), text


def test_the_overview_answers_every_question_with_numbers_of_its_results():
    lines = [line for line in lines_of(ROOT / "README.md") if line.startswith("| [")]
    assert sorted(re.match(r"\| \[(\w+)\]", line)[1] for line in lines) == QUESTIONS
    for line in lines:
        question = re.match(r"\| \[(\w+)\]", line)[1]
        given = set(_NUMBER.findall(_COMMENT.sub("", preset(question))))
        for text in _NUMBER.findall(_CODE.sub("", line)):
            assert text in given or stands(text, results(question)), (question, text)


def stands(text, known):
    """Whether a number is one of `known`, a share perhaps in points of 100, after rounding to its digits, unsigned."""
    digits = len(text.partition(".")[2].partition("e")[0])
    wanted = abs(float(text))
    return any(
        abs(abs(value) * factor - wanted) <= 0.5 * 10**-digits * (1 + 1e-9)
        for value, factor in itertools.product(known, (1, 100))
    )


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_table_of_a_readme_is_the_one_that_compare_wrote(question):
    written = {line for file in (ROOT / question).glob("*.md") if file.name != "README.md" for line in lines_of(file)}
    shown = [line for line in lines_of(ROOT / question / "README.md") if line.startswith("|")]
    assert len(shown) >= 4
    assert set(shown) <= written


def lines_of(file):
    return file.read_text(encoding="utf-8").splitlines()


def test_numbers_that_stand_nowhere_are_found():
    assert stands("0.98", [0.9812])
    assert stands("2.01", [-0.02012])
    assert not stands("0.99", [0.9812])
    assert not stands("3.5", [0.02012])


def test_the_experiments_are_small_and_name_no_machine():
    files = [file for file in ROOT.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 2_000_000
    for file in files:
        assert not re.search(r"(?<![\w.])/(home|work|tmp|root)/", file.read_text(encoding="utf-8")), file
