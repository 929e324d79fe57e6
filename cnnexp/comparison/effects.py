"""What does each setting do? Its levels are compared with everything else, and the seed, held."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.design import Setting, seed_of, value_of
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import Estimate, holm, t_interval
from cnnexp.comparison.result import SEEDS_FOR_A_VERDICT, Effect
from cnnexp.comparison.seeds import BothWays, paired_differences
from cnnexp.records import RunSummary

Block = tuple[str, ...]  # the other settings' values, and what else must be equal
Cells = Mapping[str, Mapping[Block, Mapping[str, list[float]]]]  # level -> block -> seed -> scores
Differences = Mapping[Block, Mapping[str, float]]  # block -> seed -> level minus reference level


def effects(
    runs: Sequence[RunSummary],
    *,
    settings: Sequence[Setting],
    blocked_by: Sequence[Setting],
    images: Mapping[str, str],
    metric: Metric,
    learned: Container[str],
) -> tuple[Effect, ...]:
    """The effect of every level of each of ``settings`` against its first level.

    Runs are paired when they agree in seed, in all other settings of ``blocked_by`` and in their test images
    (``images``: run id -> what identifies them). Pairs of the same seed are averaged over the blocks first, so that
    n counts seeds: nine combinations under one seed are one random draw, not nine. Holm's correction runs over
    all effects. Where five seeds have pairs of runs that both `learned` (their ids), an effect is about these. A level
    that was never run with everything else equal to a run of the first has no effect to show.
    """
    those = [run for run in runs if run.run_id in learned]
    found = []
    for setting in settings:
        others = [other.name for other in blocked_by if other.name != setting.name]
        cells = [cells_of(way, setting.name, others, images, metric) for way in (runs, those)]
        effects_of_levels = (_effect(cells, setting, level, others, metric) for level in setting.levels[1:])
        found += [effect for effect in effects_of_levels if effect is not None]
    return _corrected(found)


def _effect(
    cells: Sequence[Cells], setting: Setting, level: str, others: Sequence[str], metric: Metric
) -> Effect | None:
    """Return the effect of a level by the cells of all runs, and of those that learned."""
    blocks = [paired_by_block(way, (setting.levels[0], level)) for way in cells]
    difference, all_runs = paired_differences(BothWays(*map(mean_over_blocks, blocks)), metric, None)
    if difference is None:
        return None
    used = blocks[difference.basis == "learned"]
    reversed_in = _reversed_in(used, difference.gain, others, metric)
    return Effect(setting, level, setting.levels[0], difference, len(used), reversed_in, all_runs)


def mean_over_blocks(blocks: Differences) -> NDArray[np.float64]:
    """Return the mean difference of each seed over the blocks that have it, (seeds,)."""
    by_seed: dict[str, list[float]] = {}
    for differences in blocks.values():
        for seed, value in differences.items():
            by_seed.setdefault(seed, []).append(value)
    return np.array([np.mean(values) for values in by_seed.values()])


def cells_of(
    runs: Sequence[RunSummary], name: str, others: Sequence[str], images: Mapping[str, str], metric: Metric
) -> Cells:
    """Sort the scores of runs by level of a setting, block of the others, and seed."""
    cells: dict[str, dict[Block, dict[str, list[float]]]] = {}
    for run in runs:
        block = (*(value_of(run, other) for other in others), images[run.run_id])
        seeds = cells.setdefault(value_of(run, name), {}).setdefault(block, {})
        seeds.setdefault(seed_of(run), []).append(run.metrics[metric.name])
    return cells


def paired_by_block(cells: Cells, levels: tuple[str, str]) -> Differences:
    """Return the second of two levels of a setting minus the first, for each block of the others and each seed."""
    first, second = (cells.get(level, {}) for level in levels)
    paired = {
        block: {
            seed: float(np.mean(scores) - np.mean(first[block][seed]))
            for seed, scores in seeds.items()
            if seed in first[block]
        }
        for block, seeds in second.items()
        if block in first
    }
    return {block: seeds for block, seeds in paired.items() if seeds}


def _reversed_in(blocks: Differences, overall: Estimate, others: Sequence[str], metric: Metric) -> tuple[str, ...]:
    """Blocks whose own interval lies wholly on the other side of zero, widened for their number (Bonferroni)."""
    found = []
    for block, differences in blocks.items():
        values = metric.sign * np.array(list(differences.values()))
        if len(blocks) < 2 or len(values) < SEEDS_FOR_A_VERDICT:
            continue
        own = t_interval(values, level=0.05 / len(blocks))
        if own.low is not None and own.high is not None and (own.high < 0 < overall.mean or overall.mean < 0 < own.low):
            found.append(", ".join(f"{name}={value}" for name, value in zip(others, block, strict=False)))
    return tuple(found)


def _corrected(found: Sequence[Effect]) -> tuple[Effect, ...]:
    p_values = {
        index: effect.difference.p
        for index, effect in enumerate(found)
        if effect.difference.p is not None and effect.difference.gain.n >= SEEDS_FOR_A_VERDICT
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(
        replace(effect, difference=replace(effect.difference, p_adjusted=float(adjusted[index])))
        if index in adjusted
        else effect
        for index, effect in enumerate(found)
    )
