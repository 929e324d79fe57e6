"""Mismatches that can be undone exactly, told by every view of an image: turned, mirrored, inverted, channels swapped.

If an image was made of an ordinary one by a change g, its view under a change v was made by "g, then v", which is one
of these changes, too. So each view is a vote of its own for g, and the view that undoes g one for an ordinary image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from cnnexp.diagnosis.image import changes as t
from cnnexp.diagnosis.image.changes import Transform

Floats = NDArray[np.float64]

CLEAN = "clean"
TURNS: Mapping[str, Transform] = {  # a group, the eight orientations of EXIF
    CLEAN: lambda images, _: images,
    "turned left": t.turn(1),
    "turned right": t.turn(3),
    "upside down": t.turn(2),
    "mirrored": t.mirror,
    "flipped": t.flip,
    "transposed": t.transpose,
    "transverse": t.transverse,
}
TEMPERATURES = np.geomspace(1, 32, 21)  # votes of the same pixels are not independent
_INVERSES = {"turned left": "turned right", "turned right": "turned left"}  # all others undo themselves


def views_for(channels: int) -> Mapping[str, Transform]:
    """Return the views of images with so many channels, by the kinds of mismatch that they are; the first is none."""
    levels: dict[str, Transform] = {"inverted": t.invert}
    return {**TURNS, **levels, **({"swapped channels": t.swap_channels} if channels == 3 else {})}


def undoing(kind: str) -> str:
    """Return the view that undoes a kind which is one."""
    return _INVERSES.get(kind, kind)


@cache
def after(view: str, kind: str) -> str:
    """Return the turn that two turns make together: `kind`, then `view`."""
    places, generator = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1), np.random.default_rng(0)
    both = TURNS[view](TURNS[kind](places, generator), generator)
    return next(name for name, turn in TURNS.items() if (turn(places, generator) == both).all())


@dataclass(frozen=True, slots=True)
class Votes:
    """Log-odds by all views of N images, before they are tempered."""

    turns: Floats  # (N, 8) of each turn against none
    others: Floats  # (N, V - 8) of each other view against the mean of all turns


@dataclass(frozen=True, slots=True)
class Orbit:
    """The places of the V views in log posteriors of K kinds, and how much votes are worth."""

    places: Mapping[str, int]  # the turns first, of these none
    temperatures: tuple[float, float] = (1.0, 1.0)  # of turns, of others

    @property
    def _turns(self) -> list[int]:
        return [self.places[turn] for turn in TURNS]

    @property
    def _others(self) -> list[str]:
        return [view for view in self.places if view not in TURNS]

    def votes(self, views: Mapping[str, Floats]) -> Votes:
        """Return the votes by the log posteriors (N, K) of the views that are known; one that is not repeats others."""
        own, place = views[CLEAN], self.places

        def turned(turn: str) -> Floats:
            if not all(view in views for view in TURNS):
                odds: Floats = own[:, place[turn]] - own[:, place[CLEAN]]
                return len(TURNS) * odds
            cast = [views[view][:, place[after(view, turn)]] - views[view][:, place[view]] for view in TURNS]
            total: Floats = np.sum(cast, axis=0)
            return total

        def changed(view: str) -> Floats:
            odds, back = self._against_turns(own, view), views.get(view)
            return 2 * odds if back is None else odds - self._against_turns(back, view)

        others = [changed(view) for view in self._others]
        return Votes(
            np.stack([turned(turn) for turn in TURNS], axis=1),
            np.stack(others, axis=1) if others else np.empty((len(own), 0)),
        )

    def _against_turns(self, log_posterior: Floats, view: str) -> Floats:
        """Return log-odds (N,) of a view against the mean of all turns, as all views are equally probable before."""
        turns = logsumexp(log_posterior[:, self._turns], axis=1) - np.log(len(TURNS))
        odds: Floats = log_posterior[:, self.places[view]] - turns
        return odds

    def divide(self, log_posterior: Floats, found: Votes) -> Floats:
        """Return log posteriors (N, K) in which what all views have together is divided by their votes.

        All views are equally probable before, so that the turns together are eight times as probable as another one.
        """
        of_turns, of_others = self.temperatures
        together = logsumexp(log_posterior[:, list(self.places.values())], axis=1, keepdims=True)
        parts = log_softmax(np.insert(found.others / of_others, 0, np.log(len(TURNS)), axis=1), axis=1)
        divided = log_posterior.copy()
        divided[:, self._turns] = together + parts[:, :1] + log_softmax(found.turns / of_turns, axis=1)
        divided[:, [self.places[view] for view in self._others]] = together + parts[:, 1:]
        return divided

    def tempered(self, found: Mapping[str, Votes]) -> "Orbit":
        """Return the orbit with the temperatures that fit votes on images whose true change is known."""
        turns = [(found[turn].turns, place) for place, turn in enumerate(TURNS)]
        others = [(np.insert(found[view].others, 0, 0, axis=1), n) for n, view in enumerate([CLEAN, *self._others])]
        return replace(self, temperatures=(_temperature(turns), _temperature(others)))


def _temperature(found: Sequence[tuple[Floats, int]]) -> float:
    """Return the temperature at which log-odds (N, V) are the most probable for the true column of each part."""
    return float(
        min(
            TEMPERATURES,
            key=lambda one: -sum(log_softmax(odds / one, axis=1)[:, truth].mean() for odds, truth in found),
        )
    )
