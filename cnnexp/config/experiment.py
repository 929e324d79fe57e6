from dataclasses import dataclass

from cnnexp.config.data import DataConfig
from cnnexp.config.model import ModelConfig, RegularizationConfig
from cnnexp.config.optimizer import OptimizerConfig, ScheduleConfig, WarmupCosineScheduleConfig
from cnnexp.config.setting import within
from cnnexp.config.sweep import SweepConfig
from cnnexp.config.tracking import TrackingConfig
from cnnexp.config.training import AugmentationConfig, TrainingConfig
from cnnexp.errors import ConfigError


@dataclass(kw_only=True, slots=True)
class ExperimentConfig:
    """One run, whole."""

    seed: int  # of weights, order, dropout and augmentation
    data: DataConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    regularization: RegularizationConfig
    augmentation: AugmentationConfig
    training: TrainingConfig
    tracking: TrackingConfig
    sweep: SweepConfig

    def __post_init__(self) -> None:
        within("seed", self.seed, 0, 2**32 - 1)
        if (
            isinstance(self.schedule, WarmupCosineScheduleConfig)
            and self.schedule.warmup_epochs >= self.training.epochs
        ):
            raise ConfigError(
                "schedule.warmup_epochs must be below training.epochs, or the rate never reaches its value; "
                f"got {self.schedule.warmup_epochs} of {self.training.epochs}."
            )
