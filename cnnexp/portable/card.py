"""The card: what a saved model needs to be used as it was trained; ``card.json`` beside the weights.

A card has the digests of the files it belongs to, and its own. They detect damage, mix-ups and careless editing; they
are no signature, because anybody can compute them.
"""

import builtins
import dataclasses
import hashlib
import json
import types
from collections import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ..images import ImageSpec
from .decision import Decision
from .variant import Variant

FORMAT = 4  # of card.json; increased when a reader of the old format would misunderstand the new one
DIGEST = "digest"  # key of card.json with the digest of all other keys

VIEWS_AT_ONCE = 128  # views of images that are computed together

CARD_FILE = "card.json"
MODEL_FILE = "model.keras"
REFERENCE_FILE = "features.npz"


Record = TypeVar("Record")


class UnfitModelError(ValueError):
    """A saved model is damaged, belongs to another card, or no longer gives its recorded answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelStatistics:
    """Of the training pixels, 0..255, per channel."""

    mean: tuple[float, ...]  # (C,)
    deviation: tuple[float, ...]  # (C,)


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenSample:
    """One image file, and the result of every step on the machine that trained the model."""

    name: str  # of the training image; "chart" for the drawn one
    file: str  # the image file, base64
    size: tuple[int, int]  # (width, height) of the file, upright
    picture: tuple[float, ...]  # the decoded image, averaged over an 8 × 8 grid, 0..255, channels last
    pixels: tuple[float, ...]  # the input of the model, averaged in the same way
    pixels_digest: str  # sha256 (hex) of the input of the model
    centre: str  # the middle of the input of the model, at most 64 × 64 pixels; PNG, base64
    label: str  # the most probable class
    probabilities: tuple[float, ...]  # (K,) in the order of the class names


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """The limits of prediction sets and of the warning, by the calibration split; empty or None: it was too small."""

    images: int  # in the calibration split
    coverage: Mapping[str, float]  # coverage, such as "0.9" -> minimum probability of a class in the prediction set
    unlike_p: float  # an image with a p-value below this is called unlike the training data
    unlike_distance: float | None  # an image with a larger distance (`reference.distances`) is too


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything that is needed between a file and its class name, beside the weights."""

    format: int
    class_names: tuple[str, ...]  # in the order of the model's outputs
    image: ImageSpec  # how a file becomes the uint8 pixels the model takes
    scaling: Mapping[str, Any]  # rule, scale, offset of the model's first layer; for information
    temperature: float  # folded into the model's last layer; 1: not calibrated
    calibration_images: int  # images that the temperature was fitted on; 0: it was not fitted
    training_pixels: ChannelStatistics
    thresholds: Thresholds
    data: Mapping[str, str]  # name and digest of the data set
    versions: Mapping[str, str]  # of the libraries that trained it
    made_on: Mapping[str, str]  # what answers also depend on: processor and libraries
    files: Mapping[str, str]  # name -> sha256 (hex) of the files this card belongs to
    golden: tuple[GoldenSample, ...]
    decision: Decision | None = None  # None: the most probable class is answered
    variant: Variant | None = None  # None: the model is as it was trained

    def __post_init__(self) -> None:
        if self.decision is not None and (len(self.class_names) != 2 or self.decision.positive not in self.class_names):
            raise ValueError(
                f"a decision is for one of two classes; got one for {self.decision.positive} of "
                f"{', '.join(self.class_names)}"
            )

    @property
    def trained_image(self) -> ImageSpec:
        """How the files of the training images became pixels."""
        if self.variant is None or self.variant.trained_size is None:
            return self.image
        height, width = self.variant.trained_size
        return dataclasses.replace(self.image, height=height, width=width)

    @property
    def images_at_once(self) -> int | None:
        """How many images the model computes at a time: all views of all images are one batch in it; None: any."""
        views = 0 if self.variant is None else len(self.variant.views)
        return max(1, VIEWS_AT_ONCE // views) if views else None

    @property
    def variant_summary(self) -> str:
        """What was done to the model after its training, in a few words; empty: nothing."""
        return "" if self.variant is None else self.variant.summary((self.image.height, self.image.width))

    def as_dict(self) -> dict[str, Any]:
        """Return the contents of ``card.json``, with their digest."""
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self) | {"image": self.image.as_dict()}))
        for later in ("decision", "variant"):  # earlier exports read the card, too
            if content[later] is None:
                del content[later]
        return content | {DIGEST: content_digest(content)}

    @classmethod
    def from_json(cls, text: str | bytes) -> "Card":
        """Read ``card.json``.

        Raises:
            UnfitModelError: It is damaged, was changed, has another format, or lacks a field or golden samples.

        """
        try:
            return cls._from_json(text)
        except RecursionError:
            raise UnfitModelError(f"{CARD_FILE} is nested too deeply. Take the original from the run.") from None

    @classmethod
    def _from_json(cls, text: str | bytes) -> "Card":
        content = _object(text)
        if content.get("format") != FORMAT:
            raise UnfitModelError(
                f"{CARD_FILE} must have format {FORMAT}; got {content.get('format')!r}. Use the version of cnnexp that "
                "made it, or train and export again."
            )
        recorded = content.pop(DIGEST, None)
        if recorded != content_digest(content):
            raise UnfitModelError(
                f"{CARD_FILE} has been changed since it was written: its content has the digest "
                f"{content_digest(content)[:12]}, and its field {DIGEST} is {str(recorded)[:12]}. "
                "Take the original from the run."
            )
        card = _build(cls, content, CARD_FILE)
        if not card.golden:
            raise UnfitModelError(
                f"{CARD_FILE} must have golden samples, which show that the model answers as it did. "
                "Take the original from the run."
            )
        return card


def digest_of(content: bytes) -> str:
    """Return the sha256 (hex) of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UnfitModelError(
            f"{CARD_FILE} must be JSON; it is not: {error}. Take the original from the run."
        ) from None
    if not isinstance(content, dict):
        raise UnfitModelError(f"{CARD_FILE} must hold one JSON object; got {type(content).__name__}.")
    return content


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the digest of a document, whatever its layout and the order of its keys."""
    return digest_of(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _build(kind: type[Record], content: object, place: str) -> Record:
    """Make a dataclass of a JSON object, with exactly its fields, each of its type."""
    if not isinstance(content, dict):
        raise UnfitModelError(f"{place} must be an object; got {content!r:.40}.")
    kinds = get_type_hints(kind)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    optional = {field.name for field in fields if field.default is not dataclasses.MISSING}
    if wrong := sorted((kinds.keys() ^ content.keys()) - (optional - content.keys())):
        listed = ", ".join(f"{name} {'is missing' if name in kinds else 'is unknown'}" for name in wrong)
        raise UnfitModelError(f"{place} must have the fields {', '.join(kinds)}; {listed}.")
    values: dict[str, Any] = {name: _value(kinds[name], value, f"{place}: {name}") for name, value in content.items()}
    try:
        return kind(**values)
    except ValueError as error:  # what ImageSpec refuses
        raise UnfitModelError(f"{place} has an impossible value: {error}") from None


def _value(kind: object, content: object, place: str) -> object:
    """Return JSON content as the type of a field; it is checked, because anybody can compute a digest."""
    of = get_args(kind)
    match get_origin(kind), content:
        case types.UnionType, None:  # the only unions here are with None
            return None
        case types.UnionType, _:
            return _value(of[0], content, place)
        case builtins.tuple, list() if of[-1] is ... or len(of) == len(content):
            kinds = of[:1] * len(content) if of[-1] is ... else of
            return tuple(_value(one, item, place) for one, item in zip(kinds, content, strict=True))
        case abc.Mapping, dict():
            return {name: _value(of[1], item, f"{place}: {name}") for name, item in content.items()}
        case None, _ if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return _build(kind, content, place)
        case None, _ if kind is Any or type(content) is kind or (kind is float and type(content) is int):
            return content
    raise UnfitModelError(f"{place} must be {kind.__name__ if isinstance(kind, type) else kind}; got {content!r:.40}.")
