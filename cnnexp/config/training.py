from dataclasses import dataclass

from cnnexp.config.rules import one_of, within
from cnnexp.errors import ConfigError


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
        within("training.epochs", self.epochs, 1, 100_000)
        within("training.batch_size", self.batch_size, 1, 65_536)
        within("training.patience", self.patience, 1)
        one_of("training.monitor", self.monitor, ("val/loss", "val/accuracy"))
        one_of("training.keep", self.keep, ("best", "last"))
        one_of("training.class_weight", self.class_weight, ("none", "balanced"))
        if isinstance(self.threads, str):
            if self.threads != "auto":
                raise ConfigError(f"training.threads must be auto or a whole number from 1; got {self.threads!r}.")
        else:
            within("training.threads", self.threads, 1, 1024)
        one_of("training.precision", self.precision, ("float32", "bfloat16", "auto"))
