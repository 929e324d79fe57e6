"""Fit a detector: its boundaries, and the ranks of every simulated image by those fitted without its source image.

The fit is repeated without each fifth of the source images.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.image.boundaries import fit_boundaries
from cnnexp.diagnosis.image.detector import Detector, Ints, places_of
from cnnexp.diagnosis.image.gaussians import Floats
from cnnexp.diagnosis.image.measures import (
    changed_odds,
    kind_posteriors,
    least_rank,
    nearest_distances,
    not_clean_shares,
    rank_low,
)
from cnnexp.diagnosis.image.orbit import CLEAN, TURNS, Orbit, after
from cnnexp.diagnosis.image.simulation import FOLDS, Simulated, Values

TEMPERATURES = np.geomspace(0.5, 4, 13)  # boundaries may be more, or less, sure than they are right


def fit_detector(simulated: Simulated, *, pixel_numbers: int) -> Detector:
    """Fit the boundaries, and rank every simulated image by those that were fitted without its source image."""
    names = tuple(dict.fromkeys(simulated.names))
    assert names[0] == CLEAN
    kind_of = np.array([names.index(name) for name in simulated.names])
    count, kinds = len(simulated.names), kind_of[simulated.forms]
    likelihoods, apart = np.empty((len(kinds), count)), np.empty((len(kinds), 3))
    restored_kinds, restored_apart = kinds[simulated.restored_rows], np.empty((len(simulated.restored), 3))
    folds = simulated.sources % FOLDS
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fitted = fit_boundaries(simulated.values[inside], simulated.forms[inside], simulated.sources[inside], kind_of)
        rows = fitted.whitened(simulated.values)
        likelihoods[outside] = fitted.log_likelihoods(rows[outside])
        restored, of_fold = fitted.whitened(simulated.restored), folds[simulated.restored_rows] == fold
        for kind in range(len(names)):
            asked, known = outside[kinds[outside] == kind], inside[kinds[inside] == kind]
            apart[asked] = nearest_distances(rows[asked], rows[known], pixel_numbers)
            own = restored_kinds == kind
            if own.any():
                found = nearest_distances(restored[own & of_fold], restored[own & ~of_fold], pixel_numbers)
                restored_apart[own & of_fold] = found
    temperature = _temperature(likelihoods, kind_of, kinds)
    alone = kind_posteriors(likelihoods, kind_of, temperature)
    views = simulated.names[: len(simulated.views)]
    posteriors, vote_temperatures = _with_votes(alone, names, views, simulated.views)
    shares = not_clean_shares(posteriors)
    of_kind = [kinds == kind for kind in range(len(names))]
    sorted_apart = tuple(np.sort(apart[chosen], axis=0) for chosen in of_kind)
    final = fit_boundaries(simulated.values, simulated.forms, simulated.sources, kind_of)
    rows = final.whitened(simulated.values)
    clean = simulated.views[0]
    sorted_restored = tuple(np.sort(restored_apart[restored_kinds == kind], axis=0) for kind in range(len(names)))
    sorted_oddity = tuple(
        np.sort(least_rank(apart[own], known)) for own, known in zip(of_kind, sorted_apart, strict=True)
    )
    sorted_shares = tuple(np.sort(shares[chosen, kind]) for kind, chosen in enumerate(of_kind))
    return Detector(
        names=names,
        views=views,
        kind_of=kind_of,
        boundaries=final,
        temperature=temperature,
        vote_temperatures=vote_temperatures,
        rows=rows,
        row_kinds=kinds,
        clean_scores=changed_odds(posteriors[clean]),
        clean_firsts=shares[clean].argmax(axis=1),
        pixel_numbers=pixel_numbers,
        apart=sorted_apart,
        oddity=sorted_oddity,
        shares=sorted_shares,
        posteriors=posteriors,
        row_forms=simulated.forms,
        clean_rows=clean,
        alone=alone[clean],
        clean_evidence=_of_first_kinds(
            clean, shares, rows, kinds, sorted_apart, sorted_oddity, sorted_shares, pixel_numbers
        ),
        restored_rows=final.whitened(simulated.restored),
        restored_kinds=restored_kinds,
        restored_apart=sorted_restored,
        restored_oddity=tuple(
            np.sort(least_rank(restored_apart[restored_kinds == kind], sorted_restored[kind]))
            for kind in range(len(names))
        ),
    )


def _of_first_kinds(
    clean: Ints,
    shares: Floats,
    rows: Values,
    kinds: Ints,
    apart: tuple[Floats, ...],
    oddity: tuple[Floats, ...],
    sorted_shares: tuple[Floats, ...],
    pixel_numbers: int,
) -> Floats:
    """Return (n, 3) share, typical_p and share_p of the most probable kind of clean rows (n,)."""
    first = shares[clean].argmax(axis=1)
    found = np.stack([shares[clean, first], np.zeros(len(clean)), np.zeros(len(clean))], axis=1)
    for kind in np.unique(first).tolist():
        own = first == kind
        off = least_rank(nearest_distances(rows[clean[own]], rows[kinds == kind], pixel_numbers), apart[kind])
        found[own, 1] = rank_low(off, oddity[kind])
        found[own, 2] = rank_low(found[own, 0], sorted_shares[kind])
    return found


def _with_votes(
    alone: Floats, names: tuple[str, ...], views: tuple[str, ...], rows: Ints
) -> tuple[Floats, tuple[float, float]]:
    """Return log posteriors (R, K) with the votes of all views, and their temperatures; `rows` (V, n) are the views."""
    orbit, row_of = Orbit(places_of(names, views)), dict(zip(views, rows, strict=True))
    found = {}
    for kind in views:  # the views of an image that was changed are other rows of the same source
        seen = {CLEAN: row_of[kind], kind: row_of[CLEAN]}
        if kind in TURNS:
            seen = {view: row_of[after(view, kind)] for view in TURNS}
        if kind == CLEAN:
            seen = row_of
        found[kind] = orbit.votes({view: alone[places] for view, places in seen.items()})
    orbit, divided = orbit.tempered(found), alone.copy()
    for kind, cast in found.items():
        divided[row_of[kind]] = orbit.divide(alone[row_of[kind]], cast)
    return divided, orbit.temperatures


def _temperature(likelihoods: Floats, kind_of: NDArray[np.int64], kinds: NDArray[np.int64]) -> float:
    """Return the temperature under which the kinds of simulated images are most probable."""
    weights = 1 / np.bincount(kinds)[kinds]  # kinds count alike
    places = np.arange(len(kinds))

    def loss(temperature: float) -> float:
        return float(-(weights * kind_posteriors(likelihoods, kind_of, temperature)[places, kinds]).sum())

    return float(min(TEMPERATURES, key=loss))
