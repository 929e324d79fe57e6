"""What a file of one's own imports: a name and a class of settings before a function make it an option of a group.

A file that is given with ``--extend my_things.py``::

    from dataclasses import dataclass

    import keras

    from cnnexp.extend import model

    @dataclass
    class TinySettings:
        width: int = 32

    @model("tiny", TinySettings)
    def tiny(settings, input_shape, num_classes):
        pixels = keras.Input(input_shape)
        x = keras.layers.Conv2D(settings.width, 3, activation="relu")(pixels)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(pixels, keras.layers.Dense(num_classes)(x))

is chosen by ``model=tiny model.width=64``. A decorator only marks its function: nothing happens where such a file is
imported by anything but ``--extend``. docs/extending.md has the contract of each function with an example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

MARK = "__cnnexp_option__"  # attribute of a marked function

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]


@dataclass(frozen=True, slots=True)
class Option:
    """What a decorator says of its function."""

    group: str
    name: str
    settings: type | None  # a dataclass; None: there are none


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What the function of a data source returns: N images with their labels."""

    images: Any  # array (N, H, W) or (N, H, W, C), or N paths of image files, contents of image files, or arrays
    labels: Sequence[object]  # N class names
    # N of train, validation, calibration, test, and None for an image that the settings split; None: all are such
    splits: Sequence[str | None] | None = None
    # N; images of one group stay in one split, one whose group is None is by itself; None: there are no groups
    groups: Sequence[object] | None = None


def model(name: str, settings: type | None = None) -> Decorator[Any]:
    """``(settings, input_shape, num_classes) -> keras.Model`` from scaled pixels up to the logits."""
    return _marking("model", name, settings)


def optimizer(name: str, settings: type | None = None) -> Decorator[Any]:
    """``(settings, learning_rate) -> keras.optimizers.Optimizer``; its settings have a ``learning_rate``."""
    return _marking("optimizer", name, settings)


def schedule(name: str, settings: type | None = None) -> Decorator[Any]:
    """``(settings, epoch, epochs) -> factor`` of the rate; `epoch` is an array of fractional epochs, from 0."""
    return _marking("schedule", name, settings)


def augmentation(name: str, settings: type | None = None) -> Decorator[Any]:
    """``(settings, images, random) -> images``: uint8 arrays (N, H, W, C), and a NumPy generator to draw from."""
    return _marking("augmentation", name, settings)


def loss(name: str, settings: type | None = None) -> Decorator[Any]:
    """``(settings, logits, labels) -> losses``: tensors (N, K) float32 and (N,) int64, to one of (N,)."""
    return _marking("loss", name, settings)


def data(name: str, settings: type | None = None) -> Decorator[Any]:
    """``(settings) -> Dataset``."""
    return _marking("data", name, settings)


def _marking(group: str, name: str, settings: type | None) -> Decorator[Any]:
    def mark(function: Function) -> Function:
        setattr(function, MARK, Option(group, name, settings))
        return function

    return mark
