"""The rules of settings, on the dataclasses themselves: what is allowed passes, what is not is named."""

import dataclasses
import math

import pytest
import yaml

from cnnexp import config
from cnnexp.compose import compose_config, to_yaml
from cnnexp.errors import ConfigError


@pytest.fixture(scope="module")
def default():
    return compose_config([])


@pytest.mark.parametrize(
    ("group", "changes", "rule"),
    [
        ("data", {"validation": 0.0}, "data.validation must be above 0 and below 1; got 0.0."),
        ("data", {"test": 1.0}, "data.test must be at least 0 and below 1; got 1.0."),
        ("data", {"validation": 0.5, "test": 0.4}, "must leave images to train on; got 0.5 + 0.1 + 0.4 = 1"),
        ("data", {"limit": 0}, "data.limit must be at least 1; got 0."),
        ("data", {"imbalance": math.inf}, "data.imbalance must be at least 1 and finite; got inf."),
        ("data", {"size": [28]}, "data.size must be [height, width] or null; got [28]."),
        ("data", {"size": [28, 4]}, "data.size must be at least 8 and at most 1024; got 4."),
        ("data", {"kernel": "bicubik"}, "got 'bicubik'. Did you mean bicubic?"),
        ("data", {"split_seed": 2**32}, "data.split_seed must be at least 0 and at most 4294967295; got 4294967296."),
        ("model", {"depth": 9}, "model.depth must be at least 1 and at most 8; got 9."),
        ("optimizer", {"learning_rate": 0.0}, "optimizer.learning_rate must be above 0 and at most 100; got 0.0."),
        ("optimizer", {"learning_rate": math.nan}, "got nan."),
        ("optimizer", {"batch_scaling": "root"}, "optimizer.batch_scaling must be one of none, linear, sqrt"),
        ("optimizer", {"beta_2": 1.0}, "optimizer.beta_2 must be at least 0 and below 1; got 1.0."),
        ("regularization", {"dropout": 1.0}, "regularization.dropout must be at least 0 and below 1; got 1.0."),
        ("augmentation", {"shift": 0.6}, "augmentation.shift must be at least 0 and at most 0.5; got 0.6."),
        ("training", {"epochs": 0}, "training.epochs must be at least 1 and at most 100000; got 0."),
        ("training", {"monitor": "test/accuracy"}, "training.monitor must be one of val/loss, val/accuracy"),
        ("training", {"threads": "many"}, "training.threads must be auto or a whole number from 1; got 'many'."),
        ("training", {"precision": "float16"}, "training.precision must be one of float32, tf32, bfloat16, auto"),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused_by_name(default, group, changes, rule):
    with pytest.raises(ConfigError) as refusal:
        dataclasses.replace(getattr(default, group), **changes)
    assert rule in str(refusal.value)


@pytest.mark.parametrize(
    ("group", "changes"),
    [
        ("data", {"validation": 0.01, "calibration": 0.0, "test": 0.0}),
        ("data", {"limit": 1, "imbalance": 1.0, "size": [8, 1024], "background": 255}),
        ("optimizer", {"learning_rate": 100.0, "beta_1": 0.0}),
        ("training", {"patience": None, "threads": 1, "precision": "bfloat16"}),
        ("regularization", {"dropout": 0.0, "label_smoothing": 0.999}),
    ],
)
def test_the_ends_of_each_range_are_allowed(default, group, changes):
    changed = dataclasses.replace(getattr(default, group), **changes)
    assert {name: getattr(changed, name) for name in changes} == changes


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_every_seed_from_zero_is_kept(seed):
    assert compose_config([f"seed={seed}"]).seed == seed


def test_nesterov_needs_momentum():
    sgd = compose_config(["optimizer=sgd", "optimizer.nesterov=true"]).optimizer
    assert isinstance(sgd, config.SgdConfig)
    with pytest.raises(ConfigError, match=r"needs optimizer\.momentum above 0"):
        dataclasses.replace(sgd, momentum=0.0)


def test_a_warm_up_as_long_as_training_is_refused():
    with pytest.raises(ConfigError, match=r"schedule\.warmup_epochs must be below training\.epochs"):
        compose_config(["schedule=warmup_cosine", "schedule.warmup_epochs=5", "training.epochs=5"])


def test_every_variant_checks_what_it_inherits():
    """A subclass whose __post_init__ forgets its base would let the base's values through."""
    bases = {"data": {"split_seed": -1}, "model": {"width": 0}, "optimizer": {"learning_rate": 0.0}}
    options = {"data": ["folder"], "model": ["alexnet", "vgg", "resnet"], "optimizer": ["sgd", "adamw", "rmsprop"]}
    for group, changes in bases.items():
        for option in options[group]:
            place = ["data.path=photos"] if option == "folder" else []
            settings = getattr(compose_config([f"{group}={option}", *place]), group)
            with pytest.raises(ConfigError, match=next(iter(changes))):
                dataclasses.replace(settings, **changes)


def test_a_recorded_configuration_means_the_same_files_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["data=table", "data.path=list.csv", "data.root=~/photos", "data.cache=cache"]
    recorded = yaml.safe_load(to_yaml(compose_config(words)))["data"]
    places = [recorded[name] for name in ("path", "root", "cache")]
    assert places == [f"{tmp_path}/list.csv", "~/photos", f"{tmp_path}/cache"]
