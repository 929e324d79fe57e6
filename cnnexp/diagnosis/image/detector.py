"""Which kind of mismatch an image shows, and how unusual that is for ordinary images and for each kind.

Simulated kinds are told apart by boundaries; what can be undone exactly is told by all views, see `orbit`. All limits
are conformal ranks among simulated images which the boundaries they are ranked by were not fitted on, see
`fit_detector`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.image.boundaries import Boundaries
from cnnexp.diagnosis.image.gaussians import Floats
from cnnexp.diagnosis.image.measures import (
    changed_odds,
    kind_posteriors,
    least_rank,
    nearest_distances,
    not_clean_shares,
    rank_high,
    rank_low,
)
from cnnexp.diagnosis.image.orbit import CLEAN, Orbit, undoing
from cnnexp.diagnosis.image.simulation import Values

ACCUSE_P = 0.01  # share of ordinary images that are accused, at most; naming them needs more
MARGIN = 1.0  # of log-odds, by which an image must look more changed than clean ones that look changed in its way

Ints = NDArray[np.int64]


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
    boundaries: Boundaries
    temperature: float
    vote_temperatures: tuple[float, float]  # see `Orbit`
    rows: Values  # (R, D) whitened simulated images
    row_kinds: NDArray[np.int64]  # (R,)
    clean_scores: Floats  # (n,) log-odds of any kind against clean, of clean images
    clean_firsts: NDArray[np.int64]  # (n,) the most probable kind of each of them, beside clean
    pixel_numbers: int  # how many of the D directions are those of pixels alone; the others are those of features
    apart: tuple[Floats, ...]  # K arrays (n, 3), sorted: see `apart`
    oddity: tuple[Floats, ...]  # K sorted: see `oddity`
    shares: tuple[Floats, ...]  # K sorted shares that images of a kind are given of it
    posteriors: Floats  # (R, K) log posteriors of the simulated images, by boundaries that were fitted without them
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
        whitened = [self.boundaries.whitened(values) for values in views]
        alone = np.stack(
            [kind_posteriors(self.boundaries.log_likelihoods(one), self.kind_of, self.temperature) for one in whitened]
        )
        rows, orbit = whitened[0], Orbit(places_of(self.names, self.views), self.vote_temperatures)
        log_posterior = orbit.divide(alone[0], orbit.votes(dict(zip(self.views, alone, strict=True))))
        share = not_clean_shares(log_posterior)
        odds = changed_odds(log_posterior)
        typical_p = np.stack([self._typical_p(rows, kind) for kind in range(len(self.names))], axis=1)
        return Evidence(
            log_posterior=log_posterior,
            clean_p=rank_high(odds, np.sort(self.clean_scores)),
            kind_p=self._kind_p(odds, share.argmax(axis=1)),
            typical_p=typical_p,
            share=share,
            share_p=np.stack([rank_low(share[:, k], known) for k, known in enumerate(self.shares)], axis=1),
            odds=odds,
            undone_p=self._undone_p(alone),
            undone=alone,
        )

    def _undone_p(self, alone: Floats) -> Floats:
        known = np.sort(changed_odds(self.alone))
        found = np.full(alone.shape[1:], np.nan)
        for kind in self.views[1:]:
            odds = changed_odds(alone[self.views.index(undoing(kind))])
            found[:, self.names.index(kind)] = rank_high(odds, known)
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
        apart = nearest_distances(self.boundaries.whitened(values), known, self.pixel_numbers)
        return rank_low(least_rank(apart, self.restored_apart[kind]), self.restored_oddity[kind])

    def _typical_p(self, rows: Values, kind: int) -> Floats:
        apart = nearest_distances(rows, self.rows[self.row_kinds == kind], self.pixel_numbers)
        return rank_low(least_rank(apart, self.apart[kind]), self.oddity[kind])


def recognized(detector: Detector) -> dict[str, float]:
    """Return how well one image tells each kind: the share of its simulated images, 0..1, that are most like it.

    By boundaries that were fitted without their source image; and they look more changed than all ordinary images but
    those that may be accused.
    """
    first = not_clean_shares(detector.posteriors).argmax(axis=1)
    limit = np.quantile(detector.clean_scores, 1 - ACCUSE_P)
    seen = (first == detector.row_kinds) & (changed_odds(detector.posteriors) > limit)
    return {
        name: float(seen[detector.row_kinds == kind].mean())
        for kind, name in enumerate(detector.names)
        if name != CLEAN
    }


def places_of(names: tuple[str, ...], views: tuple[str, ...]) -> dict[str, int]:
    """Return where each view is among the kinds."""
    return {view: names.index(view) for view in views}
