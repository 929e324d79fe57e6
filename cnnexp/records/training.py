"""What a training did, epoch by epoch, and what it was given."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scaling:
    """The model's first layer: network input = pixel * scale + offset, per channel."""

    rule: str  # unit | standardize | model: as the network was trained
    scale: tuple[float, ...]  # (C,)
    offset: tuple[float, ...]  # (C,)


# Of the kinds of change, in the order in which they are made; the policy comes after them.
_STRENGTHS = (
    *("shift", "zoom", "rotation", "crop", "brightness", "contrast", "saturation", "hue"),
    *("erasing", "mixup", "cutmix"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedNetwork:
    """A network that a run starts from, as far as it must be known before the data are read."""

    height: int  # pixels of the images that it was trained on
    width: int
    smallest: int | None  # pixels of the shorter side of the smallest images that it takes; None: it takes no others
    color: str  # rgb | grey
    resize: str | None  # by which its images were read: stretch | pad | crop; None: any
    scaling: Scaling
    values_per_pixel: float  # of its largest feature map, by pixels of the image
    weights: Path | None  # file; None: it starts from random ones
    digest: str | None  # sha256 (hex) of what the file holds
    class_names: tuple[str, ...] | None  # of its head, which a run with the same keeps; None: it brings no head
    trained_on: NDArray[np.uint64] | None  # digests of the images it was trained on; None: not recorded, or not ours
    origin: str  # where the weights are from, for the notes of a run
    code: Mapping[str, str] = field(default_factory=dict)  # files of a user's code that it may need: name -> text


class OwnChange(Protocol):
    """A change of a user's own; see `config.extended.Extended`."""

    @property
    def extension(self) -> Any:  # noqa: ANN401 - what names it
        """The option."""

    def call(self, *arguments: object) -> Any:  # noqa: ANN401 - what the user's function returns
        """Change images (B, H, W, C) uint8 with random numbers of a generator."""

    def refusal(self, rule: str) -> Exception:
        """Return the error for other images than it should have returned."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """The random changes of training images, resolved for the data; false if there are none."""

    flip: bool  # mirror left-right, half of the time, or in turn
    shift: float  # largest move in each direction, as a share of the side
    zoom: float  # largest relative change of size
    rotation: float = 0  # largest angle in degrees
    crop: float = 1  # smallest share of the area that a random crop keeps; 1: no crop
    size: tuple[int, int] | None = None  # (height, width) of the network's images, where larger ones are cropped
    brightness: float = 0  # largest relative change; the next two alike
    contrast: float = 0
    saturation: float = 0
    hue: float = 0  # largest change, as a share of the circle of colours
    policy: str = "none"  # none | trivial_augment | rand_augment
    operations: int = 2  # of an image, with rand_augment
    magnitude: float = 9  # 0..10, with rand_augment
    policy_jitter: float = 0.1  # largest move by a geometric operation of the policy, as a share of the side
    erasing: float = 0  # share of images with a rectangle of noise
    mixup: float = 0  # alpha; 0: no mixup
    cutmix: float = 0  # alpha; 0: no CutMix
    own: OwnChange | None = None  # of the user's code; None: there is none
    alternates: bool = False  # each image is mirrored in every other epoch, where images are mirrored
    whole_pixels: bool = False  # shifts are by whole pixels

    @property
    def recolors(self) -> bool:
        """Whether it changes colours, a policy aside."""
        return bool(self.brightness or self.contrast or self.saturation or self.hue)

    @property
    def mixes(self) -> bool:
        """Whether an image is mixed with another one, and its label with it."""
        return bool(self.mixup or self.cutmix)

    @property
    def only_moves(self) -> bool:
        """Whether pixels are moved at most: their values are not changed but by reading between them."""
        return not (self.recolors or self.mixes or self.erasing or self.own is not None or self.policy != "none")

    def __bool__(self) -> bool:
        return bool(self.kinds)

    @property
    def kinds(self) -> "dict[str, Augmentation]":
        """Each kind of change alone, as it is used here, by its name and strength."""
        none = replace(NO_AUGMENTATION, size=self.size, whole_pixels=self.whole_pixels)
        alone = {
            f"{name} {getattr(self, name):g}": replace(none, **{name: getattr(self, name)})
            for name in _STRENGTHS
            if getattr(self, name) != getattr(none, name)
        }
        mirrored = {
            "alternating flip" if self.alternates else "flip": replace(none, flip=True, alternates=self.alternates)
        }
        kinds = {**mirrored, **alone} if self.flip else alone
        if self.own is not None:
            kinds |= {self.own.extension.name: replace(none, own=self.own)}
        if self.policy == "none":
            return kinds
        policy = replace(none, policy=self.policy, policy_jitter=self.policy_jitter)
        if self.policy == "trivial_augment":
            return {**kinds, "TrivialAugment": policy}
        name = f"RandAugment {self.operations} × {self.magnitude:g}"
        return {**kinds, name: replace(policy, operations=self.operations, magnitude=self.magnitude)}

    def __str__(self) -> str:
        return ", ".join(self.kinds) or "none"


NO_AUGMENTATION = Augmentation(flip=False, shift=0, zoom=0)


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
class LearningRateCurve:
    """A learning rate range test: the loss of each step of a short training whose rate grows."""

    learning_rates: tuple[float, ...]  # (S,) growing
    losses: tuple[float, ...]  # (S,) of the batch of each step
    smoothed: tuple[float, ...]  # (S,)
    suggestion: float  # a rate

    @property
    def fall(self) -> float:
        """By which share of its first value the smoothed loss fell at most; near 0: nothing was learned."""
        return 1 - min(self.smoothed) / self.smoothed[0] if self.smoothed else 0.0


@dataclass(frozen=True, slots=True)
class FoundLearningRate:
    """What ``optimizer.learning_rate=auto`` came to."""

    learning_rate: float  # optimizer.learning_rate of a run that would be the same
    curve: LearningRateCurve


@dataclass(frozen=True, slots=True)
class FoundAccumulation:
    """What ``training.accumulate=auto`` came to."""

    batch_size: int  # images whose gradient is computed at a time
    accumulate: int  # of such batches make a step
    too_large: int | None  # the next larger batch that divides a step, which did not fit; None: a whole step fits


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
    # Of the validation images: before the first step of the last stage, then after each epoch; empty: not measured.
    outputs: tuple[OutputStatistics, ...] = ()
    penalties: tuple[float, ...] = ()  # L1 and L2 terms of the loss, at the same moments; empty: there are none
    head_epochs: int = 0  # how many of the epochs, the first ones, trained the head alone, before the last stage
    # Epochs whose weights the model holds the mean of, the best first; empty: no mean was tried, see training.soup.
    soup: tuple[int, ...] = ()

    @property
    def last_stage(self) -> "History":
        """Return the course of the last stage alone, its epochs counted from 1."""
        if not self.head_epochs:
            return self
        epochs = tuple(replace(values, epoch=values.epoch - self.head_epochs) for values in self.epochs)
        return replace(
            self,
            epochs=epochs[self.head_epochs :],
            best_epoch=max(1, self.best_epoch - self.head_epochs),
            steps=self.steps * (len(epochs) - self.head_epochs) // len(epochs),
            head_epochs=0,
            soup=tuple(epoch - self.head_epochs for epoch in self.soup),
        )
