"""What ``cnnexp evaluate`` and ``cnnexp export`` may do to a trained model: --tta, --size, --soup."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.config import DataConfig
from cnnexp.errors import ConfigError
from cnnexp.portable.variant import View

NONE, FLIP = "none", "flip"
MOST_VIEWS = 64
PIXELS = (8, 1024)  # fewest and most of a side, as for data.size


@dataclass(frozen=True, slots=True)
class VariantOptions:
    """The options as read; false if the model stays as it was trained."""

    tta: str  # none | flip | the number of views of each image
    size: tuple[int, int] | None  # (height, width) of the images; None: as in training
    soup: bool  # average the weights of several runs

    def __bool__(self) -> bool:
        return self.tta != NONE or self.size is not None or self.soup

    @property
    def settings(self) -> dict[str, str]:
        """The options in use, as they are recorded beside other settings."""
        used = {"tta": self.tta} if self.tta != NONE else {}
        used |= {} if self.size is None else {"size": "{},{}".format(*self.size)}
        return used | ({"soup": "greedy"} if self.soup else {})


def parse(*, tta: str, size: str, soup: bool) -> tuple[VariantOptions, ...]:
    """Read the options; `tta` may be a list, such as ``none,flip,8``, each for a variant of its own.

    Raises:
        ConfigError: one is wrong.

    """
    of_size = _size(size)
    return tuple(VariantOptions(_tta(one), of_size, soup) for one in tta.split(","))


def parse_one(*, tta: str, size: str, soup: bool) -> VariantOptions:
    """Read the options of a single model.

    Raises:
        ConfigError: one is wrong, or `tta` is a list.

    """
    options = parse(tta=tta, size=size, soup=soup)
    if len(options) > 1:
        raise ConfigError(f"export writes one model; got --tta {tta}. Name one of them: --tta {options[-1].tta}.")
    return options[0]


def _tta(text: str) -> str:
    if text in (NONE, FLIP) or (text.isdecimal() and 2 <= int(text) <= MOST_VIEWS):
        return text
    raise ConfigError(
        f"--tta must be flip (each image and its mirror image), a number of views from 2 to {MOST_VIEWS}, or none; "
        f"got {text!r}. For example: --tta 8."
    )


def _size(text: str) -> tuple[int, int] | None:
    if text == NONE:
        return None
    words = text.strip("[]").split(",")
    sides = [int(side) for side in words if side.isdecimal() and PIXELS[0] <= int(side) <= PIXELS[1]]
    if len(sides) != len(words) or len(sides) > 2:
        raise ConfigError(
            "--size must be height and width in pixels, or one number for both, each from "
            f"{PIXELS[0]} to {PIXELS[1]}; got {text!r}. For example: --size 48,48."
        )
    return sides[0], sides[-1]


def views_of(tta: str, data: DataConfig, size: tuple[int, int]) -> tuple[View, ...]:
    """Return the views that ``--tta`` asks for, as far as the data allow; empty for none.

    Nothing is drawn: the first view is the image, the others are moved in evenly spaced directions by half of what
    `data.jitter` allows, and where `data.mirror` is true every second one is mirrored.

    Raises:
        ConfigError: the data allow no such views, or not as many.

    """
    if tta == NONE:
        return ()
    count = 2 if tta == FLIP else int(tta)
    if tta == FLIP and not data.mirror:
        raise ConfigError(
            "--tta flip averages an image and its mirror image, and data.mirror=false says that a mirrored image may "
            "be of another class or unlike the others. Use moved images, --tta 5; or, if mirrored ones are as good, "
            "data.mirror=true."
        )
    views = _views(count, data, size)
    if len(set(views)) == count:
        return views
    most = next((fewer for fewer in range(count - 1, 1, -1) if len(set(_views(fewer, data, size))) == fewer), 1)
    allowed = f"at most --tta {most}" if most > 1 else "none: leave --tta out"
    raise ConfigError(
        f"The views of --tta {count} must differ; images of {size[0]} × {size[1]} pixels that may move by "
        f"data.jitter={data.jitter:g} of a side, and {'' if data.mirror else 'not '}be mirrored, have fewer. "
        f"Possible is {allowed}."
    )


def _views(count: int, data: DataConfig, size: tuple[int, int]) -> tuple[View, ...]:
    plain = [View(mirrored=mirrored, down=0, right=0) for mirrored in (False, True)[: 1 + data.mirror]]
    moved = count - len(plain)
    reach = [_reach(data.jitter * side) for side in size]
    for number in range(max(moved, 0)):
        angle = math.pi * (1 / 4 + 2 * number / moved)
        plain.append(
            View(
                mirrored=data.mirror and number % 2 == 1,
                down=round(reach[0] * math.sin(angle)),
                right=round(reach[1] * math.cos(angle)),
            )
        )
    return tuple(plain[:count])


def _reach(limit: float) -> float:
    """Return the radius in pixels by which views are moved: half the limit, but a pixel where that is allowed."""
    return 0 if limit < 1 else max(math.sqrt(2), limit / 2)


def settings_varied(options: Sequence[VariantOptions]) -> dict[str, str]:
    """Return the option that differs between the variants, with its values; empty where there is one variant."""
    return {"tta": ", ".join(one.tta for one in options)} if len(options) > 1 else {}
