from dataclasses import dataclass

from cnnexp.config.rules import one_of, within
from cnnexp.errors import ConfigError


@dataclass(kw_only=True, slots=True)
class OptimizerConfig:
    """What every optimizer has."""

    name: str
    learning_rate: float  # the rate at `reference_batch_size`
    batch_scaling: str  # how the rate follows the batch size: none | linear | sqrt
    reference_batch_size: int  # the batch size at which the rate is taken as it stands

    def __post_init__(self) -> None:
        within("optimizer.learning_rate", self.learning_rate, 0, 100, above=True)
        one_of("optimizer.batch_scaling", self.batch_scaling, ("none", "linear", "sqrt"))
        within("optimizer.reference_batch_size", self.reference_batch_size, 1)


@dataclass(kw_only=True, slots=True)
class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent."""

    momentum: float
    nesterov: bool

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        within("optimizer.momentum", self.momentum, 0, 1, below=True)
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
        within("optimizer.beta_1", self.beta_1, 0, 1, below=True)
        within("optimizer.beta_2", self.beta_2, 0, 1, below=True)
        within("optimizer.epsilon", self.epsilon, 0, 1, above=True)


@dataclass(kw_only=True, slots=True)
class AdamWConfig(AdamConfig):
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""

    weight_decay: float

    def __post_init__(self) -> None:
        AdamConfig.__post_init__(self)
        within("optimizer.weight_decay", self.weight_decay, 0, 1)


@dataclass(kw_only=True, slots=True)
class RmspropConfig(OptimizerConfig):
    """RMSprop, Hinton 2012."""

    rho: float
    momentum: float
    epsilon: float

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        within("optimizer.rho", self.rho, 0, 1, below=True)
        within("optimizer.momentum", self.momentum, 0, 1, below=True)
        within("optimizer.epsilon", self.epsilon, 0, 1, above=True)
