"""Random changes to training images, and how far they go where data.jitter says how far an image may move."""

import math

from cnnexp.config.setting import one_of, setting, settings, within
from cnnexp.errors import ConfigError

POLICIES = ("none", "trivial_augment", "rand_augment")
_SMALLEST_CROP = 0.08  # share of the area: what a random crop for ImageNet goes down to


@settings
class AugmentationConfig:
    """Random changes to training images; never part of the saved model."""

    name: str = setting(affects="label")
    flip: str = setting(column="if set")  # auto: left-right where data.mirror allows it; always; alternate; never
    shift: float = setting(column="if set")  # largest move in each direction, as a share of the side
    zoom: float = setting(column="if set")  # largest relative change of size, in or out
    whole_pixels: bool = setting(column="if set", neutral=False)  # shifts are by whole pixels, which blur nothing
    rotation: float = setting(column="if set", neutral=0.0)  # largest angle in degrees, in both directions
    crop: float = setting(column="if set", neutral=1.0)  # smallest share of the area that a random crop keeps
    crop_from: float = setting(column="if set", neutral=1.0)  # sides of the images cropped, in those of the network's
    brightness: float = setting(column="if set", neutral=0.0)  # largest relative change
    contrast: float = setting(column="if set", neutral=0.0)  # largest relative change
    saturation: float = setting(column="if set", neutral=0.0)  # largest relative change; of colour images
    hue: float = setting(column="if set", neutral=0.0)  # largest change, as a share of the circle of colours
    policy: str = setting(column="if set", neutral="none")  # none | trivial_augment | rand_augment
    operations: int = setting(column="if set", neutral=2)  # of an image, with rand_augment
    magnitude: float = setting(column="if set", neutral=9.0)  # of every operation, with rand_augment
    # Largest move of the inscribed circle's edge by a policy's shear, shift or rotation, as a share of the side.
    policy_jitter: float | None = setting(column="if set", neutral=None)  # None: data.jitter
    erasing: float = setting(column="if set", neutral=0.0)  # share of images with a rectangle of noise
    mixup: float = setting(column="if set", neutral=0.0)  # alpha of the Beta distribution of shares; 0: no mixup
    cutmix: float = setting(column="if set", neutral=0.0)  # the same for CutMix; 0: no CutMix

    def __post_init__(self) -> None:
        one_of("augmentation.flip", self.flip, ("auto", "always", "alternate", "never"))
        within("augmentation.shift", self.shift, 0, 0.5)
        within("augmentation.zoom", self.zoom, 0, 0.5)
        within("augmentation.rotation", self.rotation, 0, 180)
        within("augmentation.crop", self.crop, 0, 1, above=True)
        within("augmentation.crop_from", self.crop_from, 1, 4)
        if self.crop_from > 1 and self.crop == 1:
            raise ConfigError(
                "augmentation.crop_from says how large the images are that are cropped, and augmentation.crop=1 crops "
                f"none; got {self.crop_from:g}. Set augmentation.crop=0.35, or another share of the area below 1."
            )
        for name in ("brightness", "contrast", "saturation", "erasing"):
            within(f"augmentation.{name}", getattr(self, name), 0, 1)
        within("augmentation.hue", self.hue, 0, 0.5)
        one_of("augmentation.policy", self.policy, POLICIES)
        within("augmentation.operations", self.operations, 1, 10)
        within("augmentation.magnitude", self.magnitude, 0, 10)
        within("augmentation.policy_jitter", self.policy_jitter, 0, 0.5)
        within("augmentation.mixup", self.mixup, 0, 10)
        within("augmentation.cutmix", self.cutmix, 0, 10)


def rotation_within(jitter: float) -> float:
    """Return the angle in degrees that moves the edge of the inscribed circle by `jitter` × side."""
    return round(math.degrees(2 * jitter), 1)


def crop_within(jitter: float) -> float:
    """Return the area of the smallest crop whose centre moves by `jitter` × side at most."""
    return round(max((1 - 2 * jitter) ** 2, _SMALLEST_CROP), 3)
