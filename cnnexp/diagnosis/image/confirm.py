"""What may be said of one image: a kind is named where chance is excluded and undoing, or repeating, it confirms it."""

from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.image.changes import Transform
from cnnexp.diagnosis.image.detector import ACCUSE_P, SUSPECT_P, Detector
from cnnexp.diagnosis.image.kinds import OTHER, Kind
from cnnexp.diagnosis.image.simulation import Describe
from cnnexp.records import Images

# A kind is possible where at least this share of its simulated images is given as little of it, and lies as far out:
# each bar leaves out one in fifty of them.
POSSIBLE_P = 0.02
# The same for the one kind that is named; images of kinds that were never simulated lie far out. At 0.05 one or two
# points more of the development images are named rightly, and twice as many of those that show something else.
TYPICAL_P = 0.1
UNDONE_P = 0.05  # share of clean images that look less clean than an image that was undone rightly, at most
# Share of all that is not clean, from which one kind is named. At 0.7 two points more of the development images are
# named rightly, and twice as many wrongly; at 0.9 two and a half to five points fewer rightly.
NAMED = 0.8
RIVAL = 0.02  # share from which another kind that is possible is listed beside one that is not named alone
LISTED = 3  # kinds in a ranked set, at most
CANDIDATES = 5  # kinds that are reported


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A kind of mismatch that may explain an image."""

    kind: str
    share: float  # of all that is not clean, 0..1
    share_p: float  # share of simulated images of the kind that are given as little of it
    typical_p: float  # share of them that are as far from the others
    undone_p: float | None  # share of clean images that look as little clean as this one undone; None: no inverse

    @property
    def is_possible(self) -> bool:
        """Whether the evidence does not exclude it."""
        return (
            self.share_p >= POSSIBLE_P
            and self.typical_p >= POSSIBLE_P
            and (self.undone_p is None or self.undone_p >= POSSIBLE_P)
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
    is_beyond: bool  # no clean image does
    candidates: tuple[Candidate, ...]  # the most probable first

    @property
    def is_accused(self) -> bool:
        """Whether chance is excluded."""
        return self.clean_p <= ACCUSE_P or bool(self.named)

    @property
    def named(self) -> tuple[Candidate, ...]:
        """One kind, or a ranked set of those that the evidence cannot separate; empty: none is confirmed."""
        if self.clean_p > SUSPECT_P or not self.is_beyond:
            return ()
        first = self.candidates[0]
        if first.is_confirmed and first.is_possible:
            return (first,)
        possible = [one for one in self.candidates if one.is_possible and one.share >= RIVAL]
        listed = 1 < len(possible) <= LISTED and all(candidate.kind != OTHER for candidate in possible)
        return tuple(possible) if listed and possible[0] is first and first.typical_p >= TYPICAL_P else ()


def suspect(images: Images, detector: Detector, kinds: tuple[Kind, ...], describe: Describe) -> list[Suspicion]:
    """Return what is suspected of images (N, H, W, C)."""
    evidence = detector.assess(describe(images))
    undo = {kind.name: kind.undo for kind in kinds}

    def candidate(index: int, kind: int) -> Candidate:
        name = detector.names[kind]
        return Candidate(
            kind=name,
            share=float(evidence.share[index, kind]),
            share_p=float(evidence.share_p[index, kind]),
            typical_p=float(evidence.typical_p[index, kind]),
            undone_p=_undone(images[index], undo[name], detector, describe)
            if evidence.clean_p[index] <= SUSPECT_P
            else None,
        )

    orders = 1 + np.argsort(-evidence.share[:, 1:], axis=1, kind="stable")[:, :CANDIDATES]
    return [
        Suspicion(
            clean_p=float(evidence.clean_p[index]),
            kind_p=float(evidence.kind_p[index]),
            is_beyond=bool(evidence.kind_p[index] * (len(detector.clean_scores) + 1) < 2),
            candidates=tuple(candidate(index, kind) for kind in order.tolist()),
        )
        for index, order in enumerate(orders)
    ]


def _undone(image: Images, undo: tuple[Transform, ...], detector: Detector, describe: Describe) -> float | None:
    """Return how clean an image looks when a kind is undone; None where it has no inverse."""
    if not undo:
        return None
    generator = np.random.default_rng(0)
    restored = np.concatenate([change(image[None], generator) for change in undo])
    return float(detector.assess(describe(restored)).clean_p.max())
