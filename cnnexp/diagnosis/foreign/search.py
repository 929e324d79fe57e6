"""Which preprocessing a model wants: chosen on one half of labelled images, confirmed on the other half.

Steps are chosen by the likelihood of the labels, all combinations of those that change pixels at first, then those that
read files, until nothing changes. What is said of a step rests on images that chose nothing: each other choice is
compared with the chosen one, image by image, by a sign-flip test, corrected for the number of choices (Bonferroni).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cnnexp.diagnosis.foreign.answers import Fitted, LogProbabilities, fit
from cnnexp.diagnosis.foreign.preprocessing import FACTORS, OF_FILES, Preprocessing, every, options
from cnnexp.records import Labels

TOLD_P = 0.01  # a choice is excluded below it; of 100 choices that do as well as the best, one is
USUAL_P = 0.05  # below it, a usual way to read files is given up for one that fits better
HARMLESS = 0.02  # accuracy that an excluded choice costs, from which it is called a mistake
FLIPS = 20_000  # random signs: p-values in steps of 0.00005
ROUNDS = 3  # of choosing pixels and files by turns, at most
FINALISTS = 4  # combinations that are asked with all images of the half that chooses
FEWEST = 40  # labelled images; a half of fewer confirms nothing
_SEED = 0

Rows = NDArray[np.int64]
Ask = Callable[[Preprocessing, Rows], LogProbabilities]  # of labelled images, by their places -> (n, K)


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One choice of a step, with all others as they were chosen."""

    name: str
    accuracy: float  # on the half that confirms, 0..1
    p_value: float  # that it fits the labels as well as the chosen one, corrected; 1 for the chosen one
    chosen: bool

    @property
    def is_excluded(self) -> bool:
        """Whether chance is excluded."""
        return self.p_value < TOLD_P


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the preprocessing and its choices, the best one first."""

    factor: str  # see `FACTORS`, or "class order"
    options: tuple[Option, ...]

    @property
    def possible(self) -> tuple[str, ...]:
        """The choices that are not excluded, the chosen one first."""
        return tuple(option.name for option in self.options if not option.is_excluded)

    @property
    def is_told(self) -> bool:
        """Whether one choice alone is possible."""
        return len(self.possible) == 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a model wants to be given, as far as it can be told."""

    preprocessing: Preprocessing
    fitted: Fitted  # on the half that chose
    steps: tuple[Step, ...]
    chose: int  # images of the half that chose
    correct: NDArray[np.bool_]  # (n,) of the half that confirms
    confirm: Rows  # (n,) which images these are
    chance: float  # share of the most frequent class among them
    chance_p: float  # that a model which knows nothing answers as many right
    common: tuple[tuple[Preprocessing, float], ...]  # usual ways to give images, and their accuracy

    @property
    def accuracy(self) -> float:
        """Share of the images that confirm which are answered right, 0..1."""
        return float(self.correct.mean())

    @property
    def is_known(self) -> bool:
        """Whether anything that was tried makes the model answer better than chance."""
        return self.chance_p < TOLD_P

    def step(self, factor: str) -> Step | None:
        """Return a step; None: it has no choice here."""
        return next((step for step in self.steps if step.factor == factor), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """The model and the labelled images that it is asked about."""

    ask: Ask
    labels: Labels  # (N,)
    classes: int
    chooses: Rows  # places of the half that chooses
    confirms: Rows
    few: Rows  # of the half that chooses, those that are asked in every combination
    grey: bool
    whole_numbers: bool
    two_outputs: bool  # of two classes, or one number for both
    declared: NDArray[np.int64] | None  # (L,) the output of each class, where the user says it
    readings: Callable[[str], Sequence[str]]  # choices of a step of `OF_FILES` that make a difference here
    movable: bool = False  # whether the boundary between two classes is found as well


def find_preprocessing(trial: Trial, *, on_progress: Callable[[int, int], None]) -> Wanted:
    """Choose and confirm; where a model of two classes seems to know nothing, ask again with its boundary moved.

    Detectors answer one class for nearly all images, whose order by the other one tells more.
    """
    found = _find(trial, on_progress)
    if found.is_known or not trial.two_outputs:
        return found
    moved = _find(replace(trial, movable=True), on_progress)
    return moved if moved.is_known else found


def _find(trial: Trial, on_progress: Callable[[int, int], None]) -> Wanted:
    chosen = _choose(trial, on_progress)
    fitted = _fit(trial, chosen, trial.chooses)
    found, labels = trial.ask(chosen, trial.confirms), trial.labels[trial.confirms]
    steps = [_step(trial, chosen, fitted, factor, found) for factor in FACTORS]
    steps.append(_class_order(trial, chosen, fitted, found))
    counts = np.bincount(labels, minlength=trial.classes)
    correct = fitted.correct(found, labels)
    chance = float(counts.max() / len(labels))
    return Wanted(
        preprocessing=chosen,
        fitted=fitted,
        steps=tuple(step for step in steps if len(step.options) > 1),
        chose=len(trial.chooses),
        correct=correct,
        confirm=trial.confirms,
        chance=chance,
        chance_p=float(binomtest(int(correct.sum()), len(labels), chance, alternative="greater").pvalue)
        * (1 + trial.movable),
        common=tuple(
            (one, float(fitted.correct(trial.ask(one, trial.confirms), labels).mean()))
            for one in _common(trial, chosen)
        ),
    )


def _options(trial: Trial, factor: str) -> Sequence[str]:
    if factor in OF_FILES:
        return trial.readings(factor)
    return options(factor, grey=trial.grey, whole_numbers=trial.whole_numbers)


def _choose(trial: Trial, on_progress: Callable[[int, int], None]) -> Preprocessing:
    like = Preprocessing(
        channels="grey" if trial.grey else "rgb", values="0..255", polarity="plain", fit="stretch", kernel="bilinear"
    )
    chosen = like
    for number in range(ROUNDS):
        on_progress(number, ROUNDS)
        combinations = list(every(grey=trial.grey, whole_numbers=trial.whole_numbers, like=chosen))
        first = sorted(combinations, key=lambda one: -_fit(trial, one, trial.few).score)[:FINALISTS]
        best = max(first, key=lambda one: _fit(trial, one, trial.chooses).score)
        for factor in OF_FILES:
            others = [best.with_(factor, option) for option in _options(trial, factor)]
            best = _most_usual(trial, others) if others else best
        if best == chosen:
            break
        chosen = best
    on_progress(ROUNDS, ROUNDS)
    return chosen


def _most_usual(trial: Trial, others: Sequence[Preprocessing]) -> Preprocessing:
    """Return the first that fits no worse than the best, beyond chance, on the half that chooses."""
    labels = trial.labels[trial.chooses]
    scores = [_fit(trial, one, trial.chooses).scores(trial.ask(one, trial.chooses), labels) for one in others]
    best = max(scores, key=lambda score: float(score.mean()))
    return next(
        one for one, score in zip(others, scores, strict=True) if sign_flip(best - score) * len(others) >= USUAL_P
    )


def _fit(trial: Trial, one: Preprocessing, rows: Rows) -> Fitted:
    return fit(trial.ask(one, rows), trial.labels[rows], classes=trial.classes, movable=trial.movable)


def _step(trial: Trial, chosen: Preprocessing, fitted: Fitted, factor: str, found: LogProbabilities) -> Step:
    names = list(_options(trial, factor))
    own = getattr(chosen, factor)
    labels = trial.labels[trial.confirms]
    scores = fitted.scores(found, labels)
    compared = []
    for name in [name for name in names if name != own]:
        other = chosen.with_(factor, name)
        theirs = _fit(trial, other, trial.chooses)
        answers = trial.ask(other, trial.confirms)
        p = sign_flip(scores - theirs.scores(answers, labels)) * (len(names) - 1)
        compared.append(
            Option(
                name=name,
                accuracy=float(fitted.correct(answers, labels).mean()),
                p_value=min(1.0, p),
                chosen=False,
            )
        )
    return _ranked(factor, own, float(fitted.correct(found, labels).mean()), compared)


def _class_order(trial: Trial, chosen: Preprocessing, fitted: Fitted, found: LogProbabilities) -> Step:
    """Compare the order of classes that fits with the one that was declared, or that of their names."""
    expected = np.arange(trial.classes) if trial.declared is None else trial.declared
    labels = trial.labels[trial.confirms]
    accuracy = float(fitted.correct(found, labels).mean())
    if trial.classes > found.shape[1] or np.array_equal(expected, fitted.order):
        return Step(
            factor="class order", options=(Option(name="as named", accuracy=accuracy, p_value=1.0, chosen=True),)
        )
    theirs = fit(
        trial.ask(chosen, trial.chooses),
        trial.labels[trial.chooses],
        classes=trial.classes,
        order=expected,
        movable=trial.movable,
    )
    p = sign_flip(fitted.scores(found, labels) - theirs.scores(found, labels))
    other = Option(name="as named", accuracy=float(theirs.correct(found, labels).mean()), p_value=p, chosen=False)
    return _ranked("class order", "another", accuracy, [other])


def _ranked(factor: str, own: str, accuracy: float, others: Sequence[Option]) -> Step:
    chosen = Option(name=own, accuracy=accuracy, p_value=1.0, chosen=True)
    return Step(factor=factor, options=(chosen, *sorted(others, key=lambda one: (-one.p_value, -one.accuracy))))


def _common(trial: Trial, chosen: Preprocessing) -> list[Preprocessing]:
    """Return what people usually give: files read as chosen, red first, in each range."""
    values = _options(trial, "values")
    usual = replace(chosen, channels="grey" if trial.grey else "rgb", polarity="plain")
    return [one for name in values if (one := usual.with_("values", name)) != chosen]


def sign_flip(differences: NDArray[Any]) -> float:
    """Return the one-sided p-value that differences (N,) have a mean of 0, by flipping their signs at random."""
    if not np.any(differences):
        return 1.0
    signs = np.random.default_rng(_SEED).integers(0, 2, (FLIPS, len(differences)), np.int8) * 2 - 1
    flipped = signs.astype(np.float32) @ differences.astype(np.float32)
    return float((np.sum(flipped >= differences.sum() - 1e-6) + 1) / (FLIPS + 1))
