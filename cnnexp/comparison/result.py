"""What a comparison found, as frozen values: a report only draws them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from cnnexp.comparison.design import Configuration, Setting
from cnnexp.comparison.endings import Endings, LevelEndings, LostRow
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import Estimate
from cnnexp.comparison.slices import Slice, SliceDifference
from cnnexp.records import RunSummary

SEEDS_FOR_A_VERDICT = 5
LEVEL = 0.04  # of every family of comparisons: with scores that are not quite normal, still at most 5 % false claims


class Standing(Enum):
    """Where a row stands against the reference, on the test split."""

    REFERENCE = "reference"
    WORSE = "worse"
    BETTER = "better"
    ALIKE = "not distinguishable"
    UNTESTED = "not tested"


@dataclass(frozen=True, slots=True)
class Difference:
    """One paired difference; positive is better. ``p_adjusted`` is None where no verdict is given."""

    gain: Estimate
    p: float | None
    p_adjusted: float | None
    basis: Literal["all", "learned"] = "all"  # runs it is over: all that finished, or of these those that learned
    contradicted: bool = False  # over all runs that finished, the mean points the other way: nothing is claimed

    @property
    def more_than_chance(self) -> bool:
        """Whether it was tested and is not zero, at ``LEVEL`` over all comparisons of its family."""
        return self.p_adjusted is not None and self.p_adjusted <= LEVEL

    @property
    def standing(self) -> Standing:
        """The verdict over all comparisons of its family."""
        if self.p_adjusted is None:
            return Standing.UNTESTED
        if not self.more_than_chance or self.contradicted:
            return Standing.ALIKE
        return Standing.BETTER if self.gain.mean > 0 else Standing.WORSE


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration in the table."""

    configuration: Configuration
    seeds: int
    objective: Estimate | None  # on the validation split, of the same runs; None: nothing was trained
    score: Estimate  # the compared metric, of the runs that learned; of all that finished where none did
    means: Mapping[str, float]  # every other recorded metric, mean over all runs that finished
    best_run: RunSummary  # by the validation objective; without one, of the first seed
    over_seeds: Difference | None  # against the reference; None for the reference, or where nothing could be paired
    standing: Standing
    endings: Endings  # of all its runs, also those without a score
    score_all: Estimate  # of all runs that finished
    objective_all: Estimate | None  # likewise; rows are ranked by its mean
    over_all_seeds: Difference | None  # over all runs that finished; None: that is what `over_seeds` is over


@dataclass(frozen=True, slots=True)
class Effect:
    """What one level of a setting changes, everything else and the seed held."""

    setting: Setting
    level: str
    against: str
    difference: Difference  # n counts seeds
    blocks: int  # combinations of the other settings it was averaged over
    reversed_in: tuple[str, ...]  # combinations in which the opposite holds
    all_runs: Difference | None = None  # over all runs that finished; None: that is what `difference` is over


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the variance of a metric between runs a setting explains by itself, 0..1."""

    value: float
    low: float  # 95 % interval
    high: float
    p: float  # that it explains nothing
    p_adjusted: float  # after Holm, over the settings
    unit: Literal["seeds", "runs"]  # what was counted as evidence

    @property
    def told_from_zero(self) -> bool:
        """Whether it explains anything, at ``LEVEL`` over all settings."""
        return self.p_adjusted <= LEVEL


@dataclass(frozen=True, slots=True)
class Importance:
    """How important a setting is for the metric."""

    setting: Setting
    share: Share  # over all runs that finished
    learned: Share | None  # over those that learned; None: all did, or too few


@dataclass(frozen=True, slots=True)
class FailureInteraction:
    """A level of a setting fails under some levels of another setting and under others not."""

    setting: Setting
    level: str
    other: Setting
    fails_with: Mapping[str, Endings]  # level of the other setting -> how the runs of both ended
    not_with: Mapping[str, Endings]
    instead: Mapping[str, Endings]  # levels of the setting that learn with the first level that it fails with
    p: float  # Fisher's exact test of the two groups, not corrected: the counts are what is said


@dataclass(frozen=True, slots=True)
class ScoreInteraction:
    """What a level of a setting changes depends on a level of another setting."""

    setting: Setting
    level: str
    against: str
    other: Setting
    other_level: str
    other_against: str
    gain_with: float  # of `level` against `against` under `other_level`; positive is better
    gain_without: float  # under `other_against`
    difference: Difference  # of the two gains, paired by seed


@dataclass(frozen=True, slots=True)
class FoldDifference:
    """Two runs of the same folds, paired by fold; positive is better."""

    gain: Estimate  # n counts folds
    p: float | None
    better_in: int  # folds


@dataclass(frozen=True, slots=True)
class ModelDifference:
    """One trained model, or a run of folds, against the reference on the same test images."""

    run: RunSummary
    difference: Difference  # n counts images
    only_this_right: int
    only_reference_right: int
    by_fold: FoldDifference | None = None  # where both are runs of the same folds


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found about a set of runs."""

    metric: Metric
    objective: Metric | None  # what rows are ranked by; None: evaluations, in the order of their settings
    by: tuple[str, ...]  # settings the reader asked for; empty: all that differ
    settings: tuple[Setting, ...]
    rows: tuple[Row, ...]  # the reference first: best on validation, or with nothing added
    effects: tuple[Effect, ...]
    models: tuple[ModelDifference, ...]  # best run of each row against the first row's
    model_test: str | None  # how the models were compared; None: they were not
    left_out: tuple[tuple[RunSummary, str], ...]  # run and why: failed, pruned, running, ...
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]
    endings: Endings  # of all runs
    run_endings: Mapping[str, str]  # run id -> "learned", or how or why it did not; also of runs left out
    by_level: tuple[LevelEndings, ...]  # under which runs learned nothing more often than under others
    lost: tuple[LostRow, ...]  # combinations of settings under which no run has a score
    importance: tuple[Importance, ...]  # the largest first
    failure_interactions: tuple[FailureInteraction, ...]
    score_interactions: tuple[ScoreInteraction, ...]  # that are claimed, the largest first
    slices: tuple[Slice, ...]  # parts of the test images: the best run of the reference row in and outside of them
    slice_differences: tuple[SliceDifference, ...]  # the best run of the second row against it, in each part

    @property
    def reference(self) -> Row:
        """The row that all others are compared with."""
        return self.rows[0]

    @property
    def of_single_models(self) -> bool:
        """Whether the reference is one trained model, so that a row of one run can be compared with it as a model."""
        return len(self.reference.configuration.runs) == 1

    @property
    def enough_seeds(self) -> bool:
        """Whether at least one row was compared with the reference over enough seeds."""
        return any(row.over_seeds is not None and row.over_seeds.p_adjusted is not None for row in self.rows)
