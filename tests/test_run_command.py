"""What a run was asked for: the command that repeats it, and what it changes."""

import pytest

from cnnexp.compose import compose_config, run_command


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
