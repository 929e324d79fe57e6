from cnnexp.config.setting import one_of, setting, settings, within
from cnnexp.errors import ConfigError

AUTO = "auto"  # value of optimizer.learning_rate


@settings
class OptimizerConfig:
    """What every optimizer has."""

    name: str
    # The rate at `reference_batch_size`, a float once composed; auto: found by `training.rate_finder` before training.
    learning_rate: float | int | str = setting(short="lr")
    batch_scaling: str  # how the rate follows the batch size: none | linear | sqrt
    reference_batch_size: int = setting(column="if set")  # the batch size at which the rate is taken as it stands
    clip_norm: float | None = setting(column="if set", neutral=None)  # largest norm of the whole gradient; None: any
    layer_decay: float = setting(column="if set", neutral=1.0)  # factor of the rate for each block before the head

    def __post_init__(self) -> None:
        within("optimizer.layer_decay", self.layer_decay, 0, 1, above=True)
        if isinstance(self.learning_rate, str):
            if self.learning_rate != AUTO:
                got = repr(self.learning_rate) if self.learning_rate else "nothing"
                raise ConfigError(f"optimizer.learning_rate must be a number or auto; got {got}.")
        else:
            within("optimizer.learning_rate", self.learning_rate, 0, 100, above=True)
        one_of("optimizer.batch_scaling", self.batch_scaling, ("none", "linear", "sqrt"))
        within("optimizer.reference_batch_size", self.reference_batch_size, 1)
        within("optimizer.clip_norm", self.clip_norm, 0, above=True)


@settings
class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent."""

    momentum: float
    nesterov: bool = setting(column="if set")

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        within("optimizer.momentum", self.momentum, 0, 1, below=True)
        if self.nesterov and self.momentum == 0:
            raise ConfigError(
                "optimizer.nesterov=true looks ahead along the momentum, so it needs optimizer.momentum above 0; got 0."
            )


@settings
class AdamConfig(OptimizerConfig):
    """Adam, Kingma & Ba 2015."""

    beta_1: float = setting(column="if set")
    beta_2: float = setting(column="if set")
    epsilon: float = setting(column="if set")

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        within("optimizer.beta_1", self.beta_1, 0, 1, below=True)
        within("optimizer.beta_2", self.beta_2, 0, 1, below=True)
        within("optimizer.epsilon", self.epsilon, 0, 1, above=True)


@settings
class AdamWConfig(AdamConfig):
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""

    weight_decay: float

    def __post_init__(self) -> None:
        AdamConfig.__post_init__(self)
        within("optimizer.weight_decay", self.weight_decay, 0, 1)


@settings
class MuonConfig(OptimizerConfig):
    """Orthogonalized momentum for the kernels inside the network, Jordan 2024; AdamW for all else."""

    momentum: float  # of the kernels
    nesterov: bool = setting(column="if set")
    beta_1: float = setting(column="if set")  # of AdamW, as the next two
    beta_2: float = setting(column="if set")
    epsilon: float = setting(column="if set")
    weight_decay: float
    adam_factor: float = setting(column="if set", neutral=1.0)  # the learning rate of AdamW, in that of the kernels
    fixed_norm: bool = setting(column="if set", neutral=False)  # kernels keep the norm √filters: steps only turn them

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        within("optimizer.momentum", self.momentum, 0, 1, below=True)
        within("optimizer.beta_1", self.beta_1, 0, 1, below=True)
        within("optimizer.beta_2", self.beta_2, 0, 1, below=True)
        within("optimizer.epsilon", self.epsilon, 0, 1, above=True)
        within("optimizer.weight_decay", self.weight_decay, 0, 1)
        within("optimizer.adam_factor", self.adam_factor, 0, 1000, above=True)


@settings
class RmspropConfig(OptimizerConfig):
    """RMSprop, Hinton 2012."""

    rho: float = setting(column="if set")
    momentum: float
    epsilon: float = setting(column="if set")

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        within("optimizer.rho", self.rho, 0, 1, below=True)
        within("optimizer.momentum", self.momentum, 0, 1, below=True)
        within("optimizer.epsilon", self.epsilon, 0, 1, above=True)


@settings
class ScheduleConfig:
    """How the learning rate moves during training; as it stands: not at all (constant)."""

    name: str


@settings
class StepScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` every `every` epochs."""

    every: int
    factor: float

    def __post_init__(self) -> None:
        within("schedule.every", self.every, 1)
        within("schedule.factor", self.factor, 0, 1, above=True)


@settings
class ExponentialScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` over each epoch, smoothly."""

    factor: float

    def __post_init__(self) -> None:
        within("schedule.factor", self.factor, 0, 1, above=True)


@settings
class LinearScheduleConfig(ScheduleConfig):
    """A straight line from the rate down to `final` times the rate."""

    final: float

    def __post_init__(self) -> None:
        within("schedule.final", self.final, 0, 1)


@settings
class CosineScheduleConfig(ScheduleConfig):
    """Half a cosine from the rate down to `final` times the rate."""

    final: float

    def __post_init__(self) -> None:
        within("schedule.final", self.final, 0, 1)


@settings
class WarmupCosineScheduleConfig(CosineScheduleConfig):
    """A linear rise over `warmup_epochs`, then the cosine."""

    warmup_epochs: int

    def __post_init__(self) -> None:
        CosineScheduleConfig.__post_init__(self)
        within("schedule.warmup_epochs", self.warmup_epochs, 1)


@settings
class OneCycleScheduleConfig(ScheduleConfig):
    """Up to the rate during the first `rise` of training, then down to almost nothing, Smith & Topin 2018."""

    rise: float  # share of training spent rising
    start: float  # first rate, as a share of the peak
    final: float  # last rate, as a share of the peak

    def __post_init__(self) -> None:
        within("schedule.rise", self.rise, 0, 1, above=True, below=True)
        within("schedule.start", self.start, 0, 1, above=True)
        within("schedule.final", self.final, 0, 1)


@settings
class PlateauScheduleConfig(ScheduleConfig):
    """Multiply the rate by `factor` when `training.monitor` has not improved for `patience` epochs."""

    factor: float
    patience: int
    minimum: float  # the smallest rate

    def __post_init__(self) -> None:
        within("schedule.factor", self.factor, 0, 1, above=True, below=True)
        within("schedule.patience", self.patience, 1)
        within("schedule.minimum", self.minimum, 0)
