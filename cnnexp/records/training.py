"""What a training did, epoch by epoch, and what it was given."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scaling:
    """The model's first layer: network input = pixel * scale + offset, per channel."""

    rule: str  # unit | standardize | model: as the network was trained
    scale: tuple[float, ...]  # (C,)
    offset: tuple[float, ...]  # (C,)


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedNetwork:
    """A network that a run starts from, as far as it must be known before the data are read."""

    height: int  # pixels of the images that it was trained on
    width: int
    smallest: int  # pixels of the shorter side of the smallest images that it takes
    scaling: Scaling
    values_per_pixel: float  # of its largest feature map, by pixels of the image
    weights: Path | None  # file; None: it starts from random ones
    digest: str | None  # sha256 (hex) of what the file holds
    origin: str  # where the weights are from, for the notes of a run


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """The random changes of training images, resolved for the data; false if there are none."""

    flip: bool  # mirror left-right, half of the time
    shift: float  # largest move in each direction, as a share of the side
    zoom: float  # largest relative change of size

    def __bool__(self) -> bool:
        return bool(self.flip or self.shift or self.zoom)

    def __str__(self) -> str:
        parts = ["flip"] if self.flip else []
        parts += [f"{name} {value:g}" for name, value in (("shift", self.shift), ("zoom", self.zoom)) if value]
        return ", ".join(parts) or "none"


@dataclass(frozen=True, slots=True)
class EpochValues:
    """The numbers of one epoch."""

    epoch: int  # from 1
    train_loss: float  # mean over the epoch, penalties included, while weights changed
    train_accuracy: float
    val_loss: float  # cross-entropy alone, inference mode
    val_accuracy: float
    learning_rate: float  # of the epoch's last step
    seconds: float


@dataclass(frozen=True, slots=True)
class OutputStatistics:
    """How much the outputs of a network depend on the image, over the images of a split.

    Interquartile ranges are 0 where most images get the same output; a few images far from all others, as a network
    with hardly a unit alive has them, do not change that.
    """

    top_share: float  # of the images that get the most frequent answer, 0..1
    spread: float  # interquartile range of a logit over the images, mean over classes
    change: float  # the same of the logit minus that of the untrained network; 0: at most all images moved alike


@dataclass(frozen=True, slots=True)
class History:
    """The course of one training."""

    epochs: tuple[EpochValues, ...]
    best_epoch: int  # from 1; the model holds its weights, unless training.keep is last
    stopped_early: bool
    steps: int  # made in all
    seconds: float
    pruned: bool = False  # `on_epoch` asked for the stop: the run is not evaluated
    # Of the validation images: before the first step, then after each epoch; empty: not measured.
    outputs: tuple[OutputStatistics, ...] = ()
    penalties: tuple[float, ...] = ()  # L1 and L2 terms of the loss, at the same moments; empty: there are none
