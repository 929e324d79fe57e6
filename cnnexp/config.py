"""The settings of one run: types, meanings and rules; every value lives in ``conf/``.

One dataclass for each variant that has different fields, so that a setting that does not exist for the chosen
variant is refused by name. Rules about one value, or about two that contradict each other, are checked in
``__post_init__`` when the composed YAML becomes objects; nothing is changed there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.errors import ConfigError
from cnnexp.store_uri import require_store


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}; got {value!r}.{_suggestion(value, allowed)}")


def _suggestion(value: str, allowed: Sequence[str]) -> str:
    from difflib import get_close_matches  # only an error needs it

    near = get_close_matches(str(value), allowed, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _within(
    name: str,
    value: float | None,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> None:
    """Require ``low <= value <= high``; ``above`` and ``below`` make a bound strict; None passes."""
    if value is None:
        return
    finite = math.isfinite(value)
    if finite and (value > low if above else value >= low) and (value < high if below else value <= high):
        return
    bounds = f"{'above' if above else 'at least'} {low}"
    if math.isfinite(high):
        bounds += f" and {'below' if below else 'at most'} {high}"
    elif not finite:
        bounds += " and finite"
    raise ConfigError(f"{name} must be {bounds}; got {value}.")


@dataclass(kw_only=True, slots=True)
class DataConfig:
    """Where the images come from, how they are split, and how they reach the network."""

    name: str
    path: str | None  # file or folder of the data; None: the usual places, see docs/data.md
    validation: float  # share of the images kept for early stopping and selection
    calibration: float  # share kept for temperature and thresholds; touched by nothing else
    test: float  # share kept for the final report; ignored where the data declares its own test split
    split_seed: int  # seed of the split alone, so that runs over `seed` are judged on the same images
    limit: int | None  # train on at most this many images; None: all
    imbalance: float | None  # thin classes until the largest has this many times the smallest; None: as they are
    imbalance_of: str  # the splits whose classes are thinned: train | all
    scaling: str  # unit: 0..1; standardize: zero mean, unit deviation per channel, fitted on train
    size: list[int] | None  # [height, width] the network sees; None: found from the data
    color: str  # auto | rgb | grey
    resize: str  # auto | stretch | pad | crop
    kernel: str  # nearest | bilinear | bicubic | lanczos
    antialias: bool  # widen the kernel when shrinking
    background: int  # grey level under transparency and around padding, 0..255
    mirror: bool  # does a left-right mirrored image keep its class, and look like others of the set?
    jitter: float  # how far a moved and zoomed image still looks like others of the set, as a share of the side
    few_images: int  # a class with fewer training images is reported
    uneven: float  # a largest class of at least so many times the smallest is reported
    cache: str | None  # folder of decoded images; None: $XDG_CACHE_HOME/cnnexp

    def __post_init__(self) -> None:
        for name in ("validation", "calibration", "test"):
            _within(f"data.{name}", getattr(self, name), 0, 1, below=True)
        _within("data.validation", self.validation, 0, 1, above=True, below=True)
        held_out = self.validation + self.calibration + self.test
        if held_out >= 1:
            raise ConfigError(
                "data.validation + data.calibration + data.test must leave images to train on; "
                f"got {self.validation:g} + {self.calibration:g} + {self.test:g} = {held_out:g}, allowed is below 1."
            )
        _within("data.split_seed", self.split_seed, 0, 2**32 - 1)
        _within("data.limit", self.limit, 1)
        _within("data.imbalance", self.imbalance, 1)
        _within("data.few_images", self.few_images, 1)
        _within("data.uneven", self.uneven, 1)
        _one_of("data.imbalance_of", self.imbalance_of, ("train", "all"))
        _one_of("data.scaling", self.scaling, ("unit", "standardize"))
        _one_of("data.color", self.color, ("auto", "rgb", "grey"))
        _one_of("data.resize", self.resize, ("auto", "stretch", "pad", "crop"))
        _one_of("data.kernel", self.kernel, ("nearest", "bilinear", "bicubic", "lanczos"))
        _within("data.background", self.background, 0, 255)
        _within("data.jitter", self.jitter, 0, 0.5)
        if self.size is not None:
            if len(self.size) != 2:
                raise ConfigError(f"data.size must be [height, width] or null; got {list(self.size)}.")
            for side in self.size:
                _within("data.size", side, 8, 1024)


@dataclass(kw_only=True, slots=True)
class BuiltinDataConfig(DataConfig):
    """A data set that is known by name: digits, mnist, fashion_mnist, cifar10."""


@dataclass(kw_only=True, slots=True)
class FolderDataConfig(DataConfig):
    """A directory a class, with or without train/, val/ and test/ above them."""

    on_bad_file: str  # error | skip: what to do with an image that cannot be read
    max_bad_files: float  # with skip: the largest share of unreadable files that is still accepted

    def __post_init__(self) -> None:
        # slots=True replaces the class, which breaks a bare super() inside a dataclass
        DataConfig.__post_init__(self)
        if self.path is None:
            raise ConfigError(f"data={self.name} needs to know where the images are: data.path=PLACE; got null.")
        _one_of("data.on_bad_file", self.on_bad_file, ("error", "skip"))
        _within("data.max_bad_files", self.max_bad_files, 0, 1)


@dataclass(kw_only=True, slots=True)
class TableDataConfig(FolderDataConfig):
    """A CSV or Parquet table with a line an image; `path` is the table."""

    root: str | None  # folder that the table's paths start from, and never leave; None: the table's own
    image: str  # column of the paths
    label: str  # column of the class names
    split: str  # column that says train, validation, calibration or test; auto: `split` where there is one; none
    group: str  # column; images of one group stay on one side of every split; auto: `group` where there is one; none


@dataclass(kw_only=True, slots=True)
class NpzDataConfig(DataConfig):
    """Arrays `images`, `labels` and perhaps `class_names` in one NumPy archive; `path` is the archive."""

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        if self.path is None:
            raise ConfigError(f"data={self.name} needs to know where the arrays are: data.path=FILE.npz; got null.")


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """What every architecture has."""

    name: str
    width: int  # filters of the first block; later blocks follow from it
    depth: int  # number of blocks; each halves the image where it can

    def __post_init__(self) -> None:
        _within("model.width", self.width, 1, 1024)
        _within("model.depth", self.depth, 1, 8)


@dataclass(kw_only=True, slots=True)
class PlainModelConfig(ModelConfig):
    """Convolution, ReLU, max pooling; then one dense layer (baseline, regularized, small)."""

    dense: int  # units of the dense layer before the softmax

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        _within("model.dense", self.dense, 1, 8192)


@dataclass(kw_only=True, slots=True)
class AlexNetConfig(ModelConfig):
    """Large first kernels and two dense layers, after Krizhevsky et al. 2012."""

    dense: int  # units of each of the two dense layers

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        _within("model.dense", self.dense, 1, 8192)


@dataclass(kw_only=True, slots=True)
class VggConfig(ModelConfig):
    """Blocks of several 3×3 convolutions, after Simonyan & Zisserman 2015."""

    convolutions: int  # convolutions in each block
    dense: int  # units of the dense layer before the softmax

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        _within("model.convolutions", self.convolutions, 1, 8)
        _within("model.dense", self.dense, 1, 8192)


@dataclass(kw_only=True, slots=True)
class ResNetConfig(ModelConfig):
    """Residual stages with batch normalization, after He et al. 2016."""

    units: int  # residual units in each stage

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        _within("model.units", self.units, 1, 16)


@dataclass(kw_only=True, slots=True)
class OptimizerConfig:
    """What every optimizer has."""

    name: str
    learning_rate: float  # the rate at `reference_batch_size`
    batch_scaling: str  # how the rate follows the batch size: none | linear | sqrt
    reference_batch_size: int  # the batch size at which the rate is taken as it stands

    def __post_init__(self) -> None:
        _within("optimizer.learning_rate", self.learning_rate, 0, 100, above=True)
        _one_of("optimizer.batch_scaling", self.batch_scaling, ("none", "linear", "sqrt"))
        _within("optimizer.reference_batch_size", self.reference_batch_size, 1)


@dataclass(kw_only=True, slots=True)
class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent."""

    momentum: float
    nesterov: bool

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        _within("optimizer.momentum", self.momentum, 0, 1, below=True)
        if self.nesterov and self.momentum == 0:
            raise ConfigError(
                "optimizer.nesterov=true looks ahead along the momentum, so it needs optimizer.momentum above 0; got 0."
            )


@dataclass(kw_only=True, slots=True)
class AdamConfig(OptimizerConfig):
    """Adam, Kingma & Ba 2015."""

    beta_1: float
    beta_2: float
    epsilon: float

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        _within("optimizer.beta_1", self.beta_1, 0, 1, below=True)
        _within("optimizer.beta_2", self.beta_2, 0, 1, below=True)
        _within("optimizer.epsilon", self.epsilon, 0, 1, above=True)


@dataclass(kw_only=True, slots=True)
class AdamWConfig(AdamConfig):
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""

    weight_decay: float

    def __post_init__(self) -> None:
        AdamConfig.__post_init__(self)
        _within("optimizer.weight_decay", self.weight_decay, 0, 1)


@dataclass(kw_only=True, slots=True)
class RmspropConfig(OptimizerConfig):
    """RMSprop, Hinton 2012."""

    rho: float
    momentum: float
    epsilon: float

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        _within("optimizer.rho", self.rho, 0, 1, below=True)
        _within("optimizer.momentum", self.momentum, 0, 1, below=True)
        _within("optimizer.epsilon", self.epsilon, 0, 1, above=True)


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
        _within("schedule.every", self.every, 1)
        _within("schedule.factor", self.factor, 0, 1, above=True)


@dataclass(kw_only=True, slots=True)
class ExponentialScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` over each epoch, smoothly."""

    factor: float

    def __post_init__(self) -> None:
        _within("schedule.factor", self.factor, 0, 1, above=True)


@dataclass(kw_only=True, slots=True)
class CosineScheduleConfig(ScheduleConfig):
    """Half a cosine from the rate down to `final` times the rate."""

    final: float

    def __post_init__(self) -> None:
        _within("schedule.final", self.final, 0, 1)


@dataclass(kw_only=True, slots=True)
class WarmupCosineScheduleConfig(CosineScheduleConfig):
    """A linear rise over `warmup_epochs`, then the cosine."""

    warmup_epochs: int

    def __post_init__(self) -> None:
        CosineScheduleConfig.__post_init__(self)
        _within("schedule.warmup_epochs", self.warmup_epochs, 1)


@dataclass(kw_only=True, slots=True)
class OneCycleScheduleConfig(ScheduleConfig):
    """Up to the rate during the first `rise` of training, then down to almost nothing, Smith & Topin 2018."""

    rise: float  # share of training spent rising
    start: float  # first rate, as a share of the peak
    final: float  # last rate, as a share of the peak

    def __post_init__(self) -> None:
        _within("schedule.rise", self.rise, 0, 1, above=True, below=True)
        _within("schedule.start", self.start, 0, 1, above=True)
        _within("schedule.final", self.final, 0, 1)


@dataclass(kw_only=True, slots=True)
class PlateauScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` when `training.monitor` has not improved for `patience` epochs."""

    factor: float
    patience: int
    minimum: float  # the smallest rate

    def __post_init__(self) -> None:
        _within("schedule.factor", self.factor, 0, 1, above=True, below=True)
        _within("schedule.patience", self.patience, 1)
        _within("schedule.minimum", self.minimum, 0)


@dataclass(kw_only=True, slots=True)
class RegularizationConfig:
    """One set of four values, so that any of them can be swept from any option."""

    name: str
    dropout: float  # share of units dropped before the softmax
    l1: float  # weight of the sum of absolute kernel weights in the loss
    l2: float  # weight of the sum of squared kernel weights in the loss
    label_smoothing: float  # probability mass spread evenly over all classes

    def __post_init__(self) -> None:
        _within("regularization.dropout", self.dropout, 0, 1, below=True)
        _within("regularization.l1", self.l1, 0, 10)
        _within("regularization.l2", self.l2, 0, 10)
        _within("regularization.label_smoothing", self.label_smoothing, 0, 1, below=True)


@dataclass(kw_only=True, slots=True)
class AugmentationConfig:
    """Random changes to training images; never part of the saved model."""

    name: str
    flip: str  # auto: left-right where data.mirror allows it; always; never
    shift: float  # largest move in each direction, as a share of the side
    zoom: float  # largest relative change of size, in or out

    def __post_init__(self) -> None:
        _one_of("augmentation.flip", self.flip, ("auto", "always", "never"))
        _within("augmentation.shift", self.shift, 0, 0.5)
        _within("augmentation.zoom", self.zoom, 0, 0.5)


@dataclass(kw_only=True, slots=True)
class TrainingConfig:
    """How long, in what portions, and on what."""

    name: str
    epochs: int  # at most
    batch_size: int  # images per update
    patience: int | None  # stop after this many epochs without improvement; None: never
    monitor: str  # what improvement means: val/loss | val/accuracy
    keep: str  # which epoch's weights the model ends with: best | last
    class_weight: str  # none | balanced: weigh each class by the inverse of its frequency
    threads: int | str  # processor cores a run computes on; auto: see docs/performance.md
    precision: str  # float32 | bfloat16 | auto: see docs/performance.md

    def __post_init__(self) -> None:
        _within("training.epochs", self.epochs, 1, 100_000)
        _within("training.batch_size", self.batch_size, 1, 65_536)
        _within("training.patience", self.patience, 1)
        _one_of("training.monitor", self.monitor, ("val/loss", "val/accuracy"))
        _one_of("training.keep", self.keep, ("best", "last"))
        _one_of("training.class_weight", self.class_weight, ("none", "balanced"))
        if isinstance(self.threads, str):
            if self.threads != "auto":
                raise ConfigError(f"training.threads must be auto or a whole number from 1; got {self.threads!r}.")
        else:
            _within("training.threads", self.threads, 1, 1024)
        _one_of("training.precision", self.precision, ("float32", "bfloat16", "auto"))


@dataclass(kw_only=True, slots=True)
class TrackingConfig:
    """Where runs are recorded."""

    uri: str  # any MLflow tracking URI
    artifacts: str | None  # where a new experiment keeps its files; None: the server decides
    experiment: str  # name of the MLflow experiment
    run_name: str | None  # None: made from what was chosen
    outbox: str  # folder for records that could not be delivered; `cnnexp send` delivers them

    def __post_init__(self) -> None:
        require_store(self.uri)


@dataclass(kw_only=True, slots=True)
class SweepConfig:
    """How the runs of a sweep are carried out; nothing here changes what one of them learns."""

    workers: int | str  # runs at a time; auto: as many as their threads fit into the cores
    retries: int  # further attempts for a run whose process was killed, ran out of memory or took too long
    time_limit: float | None  # seconds one attempt may take; None: as long as it needs
    zip: list[str]  # settings whose lists are walked together instead of combined
    resume: str  # auto: go on with the newest sweep of the same words; never; or the id of a sweep's parent run
    dry_run: bool  # print the runs instead of doing them
    objective: str  # what a search improves: a metric of the validation split
    pruning: str  # none | asha | hyperband | median | patience: which hopeless runs are stopped early
    pruning_start: int  # epochs before a run can be stopped

    def __post_init__(self) -> None:
        if isinstance(self.workers, str):
            if self.workers != "auto":
                raise ConfigError(f"sweep.workers must be auto or a whole number from 1; got {self.workers!r}.")
        else:
            _within("sweep.workers", self.workers, 1, 1024)
        _within("sweep.retries", self.retries, 0, 100)
        _within("sweep.time_limit", self.time_limit, 0, above=True)
        _one_of("sweep.objective", self.objective, ("best/val_loss", "best/val_accuracy"))
        _one_of("sweep.pruning", self.pruning, ("none", "asha", "hyperband", "median", "patience"))
        _within("sweep.pruning_start", self.pruning_start, 1)


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
        _within("seed", self.seed, 0, 2**32 - 1)
        if (
            isinstance(self.schedule, WarmupCosineScheduleConfig)
            and self.schedule.warmup_epochs >= self.training.epochs
        ):
            raise ConfigError(
                "schedule.warmup_epochs must be below training.epochs, or the rate never reaches its value; "
                f"got {self.schedule.warmup_epochs} of {self.training.epochs}."
            )
