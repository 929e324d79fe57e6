"""Do the intervals of a run of folds hold what they promise? Thousands of data sets whose truth is known.

    python benchmarks/folds_simulation.py [--trials 1000]

Each trial draws images (points of three overlapping classes, 20 numbers each) and judges a learner on them as a run of
folds does: `assign_folds`, one model a fold, all predictions pooled, the bootstrap interval of `cnnexp.evaluation`. The
true accuracy of every model is measured on 5,000 further images. Counted is how often the interval covers

- the mean of the folds' models, which is what was measured;
- the final model, trained on everything, which is what `cnnexp predict` uses;
- the learner: the mean over all trials of models trained on as many images as a fold is.

Beside it a single test split of 20 %, judged in the same way; how often prediction sets of 90 %, made of the folds'
probabilities, hold the class of a new image under the final model; and how often two settings that are equally good are
told apart, by image (McNemar), by fold (the test of `cnnexp.comparison`), by both, as `cnnexp compare` claims a
difference between runs of folds, and by Student's test, which ignores that folds share training data.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from statistics_simulation import share

from cnnexp.comparison.paired import mcnemar_mid_p, paired_t, resampled_t
from cnnexp.comparison.result import LEVEL
from cnnexp.datasets.folds import assign_folds
from cnnexp.datasets.sources.source import UNDECLARED
from cnnexp.evaluation.bootstrap import bootstrap_intervals
from cnnexp.portable.reference import minimum_probability, prediction_sets

CLASSES, NUMBERS, APART = 3, 20, 2.2
POPULATION = 5_000
FOLDS = 5
SINGLE = 0.2  # share of the test split

LEARNERS: dict[str, Callable[[int], object]] = {
    "discriminant analysis": lambda _seed: LinearDiscriminantAnalysis(),
    "15 nearest neighbours": lambda _seed: KNeighborsClassifier(15),
    "decision tree": lambda seed: DecisionTreeClassifier(min_samples_leaf=5, random_state=seed),
}
TWINS: Callable[[int], object] = lambda seed: make_pipeline(  # noqa: E731 - as the learners
    RBFSampler(gamma=0.02, n_components=60, random_state=seed), RidgeClassifier()
)


@dataclass
class Counts:
    """What the trials of one learner and one number of images found."""

    covered: dict[str, list[bool]] = field(default_factory=dict)
    widths: dict[str, list[float]] = field(default_factory=dict)
    ends: list[tuple[float, float]] = field(default_factory=list)  # of the folds' intervals
    means: list[float] = field(default_factory=list)  # true accuracy of the folds' models
    finals: list[float] = field(default_factory=list)
    sets: list[float] = field(default_factory=list)  # share of new images whose class is in the set

    def note(self, name: str, ends: tuple[float, float], truth: float) -> None:
        self.covered.setdefault(name, []).append(ends[0] <= truth <= ends[1])

    def width(self, name: str, ends: tuple[float, float]) -> None:
        self.widths.setdefault(name, []).append(50 * (ends[1] - ends[0]))


def draw(images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(images) % CLASSES
    centres = np.eye(CLASSES, NUMBERS) * APART
    return centres[labels] + rng.normal(size=(images, NUMBERS)), labels


def folds_of(labels: np.ndarray, seed: int) -> np.ndarray:
    images = len(labels)
    declared = np.full(images, UNDECLARED, np.int8)
    return assign_folds(labels, folds=FOLDS, declared=declared, groups=np.arange(images), seed=seed)


def accuracy_interval(probabilities: np.ndarray, labels: np.ndarray, seed: int) -> tuple[float, float]:
    return bootstrap_intervals(probabilities=probabilities.astype(np.float32), labels=labels, seed=seed)["accuracy"]


def judge(learner: Callable[[int], object], images: int, counts: Counts, trial: int, population: tuple) -> None:
    rng = np.random.default_rng(trial)
    points, labels = draw(images, rng)
    new_points, new_labels = population
    folds = folds_of(labels, trial)
    probabilities, truths = np.empty((images, CLASSES)), []
    for fold in range(1, FOLDS + 1):
        own = folds == fold
        model = learner(trial).fit(points[~own], labels[~own])
        probabilities[own] = model.predict_proba(points[own])
        truths.append(model.score(new_points, new_labels))
    final = learner(trial).fit(points, labels)
    answers = final.predict_proba(new_points)
    ends = accuracy_interval(probabilities, labels, trial)
    counts.ends.append(ends)
    counts.means.append(float(np.mean(truths)))
    counts.finals.append(float((answers.argmax(axis=1) == new_labels).mean()))
    counts.note("the folds' models", ends, counts.means[-1])
    counts.note("the final model", ends, counts.finals[-1])
    counts.width("folds", ends)
    scores = np.sort(1 - probabilities[np.arange(images), labels]).astype(np.float32)
    chosen = prediction_sets(answers, minimum_probability(scores, 0.9))
    counts.sets.append(float(chosen[np.arange(POPULATION), new_labels].mean()))
    judge_single(learner, points, labels, counts, trial, population)


def judge_single(
    learner: Callable[[int], object], points: np.ndarray, labels: np.ndarray, counts: Counts, trial: int, new: tuple
) -> None:
    test = folds_of(labels, trial) == 1
    model = learner(trial).fit(points[~test], labels[~test])
    ends = accuracy_interval(model.predict_proba(points[test]), labels[test], trial)
    counts.note("a single split's model", ends, model.score(*new))
    counts.width("single split", ends)


def report(name: str, images: int, counts: Counts) -> None:
    expected = float(np.mean(counts.means))
    counts.covered["the learner"] = [low <= expected <= high for low, high in counts.ends]
    final = np.mean(counts.finals)
    print(f"\n{name}, {images} images: true accuracy {expected:.3f} of a fold, {final:.3f} of the final model")
    for what, happened in counts.covered.items():
        print(f"  95 % interval covers {what:<24}{share(happened)}")
    widths = ", ".join(f"{what} ± {np.mean(found):.1f}" for what, found in counts.widths.items())
    print(f"  points: {widths}")
    print(f"  90 % sets of the final model hold the class of {np.mean(counts.sets):.3f} of new images")


def equal_settings(images: int, trials: int) -> None:
    """Count claims between two settings that differ by their random features alone."""
    names = ("McNemar, by image", "by fold", "by image and by fold", "by fold, Student's")
    claims: dict[str, list[bool]] = {name: [] for name in names}
    for trial in range(trials):
        points, labels = draw(images, np.random.default_rng(trial))
        folds = folds_of(labels, trial)
        right = np.empty((2, images), bool)
        for fold in range(1, FOLDS + 1):
            own = folds == fold
            for place in range(2):
                model = TWINS(2 * trial + place).fit(points[~own], labels[~own])
                right[place, own] = model.predict(points[own]) == labels[own]
        gains = [right[0, folds == fold].mean() - right[1, folds == fold].mean() for fold in range(1, FOLDS + 1)]
        only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        by_image = mcnemar_mid_p(*only)
        by_fold = resampled_t(gains, ratio=1 / (FOLDS - 1)).p
        students = paired_t(gains).p
        assert by_fold is not None
        assert students is not None
        for name, p in zip(names, (by_image, by_fold, max(by_image, by_fold), students), strict=True):
            claims[name].append(p <= LEVEL)
    print(f"\ntwo settings that are equally good, {images} images: claims at {LEVEL:.0%}")
    for what, happened in claims.items():
        print(f"  {what:<24}{share(happened)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    population = draw(POPULATION, np.random.default_rng(10**9))
    for images in (100, 500):
        for name, learner in LEARNERS.items():
            counts = Counts()
            for trial in range(trials):
                judge(learner, images, counts, trial, population)
            report(name, images, counts)
        equal_settings(images, trials)


if __name__ == "__main__":
    main()
