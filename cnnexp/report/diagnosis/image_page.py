"""The diagnosis of images as one page that opens from disk: the verdict first, then what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cnnexp.diagnosis.image.confirm import Candidate, Suspicion
from cnnexp.diagnosis.image.kinds import OTHER
from cnnexp.images import UnreadableImageError, upright
from cnnexp.models import HeatMap, HeatMapper
from cnnexp.portable.classifier import Classifier
from cnnexp.report.diagnosis.standing_chart import standing_chart
from cnnexp.report.pages import overlaid, picture, template
from cnnexp.report.prediction.answer_text import percent, set_text
from cnnexp.saved.image_diagnosis import Diagnosis, ImageDiagnosis, Undone
from cnnexp.saved.image_files import ListedImage
from cnnexp.saved.looks import heat_maps, standings
from cnnexp.system.text import plural, printable

MOST_IMAGES = 100  # on one page
_LARGE, _NEIGHBOUR = 224, 72  # pixels of a side, as the style shows them


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and what stands below it."""

    source: str
    caption: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """A kind of mismatch that was simulated on ordinary images, beside one image."""

    kind: str
    share: str  # of all that is not ordinary about the image
    typical: str  # of the simulated images of the kind, those that are as far from the others
    undone: str  # of ordinary images, or restored ones of the kind, those that look as little so as this one undone
    outcome: str  # named | possible | excluded


def images_page(
    target: str,
    model: Classifier,
    items: Sequence[ListedImage],
    found: Diagnosis,
    *,
    true_label: str | None,
    mapper: HeatMapper,
    foreign: Mapping[str, object] | None = None,
) -> str:
    """Return the page about images that a model was asked about; every name in it is escaped.

    `target` is how the model was named, `items` are what the images that were found were listed as, and `foreign` is
    what `foreign_page` says of a model that cnnexp did not train.
    """
    sections = [
        _section(model, mapper, item, image, true_label)
        for item, image in list(zip(items, found.images, strict=True))[:MOST_IMAGES]
    ]
    return template("diagnosis/image_page.html.j2").render(
        target=target,
        card=model.card,
        foreign=foreign,
        count=plural(len(found.images), "image"),
        together=found.together and found.together.verdict,
        fitted_on=found.fitted_on,
        sections=sections,
        more=max(0, len(found.images) - MOST_IMAGES),
    )


def _section(
    model: Classifier, mapper: HeatMapper, item: ListedImage, image: ImageDiagnosis, true_label: str | None
) -> dict[str, object]:
    """Return what the template says of one image."""
    answer, pixels = image.prediction.answer, image.prediction.pixels
    known: dict[str, object] = {"name": printable(image.prediction.name), "error": image.prediction.error}
    if answer is None or pixels is None:
        return known | {"verdict": None}
    asked = list(dict.fromkeys([answer.label, true_label or answer.label]))
    maps = heat_maps(model, mapper, image.prediction, asked)
    stands = standings(model, pixels)
    return known | {
        "verdict": image.verdict,
        "facts": [fact for fact in image.facts if fact is not image.verdict],
        "answer": answer,
        "probability": percent(answer.probability),
        "next_probability": percent(answer.next_probability),
        "set": set_text(answer),
        "true_label": true_label,
        "pictures": [
            *_as_given(item, model),
            Shown(picture(pixels, side=_LARGE), "as the network sees it", _size(pixels.shape)),
            *(_undone(one) for one in image.undone),
            *(_looked_at(pixels, one, model.card.class_names[one.label]) for one in maps),
        ],
        "nearest": _nearest(model, image),
        "charts": [Markup(standing_chart(one)) for one in stands],
        "record": image.record,
        "ordinary": None if image.suspicion is None else _share(image.suspicion.clean_p),
        "tried": [] if image.suspicion is None else tried(image.suspicion),
        "stable": None if image.stable is None else _share(image.stable),
    }


def tried(suspicion: Suspicion) -> list[Tried]:
    """Return the most probable kinds of mismatch, and what undoing them brings; none where the image looks ordinary."""
    if not suspicion.is_accused:
        return []
    return [
        Tried(
            kind="something without a name" if one.kind == OTHER else one.kind,
            share=_share(one.share),
            typical=_share(one.typical_p),
            undone="" if (undone := _undone_p(one)) is None else _share(undone),
            outcome="named" if one in suspicion.named else "possible" if one.is_possible else "excluded",
        )
        for one in suspicion.candidates
    ]


def _undone_p(one: Candidate) -> float | None:
    """Return what undoing a kind brings, exactly or as well as can be."""
    return one.restored_p if one.undone_p is None else one.undone_p


def _share(value: float) -> str:
    return "< 1 %" if value < 0.01 else f"{100 * value:.0f} %"


def _as_given(item: ListedImage, model: Classifier) -> list[Shown]:
    source = item.path if item.content is None else item.content
    assert source is not None
    try:
        given = upright(source, model.card.image).as_pillow
    except UnreadableImageError:  # it was there a moment ago
        return []
    width, height = given.size
    pixels = np.asarray(given.convert("RGBA" if given.mode in {"LA", "RGBA", "PA"} else "RGB"))
    return [Shown(picture(pixels, side=_LARGE), "as given", _size((height, width)))]


def _undone(one: Undone) -> Shown:
    note = f"then answered {printable(one.label)}, {percent(one.probability)}"
    return Shown(picture(one.pixels, side=_LARGE), f"with '{one.kind}' undone", note)


def _looked_at(pixels: np.ndarray, heat: HeatMap, label: str) -> Shown:
    note = heat.method if heat.values.any() else f"{heat.method}: nothing speaks for it"
    return Shown(picture(overlaid(pixels, heat.values), side=_LARGE), f"what speaks for {label}", note)


def _nearest(model: Classifier, image: ImageDiagnosis) -> list[tuple[str, str, str]]:
    return [
        (picture(model.reference.pixels[row], side=_NEIGHBOUR), label, printable(file))
        for row, (file, label) in zip(image.prediction.nearest, image.nearest, strict=True)
    ]


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} × {shape[0]} pixels"
