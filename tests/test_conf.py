"""The YAML files: every one composes and types, reads in the order of its dataclass, and explains its values."""

import dataclasses
import json
import re
import sys
from typing import get_args

import hydra
import pytest
from omegaconf import OmegaConf

from cnnexp.compose import (
    check_sweep,
    columns,
    compose_config,
    other_settings,
    parameters,
    quote_texts,
    run_name,
    to_yaml,
)
from cnnexp.config import ExperimentConfig, types_of
from cnnexp.config.defaults import CONF
from cnnexp.errors import ConfigError
from cnnexp.tracking.store.stored_run import SETTINGS

GROUPS = [field.name for field in dataclasses.fields(ExperimentConfig) if field.name != "seed"]
OPTIONS = {group: sorted(file.stem for file in (CONF / group).glob("*.yaml")) for group in [*GROUPS, "experiment"]}
CHOICES = [(group, option) for group, options in OPTIONS.items() for option in options]
FILES = sorted(file for group in [*OPTIONS, "shared"] for file in (CONF / group).glob("*.yaml"))

CONTRACT = {
    "data": {"digits", "fashion_mnist", "mnist", "cifar10", "folder"},
    "model": {"baseline", "regularized", "small", "alexnet", "vgg", "resnet", "airbench", "pretrained", "from_run"},
    "optimizer": {"sgd", "adam", "adamw", "rmsprop"},
    "schedule": {"constant", "step", "exponential", "linear", "cosine", "warmup_cosine", "one_cycle", "plateau"},
    "regularization": {"none", "dropout", "l1", "l2", "dropout_l2", "label_smoothing"},
    "augmentation": {"none", "basic", "strong", "mix"},
    "training": {"default", "finetune", "smoke"},
}


def needs(group, option):
    """What an option cannot do without."""
    if (group, option) == ("model", "from_run"):
        return ["model.run=somewhere"]
    of_user = group == "data" and option in ("folder", "table", "npz")
    asks = group == "experiment" and "data.path=" in (CONF / group / f"{option}.yaml").read_text(encoding="utf-8")
    return ["data.path=somewhere"] if of_user or asks else []


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_every_option_composes_and_carries_its_name(group, option):
    config = compose_config([f"{group}={option}", *needs(group, option)])
    assert isinstance(config, ExperimentConfig)
    if group in GROUPS and group not in ("tracking", "sweep", "decision"):  # these say how to work, not what is learned
        assert getattr(config, group).name == option


@pytest.mark.parametrize("group", CONTRACT)
def test_the_promised_options_are_there(group):
    assert CONTRACT[group] <= set(OPTIONS[group])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_value_is_in_order_and_every_number_explained(file):
    values = settings_of(file)
    order = field_order(file.parent.name, file.stem)
    assert list(values) == sorted(values, key=order.index)
    assert file.read_text(encoding="utf-8").lstrip().startswith("#"), "a file opens with what it is for"
    for line in file.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s*\w+: [-\d.]", line):
            assert re.search(r"\d  # \S", line), f"no unit or range: {line}"


def settings_of(file):
    content = OmegaConf.to_container(OmegaConf.load(file))
    content.pop("defaults", None)
    content.pop("hydra", None)  # Hydra's own settings, such as the lists of a sweep
    return (
        content.get(file.parent.name, content) if "@package _global_" in file.read_text(encoding="utf-8") else content
    )


def field_order(group, option):
    """The fields of the dataclass that the file's values end up in."""
    config = compose_config([])
    if group in GROUPS:
        config = getattr(compose_config([f"{group}={option}", *needs(group, option)]), group)
    elif group == "shared":
        config = getattr(config, option)
    return [field.name for field in dataclasses.fields(config)]


def test_the_whole_configuration_reads_in_the_order_of_its_dataclasses():
    config = compose_config([])
    printed = OmegaConf.to_container(OmegaConf.create(to_yaml(config)))
    assert printed == dataclasses.asdict(config)
    assert list(printed) == [field.name for field in dataclasses.fields(config)]


def test_regularized_is_the_baseline_with_dropout_and_l2():
    baseline, regularized = compose_config([]), compose_config(["model=regularized"])
    assert dataclasses.replace(regularized.model, name="baseline") == baseline.model
    assert (regularized.regularization.dropout, regularized.regularization.l2) == (0.5, 0.001)
    assert (baseline.regularization.dropout, baseline.regularization.l2) == (0, 0)


@pytest.mark.parametrize(
    "overrides", [["model=regularized", "regularization=l2"], ["regularization=l2", "model=regularized"]]
)
def test_the_command_line_replaces_what_regularized_brings(overrides):
    assert compose_config(overrides).regularization == compose_config(["regularization=l2"]).regularization


def test_a_sweep_replaces_what_regularized_brings_too(monkeypatch, tmp_path):
    seen = []
    monkeypatch.chdir(tmp_path)
    plain = ["hydra/launcher=basic", "hydra/sweeper=basic"]  # in this process, with the function below
    overrides = ["model=baseline,regularized", "regularization=l1,none", *plain]
    monkeypatch.setattr(sys, "argv", ["cnnexp", "-m", *overrides])
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(
        lambda cfg: seen.append((cfg.model.name, cfg.regularization.name))
    )()
    assert seen == [("baseline", "l1"), ("baseline", "none"), ("regularized", "l1"), ("regularized", "none")]


def test_any_of_the_four_regularizers_is_set_from_any_option():
    config = compose_config(["regularization=label_smoothing", "regularization.dropout=0.3", "regularization.l1=1e-4"])
    values = config.regularization
    assert (values.dropout, values.l1, values.l2, values.label_smoothing) == (0.3, 1e-4, 0, 0.1)


def test_smoke_thins_the_data_and_still_yields():
    assert compose_config(["training=smoke"]).data.limit is not None
    assert compose_config(["training=smoke", "data.limit=50"]).data.limit == 50
    assert compose_config(["training=smoke", "data=fashion_mnist"]).data.limit is not None


def test_digits_do_not_mirror_but_photographs_do():
    assert not compose_config(["data=digits"]).data.mirror
    assert not compose_config(["data=mnist"]).data.mirror
    assert compose_config(["data=cifar10"]).data.mirror


def test_a_change_that_no_image_of_a_set_shows_is_made_only_when_asked_for():
    assert compose_config(["data=digits"]).augmentation.shift > 0
    assert compose_config(["data=fashion_mnist"]).augmentation.shift == 0
    assert compose_config(["data=fashion_mnist", "augmentation.shift=0.2"]).augmentation.shift == 0.2


def test_the_help_names_every_option():
    text = OmegaConf.load(CONF / "hydra/help/cnnexp.yaml").template
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    for group, options in CONTRACT.items():
        assert options <= set(re.findall(r"\w+", lines[group])), group


# --- a user's own files


@pytest.fixture
def own(tmp_path):
    def write(name, text):
        file = tmp_path / "own" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return tmp_path / "own"

    return write


def test_an_own_option_builds_on_one_of_ours(own):
    folder = own("optimizer/slow.yaml", "defaults: [adam, _self_]\nlearning_rate: 1.0e-5\n")
    assert compose_config(["optimizer=slow"], config_dir=folder).optimizer.learning_rate == 1e-5


def test_an_own_preset_yields_to_the_command_line(own):
    preset = "# @package _global_\ndefaults: [override /model: regularized]\ntraining: {epochs: 7}\n"
    folder = own("experiment/mine.yaml", preset)
    config = compose_config(["experiment=mine"], config_dir=folder)
    assert (config.model.name, config.regularization.name, config.training.epochs) == ("regularized", "dropout_l2", 7)
    changed = compose_config(["experiment=mine", "regularization=none", "training.epochs=3"], config_dir=folder)
    assert (changed.regularization.name, changed.training.epochs) == ("none", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: own\nlearning_rate: 0.1\n", "names no schema"),
        ("name: own\nmomentum: 0.1\n", "names no schema"),
        ("defaults: [adam, _self_]\nmomentum: 0.1\n", "optimizer/own.yaml: optimizer=adam has no setting 'momentum'"),
        (
            "defaults: [adam, _self_]\nlearning_rate: fast\n",
            "optimizer.learning_rate must be a number or auto; got 'fast'.",
        ),
        ("defaults: [adaam, _self_]\n", "optimizer=adaam does not exist"),
        ("defaults: [adam, _self_]\nlearning_rate: [1\n", "own.yaml"),
    ],
)
def test_a_fault_in_an_own_file_is_one_line(own, text, message):
    folder = own("optimizer/own.yaml", text)
    with pytest.raises(ConfigError) as refusal:
        compose_config(["optimizer=own"], config_dir=folder)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_setting_that_takes_a_fraction_takes_a_whole_number():
    """OmegaConf makes 60.0 of 60 for a float, and refuses 60 for a float or a word."""
    kinds = {field.type for group in GROUPS for owner in types_of(group) for field in dataclasses.fields(owner)}
    assert all(int in get_args(kind) for kind in kinds if {float, str} <= set(get_args(kind)))
    assert repr(compose_config(["training.checkpoint_every=60"]).training.checkpoint_every) == "60.0"


# --- sweeps


def test_a_sweep_is_refused_for_one_bad_value_of_one_list():
    with pytest.raises(ConfigError, match=r"training\.batch_size must be at least 1"):
        check_sweep(["seed=range(1000)", "training.batch_size=16,0,64"])


def test_a_sweep_of_good_values_passes():
    paired = ["schedule=warmup_cosine", "training.epochs=2,20", "schedule.warmup_epochs=1,5"]
    check_sweep([*paired, "sweep.zip=[training.epochs,schedule.warmup_epochs]"])
    with pytest.raises(ConfigError):
        check_sweep(paired)
    check_sweep(["model=baseline,regularized", "seed=range(3)", "optimizer.learning_rate=interval(1e-4,0.1)"])


# --- what is recorded


@pytest.mark.parametrize("place", ["~/photos", "~/my photos", "~/it's (a=b)", "~"])
def test_a_place_at_home_needs_no_quotes(place):
    assert compose_config(["data=folder", f"data.path={place}"]).data.path == place
    assert compose_config([f"+data.cache={place}"]).data.cache == place


def test_several_places_at_home_are_a_sweep():
    assert quote_texts(["data.path=~/a,/b,~/c", "~data", "seed=1"]) == ["data.path='~/a',/b,'~/c'", "~data", "seed=1"]
    check_sweep(quote_texts(["data=folder", "data.path=~/a,~/b"]))


def test_parameters_are_flat_and_named_as_the_settings():
    recorded = parameters(compose_config(["optimizer=sgd", "data.limit=100", "seed=0"]))
    assert recorded["optimizer"] == "sgd"
    assert recorded["optimizer.learning_rate"] == compose_config(["optimizer=sgd"]).optimizer.learning_rate
    assert (recorded["data"], recorded["data.limit"], recorded["seed"]) == ("digits", 100, 0)
    assert not [name for name in recorded if name.startswith("tracking") or name.endswith(".name")]
    assert all(isinstance(value, str | int | float | bool) for value in recorded.values())


def test_columns_are_few_and_what_a_run_sets_itself_is_one_of_them():
    config = compose_config(["optimizer.beta_1=0.8", "data.kernel=bicubic"])
    shown = columns(config, ["optimizer.beta_1=0.8"])
    kept = json.loads(other_settings(config, ["optimizer.beta_1=0.8"])[SETTINGS])
    assert len(columns(compose_config([]), [])) <= 24
    assert shown["optimizer.beta_1"] == 0.8
    assert "data.kernel" not in shown
    assert kept["data.kernel"] == "bicubic"
    assert {**kept, **shown}.keys() == parameters(config).keys()
    assert not kept.keys() & shown.keys()


def test_a_setting_that_is_not_in_use_is_no_parameter():
    assert "data.imbalance" not in parameters(compose_config([]))


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "baseline"),
        (["model=regularized", "optimizer=sgd", "training.batch_size=64"], "regularized-sgd-bs64"),
        (["training.batch_size=64", "optimizer=sgd", "model=regularized"], "regularized-sgd-bs64"),
        (["data=fashion_mnist", "seed=0"], "fashion_mnist-baseline-seed0"),
        (["optimizer.learning_rate=1e-3"], "baseline-lr0.001"),
        (["augmentation=none", "training=default"], "baseline-no_augmentation"),
        (["data=folder", "data.path=/photos/of signs", "tracking.uri=http://x"], "folder-of signs-baseline"),
        (["seed=12345", "data.limit=1000000"], "limit1000000-baseline-seed12345"),
        (
            ["training.monitor=val/accuracy", "optimizer.batch_scaling=sqrt"],
            "baseline-batch_scaling_sqrt-monitor_val/accuracy",
        ),
    ],
)
def test_a_run_is_named_by_what_was_asked(overrides, name):
    assert run_name(compose_config(overrides), overrides) == name
