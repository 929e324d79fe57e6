from dataclasses import dataclass

from cnnexp.config.rules import within


@dataclass(kw_only=True, slots=True)
class RegularizationConfig:
    """One set of four values, so that any of them can be swept from any option."""

    name: str
    dropout: float  # share of units dropped before the softmax
    l1: float  # weight of the sum of absolute kernel weights in the loss
    l2: float  # weight of the sum of squared kernel weights in the loss
    label_smoothing: float  # probability mass spread evenly over all classes

    def __post_init__(self) -> None:
        within("regularization.dropout", self.dropout, 0, 1, below=True)
        within("regularization.l1", self.l1, 0, 10)
        within("regularization.l2", self.l2, 0, 10)
        within("regularization.label_smoothing", self.label_smoothing, 0, 1, below=True)
