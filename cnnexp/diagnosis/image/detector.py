"""Which kind of mismatch an image shows: simulated kinds told apart by Gaussians, and how unusual that is for each.

One Gaussian for each form of each kind with a common covariance (linear discriminant analysis with subclasses: Hastie &
Tibshirani 1996), so that a kind is a mixture. What can be undone exactly is told by all views, see `orbit`. All limits
are conformal ranks among simulated images which the Gaussians they are ranked by were not fitted on: the fit is
repeated without each fifth of the source images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp

from cnnexp.diagnosis.image.orbit import CLEAN, TURNS, Orbit, after, undoing
from cnnexp.diagnosis.image.simulation import Simulated, Values

ACCUSE_P = 0.01  # share of ordinary images that are accused, at most; naming them needs more
SUSPECT_P = (
    0.1  # share of ordinary images that look as much changed as one by which a kind can be told, see `recognized`
)
MARGIN = 1.0  # of log-odds, by which an image must look more changed than clean ones that look changed in its way
FOLDS = 5
SHRINKAGE = 0.02  # of the covariance towards its diagonal; 12,000 rows of 200 numbers
CLIP = 6.0  # standard deviations beyond which a number says no more
NEIGHBOUR = 3  # which of the nearest simulated images tells how typical an image is
TEMPERATURES = np.geomspace(1, 16, 17)  # Gaussians of dependent numbers are too sure of themselves

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaussians:
    """One for each form, whitened: distances are Mahalanobis distances."""

    centre: Values  # (D,)
    scale: Values  # (D,)
    whiten: Values  # (D, D) lower triangular; z = solve(whiten, x)
    means: Values  # (F, D) whitened

    def whitened(self, values: Values) -> Values:
        """Return (N, D) rows in which one unit is one standard deviation in every direction."""
        clipped = np.clip((values - self.centre) / self.scale, -CLIP, CLIP)
        rows: Values = solve_triangular(self.whiten, clipped.T, lower=True, check_finite=False).T.astype(np.float32)
        return rows

    def log_likelihoods(self, rows: Values) -> Floats:
        """Return (N, F), up to a constant, of whitened rows."""
        return -_squared_distances(rows, self.means) / 2


def fit_gaussians(values: Values, forms: NDArray[np.int64], count: int) -> Gaussians:
    """Fit one Gaussian for each of `count` forms to rows (R, D)."""
    centre, scale = values.mean(axis=0), values.std(axis=0) + np.float32(1e-4)
    rows = np.clip((values - centre) / scale, -CLIP, CLIP)
    means = np.stack([rows[forms == form].mean(axis=0) for form in range(count)])
    within = rows - means[forms]
    covariance = within.T @ within / len(rows)
    diagonal = np.diag(np.diag(covariance))
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal + 1e-3 * np.eye(len(covariance))
    whiten = cholesky(shrunk, lower=True).astype(np.float32)
    whitened = solve_triangular(whiten, means.T, lower=True).T.astype(np.float32)
    return Gaussians(centre=centre, scale=scale, whiten=whiten, means=whitened)


def _squared_distances(rows: Values, to: Values) -> Floats:
    products = rows @ to.T
    squared = (rows**2).sum(axis=1)[:, None] - 2 * products + (to**2).sum(axis=1)[None]
    found: Floats = np.maximum(squared, 0).astype(np.float64)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of N images."""

    log_posterior: Floats  # (N, K) of each kind, all kinds equally probable before
    clean_p: Floats  # (N,) share of clean images that look as much changed, in any way
    kind_p: Floats  # (N,) share of clean images that look as much changed in the way that is most probable
    typical_p: Floats  # (N, K) share of simulated images of each kind that are as far from all others of it
    share: Floats  # (N, K) of all that is not clean, 0..1; that of clean is 0
    share_p: Floats  # (N, K) share of simulated images of each kind that are given as little of it
    odds: Floats  # (N,) log-odds of any kind against clean
    undone_p: Floats  # (N, K) share of clean images that look as much changed as this one undone; NaN: no inverse
    undone: Floats  # (V, N, K) log posteriors of the views alone, without votes


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """What was fitted once for a model."""

    names: tuple[str, ...]  # (K,) kinds; the first one is clean
    views: tuple[str, ...]  # (V,) of these, those that are views; the first one is clean
    kind_of: NDArray[np.int64]  # (F,) the kind of each form
    gaussians: Gaussians
    temperature: float
    vote_temperatures: tuple[float, float]  # see `Orbit`
    rows: Values  # (R, D) whitened simulated images
    row_kinds: NDArray[np.int64]  # (R,)
    clean_scores: Floats  # (n,) log-odds of any kind against clean, of clean images
    clean_firsts: NDArray[np.int64]  # (n,) the most probable kind of each of them, beside clean
    pixel_numbers: int  # how many of the D directions are those of pixels alone; the others are those of features
    apart: tuple[Floats, ...]  # K arrays (n, 3), sorted: see `_apart`
    oddity: tuple[Floats, ...]  # K sorted: see `_oddity`
    shares: tuple[Floats, ...]  # K sorted shares that images of a kind are given of it
    posteriors: Floats  # (R, K) log posteriors of the simulated images, by Gaussians that were fitted without them
    row_forms: NDArray[np.int64]  # (R,)
    clean_rows: NDArray[np.int64]  # (n,) of the R: the clean images of which all views are known
    alone: Floats  # (n, K) log posteriors of these without votes
    clean_evidence: Floats  # (n, 3) share, typical_p and share_p of the first kind of each of them
    restored_rows: Values  # (Q, D) whitened simulated images with their kind undone as well as can be
    restored_kinds: Ints  # (Q,)
    restored_apart: tuple[Floats, ...]  # as `apart`, of these
    restored_oddity: tuple[Floats, ...]  # as `oddity`

    def assess(self, views: Values) -> Evidence:
        """Return the evidence of images by their described views (V, N, D)."""
        whitened = [self.gaussians.whitened(values) for values in views]
        alone = np.stack(
            [kind_posteriors(self.gaussians.log_likelihoods(one), self.kind_of, self.temperature) for one in whitened]
        )
        rows, orbit = whitened[0], Orbit(_places(self.names, self.views), self.vote_temperatures)
        log_posterior = orbit.divide(alone[0], orbit.votes(dict(zip(self.views, alone, strict=True))))
        share = not_clean_shares(log_posterior)
        odds = _changed_odds(log_posterior)
        typical_p = np.stack([self._typical_p(rows, kind) for kind in range(len(self.names))], axis=1)
        return Evidence(
            log_posterior=log_posterior,
            clean_p=_rank_high(odds, np.sort(self.clean_scores)),
            kind_p=self._kind_p(odds, share.argmax(axis=1)),
            typical_p=typical_p,
            share=share,
            share_p=np.stack([_rank_low(share[:, k], known) for k, known in enumerate(self.shares)], axis=1),
            odds=odds,
            undone_p=self._undone_p(alone),
            undone=alone,
        )

    def _undone_p(self, alone: Floats) -> Floats:
        known = np.sort(_changed_odds(self.alone))
        found = np.full(alone.shape[1:], np.nan)
        for kind in self.views[1:]:
            odds = _changed_odds(alone[self.views.index(undoing(kind))])
            found[:, self.names.index(kind)] = _rank_high(odds, known)
        return found

    def _kind_p(self, odds: Floats, first: NDArray[np.int64]) -> Floats:
        """Return (N,) shares of clean images; those that look grey by nature say nothing about one that looks dark."""
        alike = first[:, None] == self.clean_firsts
        as_much = self.clean_scores >= odds[:, None] - MARGIN
        share: Floats = ((alike & as_much).sum(axis=1) + 1) / (len(self.clean_scores) + 1)
        return share

    def restored_p(self, kind: int, values: Values) -> Floats:
        """Return (N,) the share of simulated images of a kind that are as far from the others when it is undone.

        `values` (N, D) describe images in which it was undone.
        """
        known = self.restored_rows[self.restored_kinds == kind]
        apart = _apart(self.gaussians.whitened(values), known, self.pixel_numbers)
        return _rank_low(_oddity(apart, self.restored_apart[kind]), self.restored_oddity[kind])

    def _typical_p(self, rows: Values, kind: int) -> Floats:
        apart = _apart(rows, self.rows[self.row_kinds == kind], self.pixel_numbers)
        return _rank_low(_oddity(apart, self.apart[kind]), self.oddity[kind])


def recognized(detector: Detector) -> dict[str, float]:
    """Return how well one image tells each kind: the share of its simulated images, 0..1, that are most like it.

    By Gaussians that were fitted without their source image; and they look more changed than nine of ten ordinary ones.
    """
    first = not_clean_shares(detector.posteriors).argmax(axis=1)
    limit = np.quantile(detector.clean_scores, 1 - SUSPECT_P)
    seen = (first == detector.row_kinds) & (_changed_odds(detector.posteriors) > limit)
    return {
        name: float(seen[detector.row_kinds == kind].mean())
        for kind, name in enumerate(detector.names)
        if name != CLEAN
    }


def not_clean_shares(log_posterior: Floats) -> Floats:
    """Return (N, K) the share of each kind of all that is not clean; that of clean is 0."""
    shares = np.exp(log_posterior - log_posterior[:, 1:].max(axis=1, keepdims=True))
    shares[:, 0] = 0
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def log_odds(log_posterior: Floats) -> Floats:
    """Return (N, K) the log-odds of each kind against being clean."""
    odds: Floats = log_posterior - log_posterior[:, :1]
    return odds


def _changed_odds(log_posterior: Floats) -> Floats:
    """Return (N,) the log-odds of any kind against being clean."""
    odds: Floats = logsumexp(log_posterior[:, 1:], axis=1) - log_posterior[:, 0]
    return odds


def kind_posteriors(log_likelihoods: Floats, kind_of: NDArray[np.int64], temperature: float) -> Floats:
    """Return (N, K) log posteriors of kinds from (N, F) of forms; kinds, and forms of a kind, are equally probable."""
    kinds = int(kind_of.max()) + 1
    tempered = log_likelihoods / temperature
    joint = np.stack(
        [logsumexp(tempered[:, kind_of == k], axis=1) - np.log((kind_of == k).sum()) for k in range(kinds)], axis=1
    )
    posterior: Floats = joint - logsumexp(joint, axis=1, keepdims=True)
    return posterior


def _apart(rows: Values, known: Values, pixel_numbers: int) -> Floats:
    """Return (N, 3) distances to the third nearest of known rows: in all directions, those of pixels, of features.

    The directions of features are what pixels do not tell: rows are whitened by a triangular matrix, pixels first.
    """
    parts = slice(None), slice(pixel_numbers), slice(pixel_numbers, None)
    nearest = [
        np.partition(_squared_distances(rows[:, part], known[:, part]), NEIGHBOUR - 1, axis=1)[:, NEIGHBOUR - 1]
        for part in parts
    ]
    distance: Floats = np.sqrt(np.stack(nearest, axis=1))
    return distance


def _oddity(apart: Floats, known: Floats) -> Floats:
    """Return (N,) the smallest of the three shares of known images, sorted (n, 3), that are as far off."""
    ranks = [_rank_high(apart[:, part], known[:, part]) for part in range(apart.shape[1])]
    smallest: Floats = np.min(ranks, axis=0)
    return smallest


def _rank_low(scores: Floats, known: Floats) -> Floats:
    ranks: Floats = (np.searchsorted(known, scores, side="right") + 1) / (len(known) + 1)
    return np.minimum(ranks, 1.0)


def _rank_high(scores: Floats, known: Floats) -> Floats:
    ranks: Floats = (len(known) - np.searchsorted(known, scores, side="left") + 1) / (len(known) + 1)
    return ranks


def fit_detector(simulated: Simulated, *, pixel_numbers: int) -> Detector:
    """Fit the Gaussians, and rank every simulated image by Gaussians that were fitted without its source image."""
    names = tuple(dict.fromkeys(simulated.names))
    assert names[0] == CLEAN
    kind_of = np.array([names.index(name) for name in simulated.names])
    count, kinds = len(simulated.names), kind_of[simulated.forms]
    likelihoods, apart = np.empty((len(kinds), count)), np.empty((len(kinds), 3))
    restored_kinds, restored_apart = kinds[simulated.restored_rows], np.empty((len(simulated.restored), 3))
    folds = simulated.sources % FOLDS
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fitted = fit_gaussians(simulated.values[inside], simulated.forms[inside], count)
        rows = fitted.whitened(simulated.values)
        likelihoods[outside] = fitted.log_likelihoods(rows[outside])
        restored, of_fold = fitted.whitened(simulated.restored), folds[simulated.restored_rows] == fold
        for kind in range(len(names)):
            asked, known = outside[kinds[outside] == kind], inside[kinds[inside] == kind]
            apart[asked] = _apart(rows[asked], rows[known], pixel_numbers)
            own = restored_kinds == kind
            if own.any():
                found = _apart(restored[own & of_fold], restored[own & ~of_fold], pixel_numbers)
                restored_apart[own & of_fold] = found
    temperature = _temperature(likelihoods, kind_of, kinds)
    alone = kind_posteriors(likelihoods, kind_of, temperature)
    views = simulated.names[: len(simulated.views)]
    posteriors, vote_temperatures = _with_votes(alone, names, views, simulated.views)
    shares = not_clean_shares(posteriors)
    of_kind = [kinds == kind for kind in range(len(names))]
    sorted_apart = tuple(np.sort(apart[chosen], axis=0) for chosen in of_kind)
    final = fit_gaussians(simulated.values, simulated.forms, count)
    rows = final.whitened(simulated.values)
    clean = simulated.views[0]
    sorted_restored = tuple(np.sort(restored_apart[restored_kinds == kind], axis=0) for kind in range(len(names)))
    sorted_oddity = tuple(np.sort(_oddity(apart[own], known)) for own, known in zip(of_kind, sorted_apart, strict=True))
    sorted_shares = tuple(np.sort(shares[chosen, kind]) for kind, chosen in enumerate(of_kind))
    return Detector(
        names=names,
        views=views,
        kind_of=kind_of,
        gaussians=final,
        temperature=temperature,
        vote_temperatures=vote_temperatures,
        rows=rows,
        row_kinds=kinds,
        clean_scores=_changed_odds(posteriors[clean]),
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
            np.sort(_oddity(restored_apart[restored_kinds == kind], sorted_restored[kind]))
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
        off = _oddity(_apart(rows[clean[own]], rows[kinds == kind], pixel_numbers), apart[kind])
        found[own, 1] = _rank_low(off, oddity[kind])
        found[own, 2] = _rank_low(found[own, 0], sorted_shares[kind])
    return found


def _places(names: tuple[str, ...], views: tuple[str, ...]) -> dict[str, int]:
    return {view: names.index(view) for view in views}


def _with_votes(
    alone: Floats, names: tuple[str, ...], views: tuple[str, ...], rows: Ints
) -> tuple[Floats, tuple[float, float]]:
    """Return log posteriors (R, K) with the votes of all views, and their temperatures; `rows` (V, n) are the views."""
    orbit, row_of = Orbit(_places(names, views)), dict(zip(views, rows, strict=True))
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
