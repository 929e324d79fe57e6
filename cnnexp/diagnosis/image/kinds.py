"""The kinds of mismatch that are simulated: each with its name, how it is made, and its repair.

Every kind has several strengths and forms, because what happened to an image is never the one that was simulated. What
can be undone exactly is a view in `orbit`, too.
"""

from dataclasses import dataclass

from PIL import Image

from cnnexp.diagnosis.image import changes as t
from cnnexp.diagnosis.image import other_things as o
from cnnexp.diagnosis.image import unnamed_changes as u
from cnnexp.diagnosis.image.changes import Transform
from cnnexp.diagnosis.image.changes import ranged as r

_LINEAR, _CUBIC, _NEAREST = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.NEAREST


@dataclass(frozen=True, slots=True)
class Kind:
    """One wrong step on the way to the network."""

    name: str
    forms: tuple[Transform, ...]
    what: str  # a clause: "its red and blue channels are exchanged"
    repair: str
    colour: bool = False  # of images with three channels only


OTHER = "other"


def _also_finer(*changes: Transform) -> tuple[Transform, ...]:
    """Return changes of levels, made to bytes, and those that were made before an image was made smaller."""
    return (*changes, *(t.finer(change) for change in changes))


KINDS = (
    Kind(
        "swapped channels",
        (t.swap_channels,),
        "red and blue are exchanged",
        "The program that wrote or passed the image has blue first (OpenCV does): image = image[..., ::-1].",
        colour=True,
    ),
    Kind(
        "grey",
        (t.saturation(0.0),),
        "its colours are gone: all three channels are equal",
        "Pass the image in colour; converting to grey loses what the network was trained on.",
        colour=True,
    ),
    Kind(
        "colour cast",
        _also_finer(
            r(t.channel_gains, (1.25, 1.6), (1.0, 1.0), (0.5, 0.8)),
            r(t.channel_gains, (0.5, 0.8), (1.0, 1.0), (1.25, 1.6)),
            r(t.channel_gains, (0.65, 0.85), (1.15, 1.35), (0.65, 0.85)),
            r(t.channel_gains, (1.15, 1.35), (0.65, 0.85), (1.15, 1.35)),
            r(t.channel_gains, (1.3, 1.8), (1.0, 1.0), (1.0, 1.0)),
            r(t.channel_gains, (1.0, 1.0), (1.0, 1.0), (0.3, 0.65)),
            r(t.channel_gains, (0.3, 0.65), (1.0, 1.0), (1.0, 1.0)),
        ),
        "its colours are shifted as a whole",
        "Correct the white balance of the camera, or train with augmentation.hue and colour changes.",
        colour=True,
    ),
    Kind(
        "inverted",
        (t.invert,),
        "dark and bright are exchanged",
        "Invert it: image = 255 - image.",
    ),
    Kind(
        "turned left",
        (t.turn(1),),
        "it is turned a quarter to the left",
        "Turn it a quarter to the right, or keep its EXIF orientation when it is saved.",
    ),
    Kind(
        "turned right",
        (t.turn(3),),
        "it is turned a quarter to the right",
        "Turn it a quarter to the left, or keep its EXIF orientation when it is saved.",
    ),
    Kind(
        "upside down",
        (t.turn(2),),
        "it is upside down",
        "Turn it by half, or keep its EXIF orientation when it is saved.",
    ),
    Kind(
        "mirrored",
        (t.mirror,),
        "left and right are exchanged",
        "Mirror it back: front cameras store mirrored images.",
    ),
    Kind(
        "flipped",
        (t.flip,),
        "top and bottom are exchanged",
        "Flip it: image = image[::-1]. Some formats store the lowest row first.",
    ),
    Kind(
        "transposed",
        (t.transpose,),
        "rows and columns are exchanged",
        "Exchange the axes: image = image.swapaxes(0, 1); NumPy has rows first.",
    ),
    Kind(
        "transverse",
        (t.transverse,),
        "it is mirrored at its diagonal from the lower left to the upper right",
        "Mirror it back, or keep its EXIF orientation (7) when it is saved.",
    ),
    Kind(
        "padded",
        tuple(
            r(lambda height, width, level=level: t.pad(height, width, level), *sides)
            for level in (0, 255, None)
            for sides in (
                ((0.5, 0.68), (1.0, 1.0)),
                ((0.68, 0.88), (1.0, 1.0)),
                ((1.0, 1.0), (0.5, 0.68)),
                ((1.0, 1.0), (0.68, 0.88)),
                ((0.65, 0.88), (0.65, 0.88)),
                ((0.4, 0.65), (0.4, 0.65)),
            )
        ),
        "it stands in an even frame",
        "Crop the frame, and let the reader resize: data.resize is part of the model's card.",
    ),
    Kind(
        "cropped",
        (
            r(lambda side: t.crop(side, side), (0.6, 0.78)),
            r(lambda side: t.crop(side, side), (0.4, 0.6)),
            r(t.crop, (1.0, 1.0), (0.55, 0.75)),
            r(t.crop, (1.0, 1.0), (0.35, 0.55)),
            r(t.crop, (0.55, 0.75), (1.0, 1.0)),
            r(t.crop, (0.35, 0.55), (1.0, 1.0)),
            *(t.crop(*sides) for sides in ((0.5, 0.5), (1.0, 0.5), (0.5, 1.0))),  # enlarging twofold leaves no period
        ),
        "it shows a part only, or is stretched",
        "Pass the whole image at its own aspect ratio; the reader resizes.",
    ),
    Kind(
        "too dark",
        (
            *_also_finer(
                r(t.affine, (0.35, 0.6), (0.0, 0.0)),
                r(t.affine, (0.18, 0.35), (0.0, 0.0)),
                r(t.gamma, (1.7, 2.5)),
                r(t.gamma, (2.5, 4.0)),
            ),
            r(t.affine, (0.07, 0.18), (0.0, 0.0)),
            r(lambda by: t.affine(1, -by), (45, 80)),
            r(lambda by: t.affine(1, -by), (80, 130)),
        ),
        "it is much darker than training images are",
        "Expose longer, or train with augmentation.brightness.",
    ),
    Kind(
        "too bright",
        (
            *_also_finer(
                r(t.affine, (1.4, 1.9), (0.0, 0.0)),
                r(t.affine, (1.9, 3.5), (0.0, 0.0)),
                r(t.gamma, (0.4, 0.6)),
                r(t.gamma, (0.22, 0.4)),
            ),
            r(lambda by: t.affine(1, by), (45, 80)),
            r(lambda by: t.affine(1, by), (80, 130)),
        ),
        "it is much brighter than training images are",
        "Expose shorter, or train with augmentation.brightness.",
    ),
    Kind(
        "scaled",
        (t.divide(255), r(t.divide, (90, 180)), r(t.divide, (40, 90)), r(t.divide, (15, 40))),
        "its levels are divided, as if it had been scaled already",
        "Pass pixels from 0 to 255: scaling is the model's first layer.",
    ),
    Kind(
        "low contrast",
        (
            *_also_finer(r(t.contrast, (0.4, 0.6)), r(t.contrast, (0.25, 0.4))),
            r(t.contrast, (0.12, 0.25)),
            *(
                r(lambda amount, level=level: t.contrast(amount, around=level), amounts)
                for level in (128, 170, 215)
                for amounts in ((0.2, 0.35), (0.35, 0.55))
            ),
        ),
        "its contrast is low, as in fog",
        "Stretch its levels, or train with augmentation.contrast.",
    ),
    Kind(
        "high contrast",
        _also_finer(
            r(t.contrast, (1.8, 2.6)),
            r(t.contrast, (2.6, 4.0)),
            r(t.contrast, (4.0, 8.0)),
            r(lambda amount: t.contrast(amount, around=128), (2.0, 4.0)),
        ),
        "its contrast is too high, so that levels end at black and white",
        "Take it without processing, or train with augmentation.contrast.",
    ),
    Kind(
        "blurred",
        (
            *(r(t.gaussian_blur, ends) for ends in ((0.6, 0.95), (0.95, 1.5), (1.5, 2.5))),
            *(r(t.disk_blur, ends) for ends in ((1.1, 1.9), (1.9, 3.2))),
            *(r(t.motion_blur, ends, (a, a)) for ends in ((3, 5), (5, 9)) for a in (1, 45, 90, 135)),
            *(
                r(lambda f, k=k: t.lower_resolution(f, k), e)
                for e in ((1.7, 2.5), (2.5, 4.5))
                for k in (_LINEAR, _CUBIC)
            ),
        ),
        "it is blurred, or was enlarged from fewer pixels",
        "Take it sharp and with at least as many pixels as the network takes.",
    ),
    Kind(
        "pixelated",
        tuple(t.lower_resolution(factor, _NEAREST) for factor in (2, 3, 4)),
        "it was enlarged from fewer pixels without smoothing",
        "Take it with at least as many pixels as the network takes.",
    ),
    Kind(
        "sharpened",
        (r(t.sharpen, (140, 250)), r(t.sharpen, (250, 500))),
        "it was sharpened",
        "Switch the sharpening of the camera or the program off.",
    ),
    Kind(
        "noise",
        (
            *(r(t.gaussian_noise, ends) for ends in ((9, 16), (16, 28), (28, 50))),
            *(r(lambda d: t.gaussian_noise(d, grey=True), ends) for ends in ((12, 25), (25, 50))),
            *(r(t.shot_noise, ends) for ends in ((5, 14), (14, 40))),
            *(r(t.speckle, ends) for ends in ((0.12, 0.25), (0.25, 0.5))),
            *(
                r(lambda share, grey=grey: t.salt_and_pepper(share, grey=grey), ends)
                for grey in (True, False)
                for ends in ((0.01, 0.04), (0.04, 0.15))
            ),
        ),
        "it is noisy",
        "Use more light or a lower ISO, or train on images with such noise.",
    ),
    Kind(
        "compressed",
        tuple(r(t.jpeg, ends) for ends in ((3, 6), (6, 11), (11, 18), (18, 28))),
        "it was compressed hard, as JPEG",
        "Save it as PNG, or as JPEG of a higher quality.",
    ),
    Kind(
        "few levels",
        tuple(t.posterize(levels, full=full) for levels in (2, 3, 4, 6, 8) for full in (True, False)),
        "it has few levels only",
        "Save it with 8 bits a channel, without a palette.",
    ),
    Kind(
        "too colourful",
        _also_finer(r(t.saturation, (1.7, 2.4)), r(t.saturation, (2.4, 4.0))),
        "its colours are too strong",
        "Take it without processing.",
        colour=True,
    ),
    Kind(
        "pale",
        (r(t.saturation, (0.35, 0.6)), r(t.saturation, (0.12, 0.35))),
        "its colours are too weak",
        "Take it without processing.",
        colour=True,
    ),
)

# What happens to images, too, but has no name here, and what shows no class at all: drawings, textures and things that
# hide each other, with the spectrum of photographs, tiny parts. An image that is most like these is not named after a
# neighbour.
UNNAMED = Kind(
    OTHER,
    (
        *(u.cover(share, level) for share, level in ((0.4, 0), (0.55, 128), (0.5, None))),
        u.tiles(2),
        u.tiles(4),
        u.wave(2, 12),
        u.wave(3, 20),
        u.double_exposure,
        u.solarize,
        u.shade(1),
        u.shade(2),
        *(u.bent, u.slanted, u.unevenly_lit, u.hidden, u.lost_lines, u.written_on),
        o.texture,
        o.shapes,
        o.softened(o.shapes, 1.0),
        o.strokes,
        *(o.softened(o.strokes, deviation) for deviation in (0.7, 1.2, 2.2)),
        o.pink_noise(1.0),
        o.pink_noise(1.6),
        *(o.leaves(90, (0.06, 0.6), gains) for gains in ((0.7, 1.5), (0.35, 0.8), (0.15, 0.45))),
        *(o.leaves(14, (0.25, 1.2), gains) for gains in ((0.7, 1.5), (0.2, 0.7))),
        *(o.softened(o.leaves(90, (0.06, 0.6), (0.2, 1.4)), deviation) for deviation in (0.6, 1.0)),
        *(o.on_ground(o.leaves(60, (0.06, 0.6), (0.4, 1.4)), softness) for softness in (0.0, 1.0)),
        r(lambda side: t.crop(side, side), (0.12, 0.35)),
    ),
    "something else happened to it",
    "",
)
UNNAMED_COLOUR = Kind(
    OTHER, (u.misaligned_channels, u.rotate_hue), "something else happened to its colours", "", colour=True
)


def kinds_for(channels: int) -> tuple[Kind, ...]:
    """Return the kinds that are possible with so many channels; those without a name last."""
    return tuple(kind for kind in (*KINDS, UNNAMED, UNNAMED_COLOUR) if channels == 3 or not kind.colour)
