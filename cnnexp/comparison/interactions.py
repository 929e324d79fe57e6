"""What a setting does under one level of another setting and not under the other: an average would hide it."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np

from cnnexp.comparison.design import Setting, value_of
from cnnexp.comparison.effects import Differences, cells_of, paired_by_block
from cnnexp.comparison.endings import Endings, counted
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import fisher_exact, holm, paired_t
from cnnexp.comparison.result import SEEDS_FOR_A_VERDICT, Difference, FailureInteraction, ScoreInteraction
from cnnexp.records import RunSummary

LEVEL = 0.005  # of all pairs of settings together: beside rows and effects, false claims stay below 5 %
_MOST_LEVELS = 8  # of a setting
_LEAST_RUNS = 2  # in a cell that is said to fail, or not to
_FAILS = 0.5  # share of runs that learned nothing


def failure_interactions(
    runs: Sequence[RunSummary], settings: Sequence[Setting], words: Mapping[str, str], finished: frozenset[str]
) -> tuple[FailureInteraction, ...]:
    """Return which level fails with which levels of another setting and never with others; the clearest first.

    Another level of the first setting has to do without failures where it fails, or the other setting alone would
    explain them. These are counts of runs, which need no test to be true; what is said is that they were so.
    """
    usual = [setting for setting in settings if 1 < len(setting.levels) <= _MOST_LEVELS]
    found: dict[frozenset[str], FailureInteraction] = {}
    for setting, other in permutations(usual, 2):
        for level in setting.levels:
            one = _fails(runs, setting, level, other, words, finished)
            pair = frozenset((setting.name, other.name))
            if one is not None and (pair not in found or one.p < found[pair].p):
                found[pair] = one
    return tuple(sorted(found.values(), key=lambda one: one.p))


def _fails(
    runs: Sequence[RunSummary],
    setting: Setting,
    level: str,
    other: Setting,
    words: Mapping[str, str],
    finished: frozenset[str],
) -> FailureInteraction | None:
    own = [run for run in runs if value_of(run, setting.name) == level]
    cells = {one: counted((r for r in own if value_of(r, other.name) == one), words, finished) for one in other.levels}
    known = {one: cell for one, cell in cells.items() if cell.tried >= _LEAST_RUNS}
    failing = {one: cell for one, cell in known.items() if cell.failures >= max(_LEAST_RUNS, _FAILS * cell.tried)}
    sound = {one: cell for one, cell in known.items() if not cell.failures}
    elsewhere = [run for run in runs if value_of(run, setting.name) != level]
    instead = {one: _that_learn(elsewhere, setting, other, one, words, finished) for one in failing}
    failing = {one: cell for one, cell in failing.items() if instead[one]}
    if not failing or not sound:
        return None
    p = fisher_exact(*_sum(failing), *_sum(sound))
    return FailureInteraction(setting, level, other, failing, sound, instead[next(iter(failing))], p)


def _that_learn(
    runs: Sequence[RunSummary],
    setting: Setting,
    other: Setting,
    other_level: str,
    words: Mapping[str, str],
    finished: frozenset[str],
) -> dict[str, Endings]:
    """Return the levels of a setting that learn without failures under a level of the other setting."""
    those = [run for run in runs if value_of(run, other.name) == other_level]
    cells = {
        one: counted((r for r in those if value_of(r, setting.name) == one), words, finished) for one in setting.levels
    }
    return {one: cell for one, cell in cells.items() if cell.learned >= _LEAST_RUNS and not cell.failures}


def _sum(cells: Mapping[str, Endings]) -> tuple[int, int]:
    return sum(cell.failures for cell in cells.values()), sum(cell.tried for cell in cells.values())


def score_interactions(
    runs: Sequence[RunSummary],
    *,
    settings: Sequence[Setting],
    blocked_by: Sequence[Setting],
    images: Mapping[str, str],
    metric: Metric,
    learned: Container[str],
) -> tuple[ScoreInteraction, ...]:
    """Return where the gain of a level differs with a level of another setting, the largest of each pair.

    Over runs that learned, all else and the seed held, levels against the first ones; a test takes five seeds, and
    Holm's correction runs over all contrasts of all pairs.
    """
    usual = [setting for setting in settings if 1 < len(setting.levels) <= _MOST_LEVELS]
    those = [run for run in runs if run.run_id in learned]
    found = []
    for setting, other in combinations(usual, 2):
        held = [one.name for one in blocked_by if one.name != setting.name]
        if other.name not in held:
            continue
        place = held.index(other.name)
        cells = cells_of(those, setting.name, held, images, metric)
        for level in setting.levels[1:]:
            blocks = paired_by_block(cells, (setting.levels[0], level))
            for other_level in other.levels[1:]:
                one = _contrast(setting, level, other, other_level, blocks, place, metric)
                if one is not None:
                    found.append(one)
    if not found:
        return ()
    adjusted = holm([one.difference.p for one in found if one.difference.p is not None])
    claimed: dict[tuple[str, str], ScoreInteraction] = {}
    for one, p in sorted(zip(found, adjusted, strict=True), key=lambda pair: -abs(pair[0].difference.gain.mean)):
        if p <= LEVEL:
            corrected = replace(one, difference=replace(one.difference, p_adjusted=float(p)))
            claimed.setdefault((one.setting.name, one.other.name), corrected)
    return tuple(claimed.values())


def _contrast(
    setting: Setting,
    level: str,
    other: Setting,
    other_level: str,
    blocks: Differences,
    place: int,
    metric: Metric,
) -> ScoreInteraction | None:
    """Return how the gain of `level` differs between `other_level` and the first; None for fewer than five seeds."""
    gains: dict[str, dict[str, list[tuple[str, float]]]] = {}
    for block, differences in blocks.items():
        rest = repr((*block[:place], *block[place + 1 :]))
        for seed, value in differences.items():
            gains.setdefault(f"{seed} {rest}", {})[block[place]] = [(seed, metric.sign * value)]
    against = other.levels[0]
    by_seed: dict[str, list[tuple[float, float]]] = {}
    for cell in gains.values():
        if against in cell and other_level in cell:
            [(seed, gain_with)], [(_, gain_without)] = cell[other_level], cell[against]
            by_seed.setdefault(seed, []).append((gain_with, gain_without))
    if len(by_seed) < SEEDS_FOR_A_VERDICT:
        return None
    means = np.array([np.mean(pairs, axis=0) for pairs in by_seed.values()])
    test = paired_t(means[:, 0] - means[:, 1])
    return ScoreInteraction(
        setting, level, setting.levels[0], other, other_level, against,
        float(means[:, 0].mean()), float(means[:, 1].mean()), Difference(test.estimate, test.p, None, basis="learned"),
    )  # fmt: skip
