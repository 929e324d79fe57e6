"""What an image file says of itself that explains a wrong answer, without any model: exact, and declared."""

from dataclasses import dataclass

from cnnexp.records import Finding

ASPECT = 1.5  # times wider or narrower than every training file: a stretched image changes as much
SMALL = 0.5  # of what training files have, up to the side that the network takes: half of their detail
# Images that have lost their colours, of all that are asked about: before the file is seen. With it a grey image is
# called certain to have lost them, 0.9, where at most one in two hundred training images is grey by nature: more would
# be ordinary images that are accused, of which one in a hundred may be, by all that is said together.
LOST_COLOUR = 1 / 24
LEAST_LOST = 0.5  # probability below which grey is nothing to mention
_EXCHANGES_SIDES = 5  # EXIF orientations from this on exchange width and height
_LIKE = 1.1  # times wider or narrower than training files, and still like them
_FULL_RANGE = 1 / 8  # of the range of its type that levels of more than 8 bits use, at least


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFacts:
    """What the header and the decoded pixels of one file say."""

    kind: str  # format, such as JPEG; "array" where there is no file
    mode: str  # as Pillow names it
    width: int  # pixels, upright
    height: int
    frames: int  # of an animation; 1: none
    orientation: int  # of EXIF, 1..8; 1: upright
    transparent: float  # share of pixels that are not opaque, 0..1
    levels_end: float | None  # highest level of more than 8 bits, as a share of white; None: it has 8 bits
    highest_level: float | None  # the same as it is stored
    grey: bool  # all channels are equal
    lowest: int  # level of the pixels that the network gets, 0..255
    highest: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFacts:
    """What is known of the training images."""

    colour: bool  # the network takes three channels
    grey: float  # share of training images whose channels are equal, 0..1
    aspects: tuple[float, float] | None  # lowest and highest width / height of training files; None: not recorded
    side: int  # the smaller side of what the network takes, pixels
    smallest: int | None  # that of the smallest training file; None: not recorded
    stretched: bool  # the reader fills the frame whatever the aspect ratio is
    value_range: bool  # the card says which levels are black and white


def judge_file(file: FileFacts, training: TrainingFacts) -> tuple[Finding, ...]:
    """Return what explains a wrong answer, the most certain first; empty where the file is as others."""
    checks = (
        *(_one_level, _unused_range, _turned, _transparent, _grey),
        *(_color_dropped, _aspect, _small, _cmyk, _animated),
    )
    found = [finding for check in checks if (finding := check(file, training)) is not None]
    return tuple(sorted(found, key=lambda finding: -finding.confidence))


def _fact(title: str, sentence: str, repair: str, *, confidence: float, **evidence: float) -> Finding:
    return Finding(
        id="I3",
        cause=5,
        title=title,
        sentence=sentence,
        evidence=evidence,
        confidence=confidence,
        repair=repair,
        declared=True,
    )


def _one_level(file: FileFacts, _: TrainingFacts) -> Finding | None:
    if file.highest > file.lowest:
        return None
    color = {0: "black", 255: "white"}.get(file.lowest, "of one grey level" if file.grey else "of one colour")
    return _fact(
        "one colour",
        f"What the network gets is {color} everywhere, so there is nothing on it to recognize.",
        "Look at the file and at what wrote it: pixels from 0 to 1 saved as whole numbers become black.",
        confidence=1.0,
        lowest=file.lowest,
        highest=file.highest,
    )


def _unused_range(file: FileFacts, training: TrainingFacts) -> Finding | None:
    if file.levels_end is None or file.highest_level is None or training.value_range:
        return None
    if file.levels_end >= _FULL_RANGE or file.highest_level <= 0:
        return None
    bits = max(8, int(file.highest_level).bit_length())
    return _fact(
        f"{bits} of 16 bits",
        f"The file has 16 bits a pixel, and its highest level is {file.highest_level:.0f} of 65535: levels of {bits} "
        "bits were stored without being scaled up, and the network gets an almost black image.",
        f"Scale its levels to 16 bits, save it with 8, or train with data.value_range=[0,{2**bits - 1}].",
        confidence=1.0,
        highest_level=file.highest_level,
    )


def _turned(file: FileFacts, training: TrainingFacts) -> Finding | None:
    """Judge the EXIF orientation, which the reader has applied: it contradicts where training files are not so shaped.

    Orientations 5 to 8 exchange width and height. Programs that turn the pixels and keep the tag turn an image twice.
    """
    if file.orientation == 1:
        return None
    contradicts = (
        file.orientation >= _EXCHANGES_SIDES
        and training.aspects is not None
        and not _is_usual(file.width / file.height, training.aspects)
        and _is_usual(file.height / file.width, training.aspects)
    )
    doubt = (
        "no training file is so high or so wide, and as it is stored it would be" if contradicts else "this is usual"
    )
    return _fact(
        "EXIF orientation",
        f"The file says that it is stored turned or mirrored (orientation {file.orientation}), and is turned upright "
        f"before the network sees it; {doubt}.",
        "Look at it as stored: if its pixels are upright already, remove the tag.",
        confidence=0.95 if contradicts else 0.2,
        orientation=file.orientation,
    )


def _is_usual(aspect: float, aspects: tuple[float, float]) -> bool:
    return aspects[0] / _LIKE <= aspect <= aspects[1] * _LIKE


def _transparent(file: FileFacts, _: TrainingFacts) -> Finding | None:
    if file.transparent < 0.01:
        return None
    return _fact(
        "transparency",
        f"{file.transparent:.0%} of its pixels are transparent; the background of the model's card stands in for "
        "them, which may be another one than training images have.",
        "Save it on the background that training images have.",
        confidence=0.5,
        transparent=file.transparent,
    )


def _grey(file: FileFacts, training: TrainingFacts) -> Finding | None:
    """Judge a file without colour by Bayes' rule: some photographs are grey by nature, as often as training images."""
    if not file.grey or not training.colour or file.lowest == file.highest:
        return None
    lost = LOST_COLOUR / (LOST_COLOUR + (1 - LOST_COLOUR) * training.grey)
    if lost < LEAST_LOST:
        return None
    stored = f"is stored as {file.mode}" if file.mode in ("L", "1", "LA", "I;16") else "has three equal channels"
    return _fact(
        "grey",
        f"The image {stored}, without any colour; of the training images {training.grey:.1%} are grey.",
        "Pass it in colour, or train with data.color=grey.",
        confidence=min(lost, 0.9),
        grey_training_images=training.grey,
    )


def _color_dropped(file: FileFacts, training: TrainingFacts) -> Finding | None:
    if training.colour or file.grey:
        return None
    return _fact(
        "colour in a grey set",
        "The image is in colour and the network takes grey ones: what only differs in colour becomes the same grey.",
        "Look whether what matters can still be seen in grey.",
        confidence=0.3,
    )


def _aspect(file: FileFacts, training: TrainingFacts) -> Finding | None:
    if training.aspects is None:
        return None
    aspect, (low, high) = file.width / file.height, training.aspects
    if low / ASPECT <= aspect <= high * ASPECT:
        return None
    known = f"{low:.2f}" if high / low < 1.01 else f"{low:.2f} to {high:.2f}"
    how = "is stretched to fill the frame" if training.stretched else "fits the frame in another way"
    return _fact(
        "aspect ratio",
        f"It is {file.width} × {file.height} pixels, {aspect:.2f} times as wide as high, and training files are "
        f"{known} times: it {how}.",
        "Crop it to the aspect ratio of the training files.",
        confidence=0.7,
        aspect=aspect,
        lowest=low,
        highest=high,
    )


def _small(file: FileFacts, training: TrainingFacts) -> Finding | None:
    side = min(file.width, file.height)
    if training.smallest is None or side >= SMALL * min(training.side, training.smallest):
        return None
    return _fact(
        "few pixels",
        f"It has {file.width} × {file.height} pixels, training files at least {training.smallest} a side, and the "
        f"network takes {training.side}: it is enlarged, and shows less detail than training images did.",
        "Take it with as many pixels as training files have.",
        confidence=0.6,
        side=side,
    )


def _cmyk(file: FileFacts, _: TrainingFacts) -> Finding | None:
    if file.mode not in ("CMYK", "YCCK", "LAB", "HSV"):
        return None
    return _fact(
        f"colours in {file.mode}",
        f"Its colours are stored as {file.mode}, for print, and converted without a profile: they are shifted.",
        "Convert it to sRGB with the program that made it.",
        confidence=0.6,
    )


def _animated(file: FileFacts, _: TrainingFacts) -> Finding | None:
    if file.frames < 2:
        return None
    return _fact(
        "several frames",
        f"The file has {file.frames} frames; the first one is used.",
        "Save the frame that is meant as a file of its own.",
        confidence=0.4,
        frames=file.frames,
    )
