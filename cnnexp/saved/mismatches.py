"""The detector of mismatches of one saved model: fitted when it is first needed, and kept in the cache folder.

It depends on the weights of the model, and on images that these were not trained on. Predictions do without.
"""

import io
import math
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cnnexp.datasets.cache.folder import cache_folder
from cnnexp.diagnosis.image.boundaries import Boundaries
from cnnexp.diagnosis.image.detector import Detector
from cnnexp.diagnosis.image.fit_detector import fit_detector
from cnnexp.diagnosis.image.gaussians import Gaussians
from cnnexp.diagnosis.image.kinds import Kind, kinds_for
from cnnexp.diagnosis.image.pixel_numbers import pixel_numbers
from cnnexp.diagnosis.image.restore import Usual
from cnnexp.diagnosis.image.simulation import Describe, Values, simulate
from cnnexp.errors import ModelError
from cnnexp.portable.card import MODEL_FILE, REFERENCE_FILE, digest_of
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.decision import decide
from cnnexp.portable.forward import Forward
from cnnexp.records import Images, Labels
from cnnexp.saved.held_out import FEWEST, HeldOut
from cnnexp.system.files import content_of, write_atomically

VERSION = 18  # of the kinds, the numbers and the fit: increased when one of them changes
FOLDER = "diagnosis"  # in the cache folder
MOST_CLASSES = 50  # whose means are directions of long features, beside their principal ones
_LARGE = 96 * 96  # pixels of an image
_AT_ONCE, _VALUES_AT_ONCE = 256, 2**22  # images, and values of these, through the network, at most
_GAUSSIANS = ("centre", "scale", "whiten", "means")
_OF_KINDS = ("apart", "oddity", "shares")
_OF_RESTORED = ("restored_apart", "restored_oddity")
_SEED = 0


@dataclass(frozen=True, slots=True)
class Mismatches:
    """What is needed to look for mismatches in images of one model."""

    detector: Detector
    answers: Labels  # (n,) of the model for the ordinary images that it was fitted on
    usual: Usual  # what is usual among these
    kinds: tuple[Kind, ...]
    describe: Describe
    fitted_on: str  # what these images are


def mismatches_of(model: Classifier, held_out: HeldOut, *, on_fit: Callable[[], None]) -> Mismatches:
    """Return the detector of a model, from the cache folder or fitted on `held_out`. `on_fit` is called before a fit.

    Raises:
        DataError: The images cannot be read.
        ModelError: They are fewer than `held_out.FEWEST`.

    """
    kinds, describe = kinds_for(model.card.image.shape[-1]), _describer(model, model.forward)
    key = digest_of(f"{held_out.key} {model.card.files[REFERENCE_FILE]}".encode())[:16]
    path = cache_folder(None) / FOLDER / f"{model.card.files[MODEL_FILE][:16]}-{key}-{VERSION}.npz"
    kept = _read(content_of(path))
    if kept is None:
        kept = _fit(model, held_out, kinds, on_fit)
        with suppress(OSError):  # a cache that cannot be written costs time, no answer
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _to_bytes(*kept))
    return Mismatches(*kept, kinds, describe, held_out.name)


def _fit(
    model: Classifier, held_out: HeldOut, kinds: tuple[Kind, ...], on_fit: Callable[[], None]
) -> tuple[Detector, Labels, Usual]:
    images, _ = held_out.read()
    if len(images) < FEWEST:
        raise ModelError(f"There are {len(images)} {held_out.name}.")
    on_fit()
    simulated = simulate(images, kinds, _describer(model, _forward_of_many(model)), seed=_SEED)
    with threadpool_limits(1, "blas"):  # the matrices are small: threads would wait for each other
        detector = fit_detector(simulated, pixel_numbers=pixel_numbers(images[:1]).shape[1])
    ordinary = images[simulated.chosen]
    return detector, answers_of(model, ordinary), Usual.of(ordinary)


def answers_of(model: Classifier, images: Images) -> Labels:
    """Return the answers (N,) of a model for images (N, H, W, C), as places of the card's class names."""
    probabilities = np.concatenate([model.forward(np.ascontiguousarray(chunk))[0] for chunk in _chunks(images)])
    return decide(probabilities, model.card.class_names, model.card.decision)


def _chunks(images: Images) -> list[Images]:
    """Return images in parts that a network is given at once."""
    step = max(1, min(_AT_ONCE, _VALUES_AT_ONCE // math.prod(images.shape[1:])))
    return [images[start : start + step] for start in range(0, len(images), step)]


def _forward_of_many(model: Classifier) -> Forward:
    """Return the forward pass that describes most images in the least time: of large ones, one that is prepared."""
    is_large = math.prod(model.card.image.shape[:2]) >= _LARGE
    return model.prepare() if is_large and model.prepare is not None else model.forward


def _describer(model: Classifier, forward: Forward) -> Describe:
    """Return what describes images: their pixels, what the network makes of them, and how far off they are."""
    reference = model.reference
    gaussians = reference.feature_gaussians
    directions = np.concatenate([gaussians.axes, gaussians.means[:MOST_CLASSES]])

    def describe(images: Images) -> Values:
        features = np.concatenate([forward(np.ascontiguousarray(chunk))[1] for chunk in _chunks(images)])
        columns = [
            pixel_numbers(images),
            features if features.shape[1] <= len(gaussians.axes) else features @ directions.T,
            np.log(gaussians.distances(features) + 1)[:, None],
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    return describe


def _to_bytes(detector: Detector, answers: Labels, usual: Usual) -> bytes:
    names = (*_OF_KINDS, *_OF_RESTORED)
    of_kinds: dict[str, Any] = {name: np.concatenate(getattr(detector, name)) for name in names}
    file = io.BytesIO()
    np.savez(
        file,
        names=np.array(detector.names),
        views=np.array(detector.views),
        kind_of=detector.kind_of,
        **{name: getattr(detector.boundaries.gaussians, name) for name in _GAUSSIANS},
        weights=detector.boundaries.weights,
        biases=detector.boundaries.biases,
        temperature=np.float64(detector.temperature),
        vote_temperatures=np.array(detector.vote_temperatures),
        rows=detector.rows.astype(np.float16),
        row_kinds=detector.row_kinds,
        clean_scores=detector.clean_scores,
        clean_firsts=detector.clean_firsts,
        posteriors=detector.posteriors.astype(np.float32),
        row_forms=detector.row_forms,
        clean_rows=detector.clean_rows,
        alone=detector.alone,
        pixel_numbers=np.int64(detector.pixel_numbers),
        **of_kinds,
        counts=np.array([len(part) for part in detector.apart]),
        answers=answers,
        clean_evidence=detector.clean_evidence,
        restored_rows=detector.restored_rows.astype(np.float16),
        restored_kinds=detector.restored_kinds,
        restored_counts=np.array([len(part) for part in detector.restored_oddity]),
        usual=np.array([usual.mean, usual.deviation, usual.colour, *usual.channels]),
    )
    return file.getvalue()


def _read(content: bytes | None) -> tuple[Detector, Labels, Usual] | None:
    """Return a kept detector, answers for and usual numbers of its ordinary images; None: there is none, or damaged."""
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            detector = Detector(
                names=tuple(arrays["names"].tolist()),
                views=tuple(arrays["views"].tolist()),
                kind_of=arrays["kind_of"],
                boundaries=Boundaries(
                    gaussians=Gaussians(**{name: arrays[name] for name in _GAUSSIANS}),
                    weights=arrays["weights"],
                    biases=arrays["biases"],
                ),
                temperature=float(arrays["temperature"]),
                vote_temperatures=tuple(arrays["vote_temperatures"].tolist()),
                rows=arrays["rows"].astype(np.float32),
                row_kinds=arrays["row_kinds"],
                clean_scores=arrays["clean_scores"],
                clean_firsts=arrays["clean_firsts"],
                posteriors=arrays["posteriors"].astype(np.float64),
                row_forms=arrays["row_forms"],
                clean_rows=arrays["clean_rows"],
                alone=arrays["alone"],
                pixel_numbers=int(arrays["pixel_numbers"]),
                **{name: tuple(np.split(arrays[name], np.cumsum(arrays["counts"])[:-1])) for name in _OF_KINDS},
                clean_evidence=arrays["clean_evidence"],
                restored_rows=arrays["restored_rows"].astype(np.float32),
                restored_kinds=arrays["restored_kinds"],
                **{
                    name: tuple(np.split(arrays[name], np.cumsum(arrays["restored_counts"])[:-1]))
                    for name in _OF_RESTORED
                },
            )
            mean, deviation, colour, *channels = arrays["usual"].tolist()
            return detector, arrays["answers"], Usual(mean, deviation, np.array(channels), colour)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return None
