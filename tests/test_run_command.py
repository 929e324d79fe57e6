"""What a run was asked for: the command that repeats it, and what it changes."""

import json
import shlex
from dataclasses import replace

import pytest

from cnnexp.compose import columns, compose_config, other_settings, parameters, run_command, typed_again
from cnnexp.config.columns import SETTINGS
from cnnexp.system.text import as_yaml
from support.simulated_runs import simulated_run


def command_of(*overrides):
    return run_command(compose_config(overrides), overrides)


def test_nothing_is_changed_by_nothing():
    assert dict(command_of().changed) == {}
    assert dict(command_of("training.epochs=30", "seed=0").changed) == {}


def test_what_an_option_brings_is_named_with_the_default():
    changed = command_of("training=smoke", "model=small").changed
    defaults, smoke = compose_config([]), compose_config(["training=smoke", "model=small"])
    assert changed["training"] == ("smoke", "default")
    assert changed["training.epochs"] == (str(smoke.training.epochs), str(defaults.training.epochs))
    assert changed["model.width"] == (str(smoke.model.width), str(defaults.model.width))


@pytest.mark.parametrize(
    ("override", "setting", "values"),
    [
        ("training.patience=null", "training.patience", ("null", "8")),
        ("data.size=[9,9]", "data.size", ("[9, 9]", "null")),
        ("optimizer=sgd optimizer.momentum=0.9", "optimizer.momentum", ("0.9", None)),  # adam has none
    ],
)
def test_null_lists_and_settings_without_a_default_are_told_apart(override, setting, values):
    assert command_of(*override.split()).changed[setting] == values


def test_settings_that_come_with_an_option_are_not_changed():
    changed = command_of("optimizer=sgd").changed
    assert changed["optimizer"] == ("sgd", "adam")
    assert "optimizer.momentum" not in changed


@pytest.mark.parametrize("override", ["tracking.experiment=other", "tracking.outbox=o"])
def test_where_a_run_is_recorded_is_no_changed_setting(override):
    command = command_of(override)
    assert dict(command.changed) == {}
    assert command.overrides == (override,)


def test_the_command_of_a_run_of_a_sweep_is_that_of_a_single_run():
    words = ["seed=1", "optimizer.learning_rate=0.1", "sweep.zip=[seed,optimizer.learning_rate]", "sweep=dropout"]
    command = run_command(compose_config(words), words)
    assert command.overrides == ("seed=1", "optimizer.learning_rate=0.1")
    compose_config(command.overrides).sweep.refuse_lists()  # as a single run does


def test_the_command_holds_no_password_and_nothing_for_hydra():
    words = ["tracking.uri=postgresql://me:secret@host/db", "seed=3"]
    command = run_command(
        compose_config(words), [*words, "hydra.run.dir=x", "+hydra.job.env_set.A=1", "hydra/sweeper=x"]
    )
    assert command.overrides == ("tracking.uri=postgresql://me:***@host/db", "seed=3")


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=regularized", "optimizer=sgd", "seed=3"],
        ["model=regularized", "regularization=none", "optimizer.learning_rate=auto"],
        ["model=pretrained", "data=folder", "data.path=/tmp/a b", "data.size=[96,96]"],
        ["schedule=cosine", "regularization=dropout_l2", "augmentation=mix", "loss=focal", "training=smoke"],
        ["optimizer=sgd", "optimizer.momentum=0.5", "training.patience=null", "data.limit=500"],
        [
            "data=folder",
            'data.path="x,y"',
            "data.exclude=['*.tmp','a b']",
            'decision.positive="ja,nein"',
            "decision.cost=2",
        ],
        ["data=folder", "data.path=it's", "decision.positive=1", "decision.cost=2", "data.mirror=true"],
    ],
)
@pytest.mark.parametrize("named", [(), ("data", "model", "optimizer", "optimizer.learning_rate", "seed")])
def test_a_recorded_run_is_typed_again_with_all_of_its_settings(overrides, named):
    config = compose_config(overrides)
    beside = other_settings(config, overrides)
    shown = {name: as_yaml(value) for name, value in columns(config, overrides).items()}
    run = simulated_run(0.9, seed=0)
    run = replace(run, settings={**shown, **json.loads(beside[SETTINGS])}, tags=beside, data_source=config.data.path)
    command, *words = shlex.split(typed_again(run, named))
    again = compose_config(words)
    assert command == "cnnexp"
    assert (parameters(again), again.data.path) == (parameters(config), config.data.path)
    assert len(words) <= len(overrides) + len(named) + 1  # nothing that follows from an option
    assert {word.partition("=")[0] for word in words} >= set(named)


def test_code_that_only_its_user_has_is_not_typed_again():
    run = simulated_run(0.9, seed=0, **{"model": "mine", "model.code": "mine.py@12345678"})
    assert typed_again(replace(run, tags={SETTINGS: "{}"}), ()) is None
    assert (
        typed_again(simulated_run(0.9, seed=0, model="small"), ()) is None
    )  # an evaluation, or a run of version 0.1.0
