"""Overrides and flags as text: what is taken apart, what Hydra reads back, and what it says where it refuses."""

import argparse
import json
import re

import hydra
import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.compose import compose_config, read_command_line
from cnnexp.compose.hydra_flags import flags
from cnnexp.compose.refusals import IN_FILE, TEXTS
from cnnexp.config import Override, quote, values_of
from cnnexp.config.defaults import CONF
from cnnexp.errors import ConfigError


@given(st.text())
def test_an_override_is_written_as_it_was_read(text):
    assert str(Override.parse(text)) == text


def test_an_override_is_taken_apart():
    assert Override.parse("++training.epochs=a=b") == Override("training.epochs", "a=b", "++")
    assert Override.parse("~data") == Override("data", None, "~")
    assert values_of(["seed=0", "+seed=1", "~data=digits", "--multirun"]) == {"seed": "1"}


def read_back(value):
    return OverridesParser.create().parse_override(f"key={quote(value)}").value()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_hydra_reads_any_quoted_text_back(text):
    assert read_back(text) == text


@pytest.mark.parametrize("value", [None, True, False, 3, -1.5, 1e-7, [1, 2], ["a b", "it's"], "C:\\folder\\", "\\'"])
def test_hydra_reads_any_quoted_value_back(value):
    assert read_back(value) == value


def test_a_path_with_backslashes_is_composed_as_it_is():
    assert compose_config([str(Override.setting("data.cache", "a\\b 'c'"))]).data.cache == "a\\b 'c'"


def test_json_passes_through_an_override():
    content = json.dumps({"name": 'a "quoted" \\ é'})
    assert json.loads(read_back(content)) == json.loads(content)


# --- what other libraries may change


def test_the_flags_are_those_of_the_installed_hydra():
    def described(parser: argparse.ArgumentParser):
        return {
            name: (action.nargs, action.choices and tuple(action.choices), action.const if action.nargs else None)
            for action in parser._actions
            for name in action.option_strings or [action.dest]
        }

    assert described(flags()) == described(get_args_parser())


def test_flags_are_told_from_overrides():
    line = read_command_line(["-m", "--config-dir", "own", "--info", "defaults", "seed=0,1", "model=small"])
    assert (line.overrides, line.multirun, str(line.config_dir)) == (("seed=0,1", "model=small"), True, "own")
    with pytest.raises(ConfigError, match="unrecognized arguments: --epochs; a setting is written key=value"):
        read_command_line(["--epochs"])


@pytest.mark.parametrize(
    ("typed", "handed_on"),
    [
        ("seed=0,1 -m model=small", "-m seed=0,1 model=small"),
        ("seed=0,1 --config-dir own model=small --cfg job", "--config-dir own --cfg job seed=0,1 model=small"),
        ("-m seed=1 seed=1", "-m seed=1 seed=1"),
    ],
)
def test_flags_may_stand_anywhere_although_hydra_wants_overrides_in_one_piece(typed, handed_on):
    assert list(read_command_line(typed.split()).arguments) == handed_on.split()


def refused(overrides):
    """The error of Hydra or OmegaConf itself."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        with pytest.raises(Exception) as refusal:  # noqa: PT011
            loader.load_configuration("config", overrides, run_mode=RunMode.RUN)
    return refusal.value


def missing_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["cnnexp", "--config-dir", str(tmp_path / "none")])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception) as refusal:  # noqa: PT011
        hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(lambda cfg: None)()
    return refusal.value


RAISED = [
    lambda *_: refused(["optimizer=adam,sgd"]),
    lambda *_: refused(["seed=range(3)"]),
    lambda *_: refused(["data=3"]),
    lambda *_: refused(["~training.epochs"]).__cause__,
    missing_folder,
]


@pytest.mark.parametrize(("pattern", "raised"), list(zip(TEXTS, RAISED, strict=True)), ids=list(TEXTS))
def test_a_text_that_is_looked_for_is_what_the_library_says(monkeypatch, tmp_path, pattern, raised):
    assert re.match(pattern, str(raised(monkeypatch, tmp_path)))


def test_an_error_about_a_file_begins_with_its_name(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "own.yaml").write_text("defaults: [adam, _self_]\nmomentum: 0.1\n")
    error = refused(["optimizer=own", str(Override.setting("hydra.searchpath", [f"file://{tmp_path}"]))])
    assert re.match(IN_FILE, str(error))[1] == "optimizer/own"
