"""The settings of one run: types, meanings and rules; every value lives in ``conf/``.

One dataclass for each variant that has different fields, so that a setting that does not exist for the chosen
variant is refused by name. Rules about one value, or about two that contradict each other, are checked in
``__post_init__`` when the composed YAML becomes objects; nothing is changed there.

A group of ``conf/`` has its types in the module of its name, and ``experiment`` holds them together.
"""

from cnnexp.config.augmentation import AugmentationConfig
from cnnexp.config.data import (
    BuiltinDataConfig,
    DataConfig,
    FileDataConfig,
    FolderDataConfig,
    NpzDataConfig,
    TableDataConfig,
)
from cnnexp.config.decision import DecisionConfig
from cnnexp.config.experiment import (
    VARIANTS,
    ExperimentConfig,
    all_settings,
    as_number,
    names_affecting,
    numbers_or_words,
    types_of,
    variants,
)
from cnnexp.config.extended import Extended
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
    ZooModelConfig,
)
from cnnexp.config.optimizer import (
    AUTO,
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
from cnnexp.config.override import Override, quote, unquote, values_of
from cnnexp.config.setting import PATHS, Setting
from cnnexp.config.slurm import SlurmConfig
from cnnexp.config.sweep import SweepConfig
from cnnexp.config.tracking import TrackingConfig
from cnnexp.config.training import TrainingConfig

__all__ = [
    "AUTO",
    "PATHS",
    "VARIANTS",
    "AdamConfig",
    "AdamWConfig",
    "AirbenchConfig",
    "AlexNetConfig",
    "AugmentationConfig",
    "BuiltinDataConfig",
    "CosineScheduleConfig",
    "DataConfig",
    "DecisionConfig",
    "ExperimentConfig",
    "ExponentialScheduleConfig",
    "Extended",
    "FileDataConfig",
    "FocalLossConfig",
    "FolderDataConfig",
    "FromRunConfig",
    "LinearScheduleConfig",
    "LossConfig",
    "ModelConfig",
    "MuonConfig",
    "NpzDataConfig",
    "OneCycleScheduleConfig",
    "OptimizerConfig",
    "Override",
    "PlainModelConfig",
    "PlateauScheduleConfig",
    "PretrainedConfig",
    "RegularizationConfig",
    "ResNetConfig",
    "RmspropConfig",
    "ScheduleConfig",
    "Setting",
    "SgdConfig",
    "SlurmConfig",
    "StepScheduleConfig",
    "SweepConfig",
    "TableDataConfig",
    "TrackingConfig",
    "TrainingConfig",
    "VggConfig",
    "WarmupCosineScheduleConfig",
    "ZooModelConfig",
    "all_settings",
    "as_number",
    "names_affecting",
    "numbers_or_words",
    "quote",
    "types_of",
    "unquote",
    "values_of",
    "variants",
]
