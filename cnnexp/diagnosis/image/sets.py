"""Many images at once: whether they share a mismatch, by the evidence of all of them together."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import trim_mean

from cnnexp.diagnosis.image.confirm import LISTED, POSSIBLE_P, TYPICAL_P
from cnnexp.diagnosis.image.detector import Detector
from cnnexp.diagnosis.image.gaussians import Floats
from cnnexp.diagnosis.image.kinds import OTHER
from cnnexp.diagnosis.image.measures import log_odds
from cnnexp.diagnosis.image.orbit import undoing
from cnnexp.diagnosis.image.simulation import Values
from cnnexp.records import Labels

FEWEST = 5  # images of a set; fewer are judged one by one
DRAWS = 2_000  # sets of ordinary images that a set is compared with: p-values in steps of 0.0005
# A set is accused where fewer ordinary sets look as little clean. Half of them are of one class: a folder often is.
ACCUSE_P = 0.005
# It is, too, where the first kind has an inverse, and undoing it makes an ordinary set of one that fewer than these
# look like: an ordinary set that looks changed by chance looks more so when it is changed.
SUSPECT_P = 0.02
RESTORED_P = 0.1
NAMED = 0.9  # share of all that is not clean, from which one kind is named
FLOOR = -6.0  # log probability that one image can say against a kind, at most: a set may hold a few others
TRIMMED = 0.2  # share of the images that is left out at either end, kind by kind
LEAST_DEVIATION = 0.1  # of mean log-odds between ordinary sets; where all are at the floor, it would be 0
MOST_COUNTED = 30  # images whose evidence adds up; those of one fault are not independent beyond
KIND_DRAWS = 200  # simulated sets of a kind that a set is compared with
CANDIDATES = 4  # kinds that are reported
# Mean over the images of the share of simulated ones that lie as far out: 0.5 for images of the kind. Five images that
# are of it are below 0.25 once in fifty times; images of a kind that was never simulated usually are, all of them.
TYPICAL_MEAN = 0.25
UNDONE_P = 0.02  # of ordinary sets look less clean than one that was undone rightly


@dataclass(frozen=True, kw_only=True, slots=True)
class SetCandidate:
    """A kind of mismatch that may explain a set of images."""

    kind: str
    share: float  # of all that is not clean, 0..1
    share_p: float  # share of simulated sets of the kind that are given as little of it
    typical: float  # mean share of simulated images of the kind that lie as far out as these; 0.5 is usual
    explained: int  # images that do not lie farther out than all but a few of the simulated ones
    undone_p: float | None  # share of ordinary sets that look as little clean as this one undone; None: no inverse

    @property
    def is_possible(self) -> bool:
        """Whether the evidence does not exclude it."""
        undone = self.undone_p is None or self.undone_p >= UNDONE_P
        return self.share_p >= POSSIBLE_P and self.typical >= TYPICAL_MEAN and undone


@dataclass(frozen=True, kw_only=True, slots=True)
class SetSuspicion:
    """What the simulated kinds say of a set."""

    images: int
    clean_p: float  # share of ordinary sets of so many images that look as little clean
    candidates: tuple[SetCandidate, ...]  # the most probable first

    @property
    def is_accused(self) -> bool:
        """Whether chance is excluded."""
        first = self.candidates[0]
        restored = first.share >= NAMED and first.undone_p is not None and first.undone_p >= RESTORED_P
        return self.clean_p <= (SUSPECT_P if restored else ACCUSE_P)

    @property
    def explained(self) -> int:
        """How many of the images the kind that is named explains; none is named: the likeliest one."""
        return (self.named or self.candidates)[0].explained

    @property
    def named(self) -> tuple[SetCandidate, ...]:
        """One kind, or a ranked set of those that the evidence cannot separate; empty: none is confirmed."""
        possible = tuple(candidate for candidate in self.candidates if candidate.is_possible)
        if not self.is_accused or not possible or any(candidate.kind == OTHER for candidate in possible):
            return ()
        if possible[0] is not self.candidates[0]:  # the likeliest is excluded, by its own simulated sets or its inverse
            return possible if len(possible) == 1 else ()
        return possible[:1] if possible[0].share >= NAMED else possible if len(possible) <= LISTED else ()


def suspect_set(views: Values, detector: Detector, clean_labels: Labels, *, seed: int) -> SetSuspicion:
    """Return what is suspected of N images together, by their described views (V, N, D).

    `clean_labels` are those of the images that the detector was fitted on.
    """
    evidence, count, labels = detector.assess(views), views.shape[1], clean_labels[detector.clean_rows]
    ordinary = _ordinary_sets(detector.posteriors[detector.clean_rows], labels, count, seed)
    ordinary_alone = _ordinary_sets(detector.alone, labels, count, seed)
    shares = set_shares(evidence.log_posterior)
    order = (1 + np.argsort(-shares[1:], kind="stable")[:CANDIDATES]).tolist()

    def candidate(kind: int) -> SetCandidate:
        name, typical = detector.names[kind], evidence.typical_p[:, kind]
        undone = evidence.undone[detector.views.index(undoing(name))] if name in detector.views else None
        return SetCandidate(
            kind=name,
            share=float(shares[kind]),
            share_p=_share_p(shares[kind], detector, kind, count, seed),
            typical=float(typical.mean()),
            explained=int((typical >= TYPICAL_P).sum()),
            undone_p=None if undone is None else ordinary_alone.p_value(undone),
        )

    return SetSuspicion(
        images=count,
        clean_p=ordinary.p_value(evidence.log_posterior),
        candidates=tuple(candidate(kind) for kind in order),
    )


def _share_p(share: float, detector: Detector, kind: int, size: int, seed: int) -> float:
    """Return the share of simulated sets of a kind, each of one form, that are given as little of it."""
    generator = np.random.default_rng(seed)
    forms = np.unique(detector.row_forms[detector.row_kinds == kind])
    drawn = []
    for form in generator.choice(forms, KIND_DRAWS).tolist():
        rows = detector.posteriors[detector.row_forms == form]
        drawn.append(set_shares(rows[generator.integers(0, len(rows), size)])[kind])
    return float((np.sum(np.array(drawn) <= share) + 1) / (KIND_DRAWS + 1))


def set_shares(log_posterior: Floats) -> Floats:
    """Return (K,) the share of each kind of all that is not clean, by (N, K) of the images; that of clean is 0."""
    mean = trim_mean(np.maximum(log_posterior, FLOOR), TRIMMED, axis=0)
    total = mean[1:] * min(len(log_posterior), MOST_COUNTED)
    shares = np.zeros(len(mean))
    shares[1:] = np.exp(total - logsumexp(total))
    return shares


@dataclass(frozen=True, slots=True)
class _OrdinarySets:
    """Mean log-odds of every kind in sets of clean images, and how high the highest of them usually is."""

    mean: Floats  # (K,)
    deviation: Floats  # (K,)
    highest: Floats  # (DRAWS,) sorted

    def p_value(self, log_posterior: Floats) -> float:
        """Return the share of ordinary sets whose highest kind stands out as much (Westfall & Young 1993, max t)."""
        score = float(self._standing_out(_mean_odds(log_posterior)[None])[0])
        return float((len(self.highest) - np.searchsorted(self.highest, score) + 1) / (len(self.highest) + 1))

    def _standing_out(self, odds: Floats) -> Floats:
        highest: Floats = ((odds - self.mean) / self.deviation)[:, 1:].max(axis=1)
        return highest

    @classmethod
    def of(cls, odds: Floats) -> "_OrdinarySets":
        """Make it of the mean log-odds (DRAWS, K) of drawn sets."""
        unsorted = cls(odds.mean(axis=0), np.maximum(odds.std(axis=0), LEAST_DEVIATION), np.empty(0))
        return cls(unsorted.mean, unsorted.deviation, np.sort(unsorted._standing_out(odds)))


def _mean_odds(log_posterior: Floats) -> Floats:
    """Return (K,) the mean log-odds of each kind, without the highest and the lowest fifth: a set may hold others."""
    mean: Floats = trim_mean(np.clip(log_odds(log_posterior), FLOOR, -FLOOR), TRIMMED, axis=0)
    return mean


def _ordinary_sets(posteriors: Floats, labels: Labels, size: int, seed: int) -> _OrdinarySets:
    """Draw sets of clean images: half of them mixed, half of one class."""
    generator = np.random.default_rng(seed)
    odds = np.clip(log_odds(posteriors), FLOOR, -FLOOR)
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    drawn = [generator.integers(0, len(odds), size) for _ in range(DRAWS // 2)]
    drawn += [generator.choice(rows[place], size) for place in generator.integers(0, len(rows), DRAWS - DRAWS // 2)]
    return _OrdinarySets.of(trim_mean(odds[np.stack(drawn)], TRIMMED, axis=1))
