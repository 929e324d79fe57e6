from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import get_args

from cnnexp.config import extended
from cnnexp.config.augmentation import AugmentationConfig
from cnnexp.config.data import BuiltinDataConfig, DataConfig, FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.config.decision import DecisionConfig
from cnnexp.config.loss import FocalLossConfig, LossConfig
from cnnexp.config.model import (
    AirbenchConfig,
    AlexNetConfig,
    FromRunConfig,
    ModelConfig,
    PlainModelConfig,
    PretrainedConfig,
    RegularizationConfig,
    ResNetConfig,
    VggConfig,
)
from cnnexp.config.optimizer import (
    AdamConfig,
    AdamWConfig,
    CosineScheduleConfig,
    ExponentialScheduleConfig,
    LinearScheduleConfig,
    MuonConfig,
    OneCycleScheduleConfig,
    OptimizerConfig,
    PlateauScheduleConfig,
    RmspropConfig,
    ScheduleConfig,
    SgdConfig,
    StepScheduleConfig,
    WarmupCosineScheduleConfig,
)
from cnnexp.config.setting import Setting, setting, settings, settings_of, within
from cnnexp.config.sweep import SweepConfig
from cnnexp.config.tracking import TrackingConfig
from cnnexp.config.training import TrainingConfig
from cnnexp.errors import ConfigError


@settings
class ExperimentConfig:
    """One run, whole."""

    seed: int = setting(affects="chance")  # of weights, order, dropout and augmentation
    data: DataConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loss: LossConfig
    regularization: RegularizationConfig
    augmentation: AugmentationConfig
    training: TrainingConfig
    decision: DecisionConfig
    tracking: TrackingConfig
    sweep: SweepConfig

    def __post_init__(self) -> None:
        within("seed", self.seed, 0, 2**32 - 1)
        if self.decision.positive is not None and self.data.has_folds:
            raise ConfigError(
                "decision.positive and data.folds do not go together: a threshold is chosen on the calibration split, "
                "which a run of folds does not have. Leave one of them out."
            )
        if (
            isinstance(self.schedule, WarmupCosineScheduleConfig)
            and self.schedule.warmup_epochs >= self.training.epochs
        ):
            raise ConfigError(
                "schedule.warmup_epochs must be below training.epochs, or the rate never reaches its value; "
                f"got {self.schedule.warmup_epochs} of {self.training.epochs}."
            )
        if isinstance(self.loss, extended.Extended) and self.regularization.label_smoothing:
            raise ConfigError(
                f"loss={self.loss.name} gets labels as they are, so regularization.label_smoothing must be 0; got "
                f"{self.regularization.label_smoothing:g}. Smooth them in its function."
            )
        if isinstance(self.model, PretrainedConfig | FromRunConfig):
            _require_its_own_scaling(self.model, self.data)
        elif self.data.scaling == "model":
            raise ConfigError(
                f"data.scaling=model is for networks that bring their own scaling; model={self.model.name} does not. "
                "Choose data.scaling=unit or data.scaling=standardize."
            )
        if self.data.has_folds and isinstance(self.schedule, PlateauScheduleConfig):
            raise ConfigError(
                f"data.folds={self.data.folds} ends with a model that is trained on all training images, and "
                "schedule=plateau follows the loss of images that are not trained on. Choose another schedule, such as "
                "schedule=cosine."
            )


def _require_its_own_scaling(model: ModelConfig, data: DataConfig) -> None:
    """Refuse a scaling for a network that was trained with another."""
    if data.scaling != "model":
        raise ConfigError(
            f"data.scaling cannot be set for model={model.name}: the network scales pixels as it was trained to; got "
            f"{data.scaling!r}. Leave data.scaling out."
        )


VARIANTS: dict[str, dict[str, type]] = {  # of the groups whose options have different settings
    "data": {
        "builtin": BuiltinDataConfig,
        "folder": FolderDataConfig,
        "table": TableDataConfig,
        "npz": NpzDataConfig,
    },
    "model": {
        "plain": PlainModelConfig,
        "alexnet": AlexNetConfig,
        "vgg": VggConfig,
        "resnet": ResNetConfig,
        "airbench": AirbenchConfig,
        "pretrained": PretrainedConfig,
        "from_run": FromRunConfig,
    },
    "optimizer": {
        "sgd": SgdConfig,
        "adam": AdamConfig,
        "adamw": AdamWConfig,
        "muon": MuonConfig,
        "rmsprop": RmspropConfig,
    },
    "schedule": {
        "constant": ScheduleConfig,
        "step": StepScheduleConfig,
        "exponential": ExponentialScheduleConfig,
        "linear": LinearScheduleConfig,
        "cosine": CosineScheduleConfig,
        "warmup_cosine": WarmupCosineScheduleConfig,
        "one_cycle": OneCycleScheduleConfig,
        "plateau": PlateauScheduleConfig,
    },
    "loss": {
        "cross_entropy": LossConfig,
        "focal": FocalLossConfig,
    },
}


def variants(group: str) -> dict[str, type]:
    """Return the classes of a group whose options have different settings, those of added options too; by name."""
    return {**VARIANTS.get(group, {}), **extended.added(group)}


def types_of(group: str) -> tuple[type, ...]:
    """Return every class of settings that `group` can be; none for a plain value such as the seed."""
    base = next((field.type for field in fields(ExperimentConfig) if field.name == group), None)
    return (base, *variants(group).values()) if isinstance(base, type) and is_dataclass(base) else ()


def as_number(name: str, value: object) -> object:
    """Return `value` as a float where the setting `name` is a number or a word, and `value` can be read as a number.

    OmegaConf converts what a field of type float is given, such as 1 and the text 0.1, but nothing for a union.
    """
    if name in numbers_or_words() and isinstance(value, int | str) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(value)
    return value


@cache
def numbers_or_words() -> frozenset[str]:
    """Return the full names of the settings that are a number or a word, such as auto."""
    return frozenset(
        f"{group.name}.{field.name}"
        for group in fields(ExperimentConfig)
        for owner in types_of(group.name)
        for field in fields(owner)
        if {float, str} <= set(get_args(field.type))
    )


def all_settings() -> Mapping[str, Setting]:
    """Return every setting there is by its full name, such as ``training.epochs``, in the order of their classes.

    The option chosen for a group goes by the group's name: ``optimizer``.
    """
    return _described(tuple((field.name, types_of(field.name)) for field in fields(ExperimentConfig)))


def names_affecting(*effects: str) -> tuple[str, ...]:
    """Return the full names of all settings that affect one of `effects`."""
    return tuple(name for name, described in all_settings().items() if described.affects in effects)


@cache
def _described(groups: tuple[tuple[str, tuple[type, ...]], ...]) -> Mapping[str, Setting]:
    return MappingProxyType(dict(pair for group, owners in groups for pair in _of_group(group, owners)))


def _of_group(group: str, owners: tuple[type, ...]) -> Iterator[tuple[str, Setting]]:
    if not owners:
        yield group, settings_of(ExperimentConfig)[group]
    for owner in owners:
        yield from settings_of(owner, group=group).items()
