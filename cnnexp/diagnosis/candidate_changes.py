"""The changes of pixels that a split may have suffered: what each is called, how it is undone, and what to do then."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnnexp.diagnosis.image import changes
from cnnexp.diagnosis.image.changes import Transform
from cnnexp.diagnosis.pixel_statistics import Fit
from cnnexp.records import Images

TILTS = (10, 20, 30, 45)  # degrees to either side
# Levels of which one may stay the same under a gain and an offset that were made around a mean: exposures keep black.
MIDDLE = (25.0, 230.0)
CHANGED_GAIN = 0.1  # logarithm of a gain, below which contrast stays
QUALITIES = (40, 20, 10, 5)  # of JPEG: what is finer hardly costs an answer
FACTORS = (2, 3, 4)  # by which images were made smaller before they were enlarged
WHOLES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)  # share of both sides that is left
ASPECTS = (0.5, 0.6, 0.75)  # share of one side that is left where the other one is whole


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change that the worse split may have suffered."""

    id: str  # of the fault catalogue
    title: str  # "test is ..."
    how: str  # what is done to the images that are compared, in words
    repair: str
    change: Transform
    undoes: bool  # it is made to the worse split's images; else to the better one's
    loses_detail: bool  # it cannot be undone on the images that suffered it
    numbers: int  # that were fitted


def exact_changes(images: Images) -> Iterator[Candidate]:
    """Yield the changes that are possible with these images, and that are undone exactly, with no number fitted."""
    yield _undo("P6", "inverted", "255 - x", "invert its pixels: image = 255 - image", changes.invert)
    if images.shape[-1] == 3:
        swap = "exchange its channels: image = image[..., ::-1]; OpenCV reads blue first"
        yield _undo("P5", "with red and blue exchanged", "red and blue exchanged", swap, changes.swap_channels)
        for order in ((1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2)):
            back = f"image = image[..., {list(order)}]"
            title = "with channels in another order"
            yield _undo("P5", title, back, f"put its channels in order: {back}", changes.reorder_channels(order))
    yield from _orientations()


def candidates(found: Fit, images: Images) -> Iterator[Candidate]:
    """Yield the changes that are possible with these images."""
    yield from exact_changes(images)
    turned = "leave out random turns and mirroring where images are judged, or read files with their orientation (EXIF)"
    own_way = "a turn and a mirroring of each image, drawn at random"
    title = "turned or mirrored, each image in its own way"
    yield Candidate("P8", title, own_way, turned, changes.turn_each, undoes=False, loses_detail=True, numbers=1)
    yield from _tilts()
    yield from _levels(found)
    yield from _sizes()
    yield from _losses(found)


def _undo(
    fault: str,
    title: str,
    how: str,
    repair: str,
    change: Transform,
    *,
    numbers: int = 0,
) -> Candidate:
    return Candidate(fault, title, how, repair, change, undoes=True, loses_detail=False, numbers=numbers)


def _orientations() -> Iterator[Candidate]:
    turned = "read it with its orientation (EXIF), or turn it as the training images are"
    for title, how, change in (
        ("turned a quarter to the left", "turned a quarter to the right", changes.turn(3)),
        ("turned a quarter to the right", "turned a quarter to the left", changes.turn(1)),
        ("upside down", "turned by half", changes.turn(2)),
        ("mirrored", "mirrored", changes.mirror),
        ("flipped top to bottom", "flipped", changes.flip),
        ("with rows and columns exchanged", "rows and columns exchanged", changes.transpose),
    ):
        yield _undo("P8", title, how, turned, change)


def _tilts() -> Iterator[Candidate]:
    for degrees in TILTS:
        for side, other, angle in (("left", "right", -degrees), ("right", "left", degrees)):
            title, how = f"tilted to the {side}", f"turned by {degrees}° to the {other}"
            straight = "take it upright, as the training images are, or train with augmentation.rotation"
            yield _undo("P8", title, how, straight, changes.tilt(angle), numbers=1)


def _levels(found: Fit) -> Iterator[Candidate]:
    """Yield fitted changes of levels. A gain of 1/255 and the like is a scaling that was forgotten or made twice."""
    gain, offset = found.gain, found.offset
    formula = f"{gain:.3g} x {'+' if offset >= 0 else '-'} {abs(offset):.3g}"
    title, once = "on another scale of values", "scale its pixels as the training images are: 0 to 255, once"
    if found.range_gain is not None:
        whole = changes.affine(found.range_gain, 0.0)
        yield _undo("P3", title, f"{found.range_gain:.3g} x", once, whole, numbers=1)
    if found.is_scaled:  # so few levels are left that the ends of the range say little
        yield _undo("P3", title, formula, once, changes.affine(gain, offset), numbers=1)
    same = "expose and convert it as the training images were, or train with augmentation.brightness and contrast"
    darker = "darker" if found.is_darker else "brighter"
    if _is_around_a_mean(found):
        normalized = "of another mean and deviation of its values (gain and offset)"
        twin = "normalize it by the mean and deviation that the training images were normalized by"
        yield _undo("P4", normalized, formula, twin, changes.affine(gain, offset), numbers=2)
    else:
        yield _undo("P9", f"{darker} (gain and offset)", formula, same, changes.affine(gain, offset), numbers=2)
    yield _undo("P9", f"{darker} (gamma)", f"gamma {found.gamma:.3g}", same, changes.gamma(found.gamma), numbers=1)
    if len(found.channel_gains) == 3:
        cast = ", ".join(f"{one:.2g}" for one in found.channel_gains)
        yield _undo(
            "P9",
            "of another colour cast",
            f"channels times {cast}",
            "balance its white as that of the training images, or train with augmentation.hue",
            changes.channel_gains(*found.channel_gains),
            numbers=3,
        )


def _is_around_a_mean(found: Fit) -> bool:
    """Return whether a gain and an offset move both ends of the levels, to or from one in the middle that stays.

    Light, exposure and gamma keep black, and what adds light to all levels keeps none.
    """
    if found.gain <= 0 or abs(np.log(found.gain)) < CHANGED_GAIN:
        return False
    stays = found.offset / (1 - found.gain)
    return bool(MIDDLE[0] <= stays <= MIDDLE[1])


def _sizes() -> Iterator[Candidate]:
    """Yield crops of the worse split, reproduced on the better one, and frames, which are cropped off."""
    same = "resize and crop it by the same rule as the training images (data.resize)"
    wholes = [(f"the middle {share:.0%} enlarged", share, share) for share in WHOLES]
    wholes += [(f"the middle {share:.0%} of the height stretched", share, 1.0) for share in ASPECTS]
    wholes += [(f"the middle {share:.0%} of the width stretched", 1.0, share) for share in ASPECTS]
    for middle, height, width in wholes:
        crop = changes.crop(height, width)
        yield _undo("P7", "padded or zoomed out", middle, same, crop, numbers=1)
        yield Candidate("P7", "cropped or zoomed in", middle, same, crop, undoes=False, loses_detail=True, numbers=1)


def losses_of_a_part() -> Iterator[Candidate]:
    """Yield noise and blur that a part of a split may have suffered, in steps that are hardly seen.

    No exposure: a split that has the brighter ones of all images looks like that, too.
    """
    look = "look at the images that are {}, and leave them out or take them again"
    for amount in np.geomspace(16, 100, 9):
        change, how = changes.gaussian_noise(float(amount)), f"noise of {amount:.2g} levels"
        yield Candidate("D3", "noisy", how, look.format("noisy"), change, False, True, 1)
    for amount in np.geomspace(0.8, 6, 9):
        change, how = changes.gaussian_blur(float(amount)), f"a blur of {amount:.2g} px"
        yield Candidate("D2", "blurred", how, look.format("blurred"), change, False, True, 1)


def _losses(found: Fit) -> Iterator[Candidate]:
    """Yield blur and noise: of the worse split, reproduced on the better one, or of the better one, and then undone."""
    sharp = "take it in focus, at least as large as the network's input, and by the same resize rule"
    clean = "take the images of all splits from one source, or train with noise"
    blurred = "blurred" if found.worse_is_blurred else "sharper"
    noisy = "noisy" if found.worse_is_noisy else "less noisy"
    for amount in found.blurs:
        change, how = changes.gaussian_blur(amount), f"a blur of {amount:.2g} px"
        yield Candidate("D2", blurred, how, sharp, change, not found.worse_is_blurred, True, 1)
    same = "store and resize it as the training images are"
    for quality in QUALITIES:
        change, how = changes.jpeg(quality), f"JPEG of quality {quality}"
        yield Candidate("S4", "compressed by JPEG", how, same, change, False, True, 1)
    for factor in FACTORS:
        # By the nearest pixel: smoothly, it is a blur.
        change, how = changes.lower_resolution(factor, Image.Resampling.NEAREST), f"a resize to 1/{factor} and back"
        yield Candidate("P7", "of lower resolution", how, same, change, False, True, 1)
    for amount in found.noises:
        change, how = changes.gaussian_noise(amount), f"noise of {amount:.2g} levels"
        yield Candidate("D3", noisy, how, clean, change, not found.worse_is_noisy, True, 1)
