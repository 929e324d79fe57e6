"""The experiments: every preset has a folder, and every number in a README was written by ``cnnexp compare``."""

import csv
import re

import pytest

from cnnexp.compose import check_sweep
from cnnexp.config.defaults import CONF

ROOT = CONF.parent / "experiments"
QUESTIONS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
UNMEASURED = {"cifar10_94"}  # presets whose runs are not all made yet: they promise no number
MEASURED = [question for question in QUESTIONS if question not in UNMEASURED]
HEADINGS = ("Question", "Command", "Minutes", "Expect")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?![\w])")
_CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)
_TABLE = re.compile(r"^\|.*$", re.MULTILINE)  # compared line by line in another test
_COMMENT = re.compile(r"#.*")
_SETTING = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
_ALWAYS = {95.0}  # %, the level of every interval
SHOWN = ("n", "seconds/train", "test/log_loss")  # other columns that a README may quote


def preset(question):
    return (CONF / "experiment" / f"{question}.yaml").read_text(encoding="utf-8")


def readme(question):
    return (ROOT / question / "README.md").read_text(encoding="utf-8")


def results(question):
    """Return what compare wrote: means, gains and half their intervals, also in points; other metrics unscaled."""
    numbers = []
    for file in sorted((ROOT / question).glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                cells = {name: value for name, cell in row.items() if (value := number(cell)) is not None}
                estimates = [value for name in ("", "gain ") for value in estimate(cells, name)]
                numbers += [*estimates, *(100 * value for value in estimates), *estimate(cells, "best/val_loss ")]
                numbers += [value for name, value in cells.items() if name in SHOWN]
    return numbers


def estimate(cells, prefix):
    """Return a mean and half its interval, or nothing if the row has no interval."""
    mean, low, high = (cells.get(f"{prefix}{name}") for name in ("mean", "low", "high"))
    return [mean, (high - low) / 2] if None not in (mean, low, high) else []


def preset_values(question):
    """Return the numbers that the preset sets."""
    return {float(text) for text in _SETTING.findall(_COMMENT.sub("", preset(question)))}


def minutes(question):
    return map(float, _NUMBER.findall(re.search(r"^# Minutes: (.*)$", preset(question), re.MULTILINE)[1]))


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def test_presets_and_folders_correspond():
    assert sorted(folder.name for folder in ROOT.iterdir() if folder.is_dir()) == QUESTIONS
    assert len(QUESTIONS) == 12


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_preset_starts_with_its_headings(question):
    headings = re.findall(r"^# (\w+): ", preset(question), re.MULTILINE)
    assert tuple(headings) == HEADINGS
    assert f"experiment={question}" in preset(question).split("Minutes:")[0]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_preset_is_a_sweep_over_at_least_five_seeds(question):
    seeds = re.search(r"seed: range\((\d+)\)", preset(question))
    assert seeds is not None
    assert int(seeds[1]) >= 5
    check_sweep([f"experiment={question}", *(["data.path=somewhere"] if "data.path=" in preset(question) else [])])


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_readme_lists_its_commands_and_links_existing_files(question):
    text = readme(question)
    asked = re.search(r"^# Question: +(.*)$", preset(question), re.MULTILINE)
    assert text.splitlines()[0].lower() == f"# {asked[1]}".lower()
    for command in re.findall(r"python -m cnnexp [^\n&]*", preset(question).split("# Minutes")[0]):
        assert command.strip() in text
    assert f"cnnexp compare {question}" in text or "cnnexp compare latest" in text
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / question / link).exists(), link


@pytest.mark.parametrize("question", MEASURED)
def test_every_number_of_a_readme_and_preset_is_in_its_results(question):
    known = results(question)
    given = {*preset_values(question), *minutes(question), *_ALWAYS}
    expected = re.search(r"^# Expect: (.*)$", preset(question), re.MULTILINE)[1]
    for text in _NUMBER.findall(_TABLE.sub("", _CODE.sub("", readme(question))) + expected):
        plain = text.replace(",", "")
        assert float(plain) in given or occurs(plain, known), text


def test_the_overview_answers_every_question_with_numbers_from_its_results():
    lines = [line for line in lines_of(ROOT / "README.md") if line.startswith("| [")]
    assert sorted(re.match(r"\| \[(\w+)\]", line)[1] for line in lines) == MEASURED
    for line in lines:
        question = re.match(r"\| \[(\w+)\]", line)[1]
        given = preset_values(question)
        for text in _NUMBER.findall(_CODE.sub("", line)):
            assert float(text) in given or occurs(text, results(question)), (question, text)


def occurs(text, known):
    """Return whether a number, without sign and to its digits, is one of `known`: "loses 2.2" is a gain of -2.2."""
    digits = len(text.partition(".")[2].partition("e")[0])
    wanted = abs(float(text))
    return any(abs(abs(value) - wanted) <= 0.5 * 10**-digits * (1 + 1e-9) for value in known)


@pytest.mark.parametrize("question", MEASURED)
def test_the_table_of_a_readme_was_written_by_compare(question):
    written = {line for file in (ROOT / question).glob("*.md") if file.name != "README.md" for line in lines_of(file)}
    shown = [line for line in lines_of(ROOT / question / "README.md") if line.startswith("|")]
    assert len(shown) >= 4
    assert set(shown) <= written


def lines_of(file):
    return file.read_text(encoding="utf-8").splitlines()


def test_a_number_that_is_not_in_the_results_is_noticed():
    assert occurs("0.98", [0.9812])
    assert occurs("2.01", [-2.012])
    assert not occurs("0.99", [0.9812])
    assert not occurs("2.33", results("batch_size"))
    assert occurs("2.23", results("batch_size"))


def test_the_files_are_small_and_contain_no_paths_of_a_machine():
    files = [file for file in ROOT.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 2_000_000
    for file in files:
        assert not re.search(r"(?<![\w.])/(home|work|tmp|root)/", file.read_text(encoding="utf-8")), file
