"""What may be said of one image: a kind is named where chance is excluded and undoing, or repeating, it confirms it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cnnexp.diagnosis.image.detector import ACCUSE_P, Detector, Evidence
from cnnexp.diagnosis.image.gaussians import Floats
from cnnexp.diagnosis.image.kinds import OTHER
from cnnexp.diagnosis.image.simulation import Values

# A kind is possible where at least this share of its simulated images is given as little of it, and lies as far out:
# each bar leaves out one in fifty of them.
POSSIBLE_P = 0.02
# The same for the one kind that is named; images of kinds that were never simulated lie far out. At 0.1 three or four
# points fewer of the development images are named rightly, and a quarter fewer of those that show something else.
TYPICAL_P = 0.05
# Ordinary images that would be named, and look as much changed: at most this share of all.
NAMED_P = 0.003
# The same for one that looks changed in its own way as no ordinary one does: share of those that look as much
# changed in any way, at most. Of 3,600 test images of six development networks 13 get a name by all limits together.
BEYOND_P = 0.03
# Share of the kind's simulated images that lie as far out when the kind is undone, at least: other things, which are
# dark or framed by nature, lie farther out. With 0.02 a third more of them are named by networks for photographs.
RESTORED_P = 0.05
UNDONE_P = 0.05  # share of clean images that look less clean than an image that was undone rightly, at most
# Share of all that is not clean, from which one kind is named: three to one against all others. At 0.7 and 0.8 a point
# more and less of the development images are named rightly; of those with changes like them, but not the same, 0.4
# points more and less wrongly.
NAMED = 0.75
# Ordinary images that look as much changed in any way, where several kinds are listed: at most this share, which is
# none of 500. More of them would be listed than are named.
LISTED_P = 0.002
# Share of simulated images without a name that are given as little of that: from it on, no kind is named alone. With
# 0.04 up to two points fewer of the faults of development photographs are named, and a quarter fewer of changes without
# a name, of which one in fifty is.
UNNAMED_P = 0.05
RIVAL = 0.02  # share from which another kind that is possible is listed beside one that is not named alone
LISTED = 3  # kinds in a ranked set, at most
CANDIDATES = 5  # kinds that are reported

Restored = Callable[[int, str], Values]  # place of an image, kind -> (1, D)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A kind of mismatch that may explain an image."""

    kind: str
    share: float  # of all that is not clean, 0..1
    share_p: float  # share of simulated images of the kind that are given as little of it
    typical_p: float  # share of them that are as far from the others
    undone_p: float | None  # share of clean images that look as little clean as this one undone; None: no inverse
    # Share of simulated images of the kind that are as far from the others when it is undone as well as can be;
    # None: it cannot be, or was not tried because no kind is suspected.
    restored_p: float | None = None

    @property
    def is_possible(self) -> bool:
        """Whether the evidence does not exclude it."""
        return (
            self.share_p >= POSSIBLE_P
            and self.typical_p >= POSSIBLE_P
            and (self.undone_p is None or self.undone_p >= POSSIBLE_P)
            and (self.restored_p is None or self.restored_p >= RESTORED_P)
        )

    @property
    def is_confirmed(self) -> bool:
        """Whether the fault reproduces the image, and undoing it, where that is possible, restores it."""
        return (
            self.kind != OTHER
            and self.share >= NAMED
            and self.typical_p >= TYPICAL_P
            and (self.undone_p is None or self.undone_p >= UNDONE_P)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """What the simulated kinds say of one image."""

    clean_p: float  # share of clean images that look as much changed, in any way
    kind_p: float  # share of clean images that look as much changed in the way of the first candidate
    named_p: float  # share of clean images that would be named, as any kind, and look as much changed
    is_beyond: bool  # no clean image looks as much changed in the way of the first candidate
    candidates: tuple[Candidate, ...]  # the most probable first
    # Share of simulated images of what has no name that are given as little of that; 0: it is excluded.
    unnamed_p: float = 0.0

    @property
    def is_suspect(self) -> bool:
        """Whether a kind may be named: hardly any ordinary image would be, or none that looks changed in its way."""
        return self.named_p <= NAMED_P or (self.is_beyond and self.clean_p <= BEYOND_P)

    @property
    def is_accused(self) -> bool:
        """Whether chance is excluded."""
        return self.clean_p <= ACCUSE_P or bool(self.named)

    @property
    def named(self) -> tuple[Candidate, ...]:
        """One kind, or a ranked set of those that the evidence cannot separate; empty: none is confirmed."""
        if not self.is_suspect:
            return ()
        first = self.candidates[0]
        if first.is_confirmed and first.is_possible and self.unnamed_p < UNNAMED_P:
            return (first,)
        if self.clean_p > LISTED_P:
            return ()
        possible = [one for one in self.candidates if one.is_possible and one.share >= RIVAL]
        listed = 1 < len(possible) <= LISTED and all(candidate.kind != OTHER for candidate in possible)
        return tuple(possible) if listed and possible[0] is first and first.typical_p >= TYPICAL_P else ()


def suspect(views: Values, detector: Detector, restored: Restored) -> list[Suspicion]:
    """Return what is suspected of images by their described views (V, N, D).

    `restored` describes one of the images, by its place, with a kind undone, see `restore`.
    """
    evidence, would_be_named = detector.assess(views), _odds_of_named(detector)
    count = len(detector.clean_scores) + 1
    unnamed_p = _of_unnamed(evidence, detector)
    orders = 1 + np.argsort(-evidence.share[:, 1:], axis=1, kind="stable")[:, :CANDIDATES]

    def candidate(index: int, kind: int) -> Candidate:
        undone = float(evidence.undone_p[index, kind])
        return Candidate(
            kind=detector.names[kind],
            share=float(evidence.share[index, kind]),
            share_p=float(evidence.share_p[index, kind]),
            typical_p=float(evidence.typical_p[index, kind]),
            undone_p=None if np.isnan(undone) else undone,
        )

    def undone(index: int, one: Candidate) -> Candidate:
        kind = detector.names.index(one.kind)
        if one.kind == OTHER or not one.is_possible or not len(detector.restored_oddity[kind]):
            return one
        return replace(one, restored_p=float(detector.restored_p(kind, restored(index, one.kind))[0]))

    found = []
    for index, order in enumerate(orders):
        suspicion = Suspicion(
            clean_p=float(evidence.clean_p[index]),
            kind_p=float(evidence.kind_p[index]),
            named_p=float((np.sum(would_be_named >= evidence.odds[index]) + 1) / count),
            is_beyond=is_first_of(float(evidence.kind_p[index]), count),
            candidates=tuple(candidate(index, kind) for kind in order.tolist()),
            unnamed_p=float(unnamed_p[index]),
        )
        tried = tuple(undone(index, one) for one in suspicion.candidates) if suspicion.named else suspicion.candidates
        found.append(replace(suspicion, candidates=tried))
    return found


def is_first_of(p: float, count: int) -> bool:
    """Return whether a conformal rank among `count` images, the one that is asked about included, is that of none else.

    Ranks are whole numbers: 2 / 501 times 501 is a little less than 2.
    """
    return round(p * count) == 1


def _of_unnamed(evidence: Evidence, detector: Detector) -> Floats:
    """Return (N,) how little what has no name is excluded, see `Suspicion`."""
    if OTHER not in detector.names:
        return np.zeros(len(evidence.odds))
    kind = detector.names.index(OTHER)
    possible: Floats = np.where(evidence.typical_p[:, kind] >= POSSIBLE_P, evidence.share_p[:, kind], 0.0)
    return possible


def _odds_of_named(detector: Detector) -> Floats:
    """Return the log-odds of those clean images that would be named but for their odds."""
    share, typical_p, share_p = detector.clean_evidence.T
    other = np.array([name == OTHER for name in detector.names])[detector.clean_firsts]
    named = (share >= NAMED) & (typical_p >= TYPICAL_P) & (share_p >= POSSIBLE_P) & ~other
    odds: Floats = detector.clean_scores[named]
    return odds
