"""Shifts: effects of camera, light or lens on images, by the formulas of `diagnosis.image.changes`.

All on uint8 (N, H, W, C) at the model's input size; x is a pixel in 0..255, results are rounded and clipped to 0..255.

==============  ==========================================  ====================================================
brightness      x + 255 a                                   -1 <= a <= 1
contrast        m + a (x - m), m the mean of the image      a >= 0; 1: unchanged
gain_offset     g x + 255 o                                 g >= 0, -1 <= o <= 1; written g,o
gamma           255 (x / 255) ** a                          a > 0; 1: unchanged, above: darker
noise           x + 255 a n, n standard normal, seeded      a >= 0; independent for each pixel and channel
blur            Gaussian of standard deviation a pixels     a >= 0; three box blurs (Gwosdek et al. 2011), as in Pillow
==============  ==========================================  ====================================================
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.image import changes
from cnnexp.errors import ConfigError
from cnnexp.records import Images

_INFINITE = float("inf")
# Smallest and largest value of each number of a shift's amount.
_BOUNDS: dict[str, tuple[tuple[float, float], ...]] = {
    "brightness": ((-1, 1),),
    "contrast": ((0, _INFINITE),),
    "gain_offset": ((0, _INFINITE), (-1, 1)),
    "gamma": ((0.01, 100),),
    "noise": ((0, _INFINITE),),
    "blur": ((0, _INFINITE),),
}
NAMES = tuple(_BOUNDS)


@dataclass(frozen=True, slots=True)
class Shift:
    """One of the formulas above with its amount."""

    name: str
    amount: tuple[float, ...]

    @classmethod
    def parse(cls, name: str, amount: str) -> "Shift":
        """Parse settings such as ``blur`` and ``1.5``; raises ConfigError if they are wrong."""
        if name not in _BOUNDS:
            raise ConfigError(f"shift must be one of {', '.join(NAMES)}; got {name!r}.")
        bounds = _BOUNDS[name]
        try:
            numbers = tuple(float(part) for part in amount.strip("[]").split(","))
        except ValueError:
            numbers = ()
        inside = len(numbers) == len(bounds) and all(
            low <= number <= high and number < _INFINITE for number, (low, high) in zip(numbers, bounds, strict=True)
        )
        if not inside:
            allowed = " and ".join(f"one from {low:g} to {high:g}" for low, high in bounds)
            raise ConfigError(f"shift.amount of shift={name} must be a number, {allowed}; got {amount!r}.")
        return cls(name, numbers)

    @property
    def setting(self) -> str:
        """The value as typed in a list and recorded, such as ``gain_offset:1.2:0.1``."""
        return ":".join([self.name, *(f"{number:g}" for number in self.amount)])

    def __str__(self) -> str:
        return f"{self.name} {','.join(f'{number:g}' for number in self.amount)}"


def apply(shift: Shift, images: Images, *, seed: int) -> Images:
    """Return shifted images, (N, H, W, C); `seed` is that of noise."""
    change: dict[str, Callable[..., changes.Transform]] = {
        "brightness": lambda a: changes.affine(1, 255 * a),
        "contrast": changes.contrast,
        "gain_offset": lambda gain, offset: changes.affine(gain, 255 * offset),
        "gamma": changes.gamma,
        "noise": lambda a: changes.gaussian_noise(255 * a),
        "blur": lambda a: changes.gaussian_blur(a / changes.scale_of(images)),
    }
    return change[shift.name](*shift.amount)(images, np.random.default_rng(seed))
