"""The examples of docs/extending.md, as they stand there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnexp.compose import compose_config
from cnnexp.config.extended import all_added
from cnnexp.extensions.load import loaded

TEXT = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = [line.split() for line in re.findall(r"^    cnnexp (--extend (?!.*(?:-m |--help)).*)$", TEXT, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def written(name):
    """Lines of a file without blank ones, imports and comments of their own."""
    lines = [line for line in FILES[name].splitlines() if line.strip() and not line.strip().startswith("#")]
    return [line for line in lines if not line.startswith(("import ", "from "))]


def test_the_document_has_the_examples_and_commands():
    assert FILES.keys() == {"my_things.py", "my_recipe.py", "my_cnn.py", "my_timm.py", "my_fastai.py"}
    assert len(COMMANDS) == 5


@pytest.mark.parametrize("name", ["my_cnn.py", "my_timm.py", "my_fastai.py"])
def test_a_habit_is_brought_over_in_under_twenty_lines(name):
    assert len(written(name)) < 20


@pytest.mark.parametrize("name", FILES)
def test_every_example_adds_its_options(folder, name):
    with loaded([name]):
        assert [str(one) for one in all_added()] == [
            f"{group}={option}" for group, option in re.findall(r'^@(\w+)\("(\w+)"', FILES[name], re.MULTILINE)
        ]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_of_the_document_trains(folder, command):
    """On the digits, or on pictures where it names some."""
    from cnnexp.runs import experiment

    (folder / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(60):
        pixels = random.integers(0, 128, (8, 8)) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(
            folder / "photos" / f"{('dark', 'light')[number % 2]}_{number}.png"
        )
    flag, file, *overrides = command
    assert flag == "--extend"
    short = ["training.epochs=3", "training.batch_size=16", "data.limit=60", f"data.cache={folder}/cache"]
    with loaded([file]):
        config = compose_config([*overrides, *short])
        result = experiment.run(
            config, name="doc", on_start=lambda _: None, on_epoch=lambda _: False, on_progress=lambda *_: None
        )
    assert set(result.code) == {f"extensions/{file}"}
    assert np.isfinite(result.metrics["test/log_loss"])
