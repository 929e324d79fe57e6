from dataclasses import dataclass

from cnnexp.config.rules import within


@dataclass(kw_only=True, slots=True)
class ScheduleConfig:
    """How the learning rate moves during training; as it stands: not at all (constant)."""

    name: str


@dataclass(kw_only=True, slots=True)
class StepScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` every `every` epochs."""

    every: int
    factor: float

    def __post_init__(self) -> None:
        within("schedule.every", self.every, 1)
        within("schedule.factor", self.factor, 0, 1, above=True)


@dataclass(kw_only=True, slots=True)
class ExponentialScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` over each epoch, smoothly."""

    factor: float

    def __post_init__(self) -> None:
        within("schedule.factor", self.factor, 0, 1, above=True)


@dataclass(kw_only=True, slots=True)
class CosineScheduleConfig(ScheduleConfig):
    """Half a cosine from the rate down to `final` times the rate."""

    final: float

    def __post_init__(self) -> None:
        within("schedule.final", self.final, 0, 1)


@dataclass(kw_only=True, slots=True)
class WarmupCosineScheduleConfig(CosineScheduleConfig):
    """A linear rise over `warmup_epochs`, then the cosine."""

    warmup_epochs: int

    def __post_init__(self) -> None:
        CosineScheduleConfig.__post_init__(self)
        within("schedule.warmup_epochs", self.warmup_epochs, 1)


@dataclass(kw_only=True, slots=True)
class OneCycleScheduleConfig(ScheduleConfig):
    """Up to the rate during the first `rise` of training, then down to almost nothing, Smith & Topin 2018."""

    rise: float  # share of training spent rising
    start: float  # first rate, as a share of the peak
    final: float  # last rate, as a share of the peak

    def __post_init__(self) -> None:
        within("schedule.rise", self.rise, 0, 1, above=True, below=True)
        within("schedule.start", self.start, 0, 1, above=True)
        within("schedule.final", self.final, 0, 1)


@dataclass(kw_only=True, slots=True)
class PlateauScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` when `training.monitor` has not improved for `patience` epochs."""

    factor: float
    patience: int
    minimum: float  # the smallest rate

    def __post_init__(self) -> None:
        within("schedule.factor", self.factor, 0, 1, above=True, below=True)
        within("schedule.patience", self.patience, 1)
        within("schedule.minimum", self.minimum, 0)
