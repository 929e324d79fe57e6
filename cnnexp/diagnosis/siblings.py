"""What the other runs of a sweep know about a learning rate: no run is advised what another one has refuted.

A run is diagnosed where it is trained, so that its record does not depend on which other runs had ended by then. Its
siblings, the runs that differ from it in nothing but learning rate and seed, come in where runs are compared.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cnnexp.config import all_settings
from cnnexp.diagnosis.failed_learning import DIVERGED, has_diverged, recorded_failure
from cnnexp.diagnosis.learning_rate import FAILURES
from cnnexp.records import Finding, RunSummary
from cnnexp.system.text import listed, plural

LEARNING_RATE, SEED, EPOCHS = "optimizer.learning_rate", "seed", "training.epochs"
OF_RATES = frozenset({"T1", "T2"})  # findings that say which learning rate to take, which runs beside know better
_IS_TOO_HIGH = {failure.how: failure.too_high for failure in FAILURES}
_CLOSE = 4.0  # times: learning rates nearer to each other than this leave nothing to try between them
_STEP = 10.0  # times: beyond the learning rates that were tried
_MOST_NAMED = 5  # learning rates
_MOST_SENTENCES = 5
_MOST_REPAIRS = 3  # in one sentence


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one learning rate."""

    learning_rate: float
    failure: str | None  # such as "collapsed"; None: it learned
    val_loss: float  # at its best epoch


@dataclass(frozen=True, slots=True)
class Advice:
    """What to try after several learning rates, and why."""

    repair: str  # overrides where they exist, else an action
    reason: str


def advise(trials: Sequence[Trial], *, epochs: int | None) -> Advice:
    """Return what the trials of one setting, at least one of them, advise.

    `epochs` is training.epochs of that setting, None where it is not recorded.
    """
    failed = {trial.learning_rate: trial.failure for trial in trials if trial.failure is not None}
    learned = [trial for trial in trials if trial.learning_rate not in failed]
    if learned:
        best = min(learned, key=lambda trial: trial.val_loss)
        return Advice(_override(best.learning_rate), f"{best.learning_rate:g} learned")
    high = min((rate for rate, failure in failed.items() if _IS_TOO_HIGH[failure]), default=math.inf)
    low = max((rate for rate, failure in failed.items() if not _IS_TOO_HIGH[failure]), default=0.0)
    if low == 0:
        return Advice(_override(high / _STEP), f"{high:g} is too high")
    if math.isinf(high):
        return Advice(_override(low * _STEP), f"{low:g} is too low")
    reason = f"{low:g} is too low, {high:g} too high"
    if low >= high:
        return Advice("look at the labels and the images, not at the learning rate", reason)
    if high < _CLOSE * low:
        longer = "" if epochs is None else f" {EPOCHS}={2 * epochs}"
        return Advice(f"{_override(low)}{longer}", reason)
    return Advice(_override(math.sqrt(low * high)), reason)


def advised_by_siblings(finding: Finding, run: RunSummary, runs: Iterable[RunSummary]) -> Finding:
    """Return a finding about the learning rate of `run` with what all `runs` together advise; another one as it is."""
    if finding.id not in OF_RATES:
        return finding
    trials = [trial for one in runs if _family(one) == _family(run) and (trial := _trial(one)) is not None]
    if len({trial.learning_rate for trial in trials}) < 2:
        return finding
    advice = advise(trials, epochs=_epochs(run))
    return replace(finding, repair=advice.repair, sentence=f"{finding.sentence} In the same sweep, {advice.reason}.")


def learning_advice(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """Return what to try instead of settings of which some runs learned nothing, in at most six sentences.

    Settings under which the same learning rates failed share a sentence; those of which most runs failed come first.
    """
    families: dict[frozenset[tuple[str, str]], list[RunSummary]] = {}
    for run in runs:
        families.setdefault(_family(run), []).append(run)
    alike: dict[str, list[_Failed]] = {}
    for family in families.values():
        if (failed := _failed(family)) is not None:
            alike.setdefault(failed.named, []).append(failed)
    groups = sorted(alike.values(), key=lambda group: -sum(one.count for one in group))
    said, others = groups[:_MOST_SENTENCES], groups[_MOST_SENTENCES:]
    return (*map(_sentence, said), *([_others(others)] if others else []))


@dataclass(frozen=True, slots=True)
class _Failed:
    """Runs that differ in nothing but learning rate and seed, of which some learned nothing."""

    named: str  # which learning rates failed, and how
    learning_rates: tuple[float, ...]
    count: int
    tried: int
    advice: Advice


def _failed(family: Sequence[RunSummary]) -> _Failed | None:
    trials = [trial for run in family if (trial := _trial(run)) is not None]
    failed = sorted({(trial.learning_rate, trial.failure) for trial in trials if trial.failure is not None})
    if not failed:
        return None
    return _Failed(
        named=listed((f"{rate:g} {failure}" for rate, failure in failed), most=_MOST_NAMED),
        learning_rates=tuple(rate for rate, _ in failed),
        count=sum(trial.failure is not None for trial in trials),
        tried=len(trials),
        advice=advise(trials, epochs=_epochs(family[0])),
    )


def _sentence(group: Sequence[_Failed]) -> str:
    count, tried = sum(one.count for one in group), sum(one.tried for one in group)
    under = f" under {len(group)} combinations of the other settings" if len(group) > 1 else ""
    what = f"{count} of {plural(tried, 'run')} learned nothing: learning rate {group[0].named}{under}"
    advised = Counter(one.advice for one in group)
    if len(advised) == 1:
        return f"{what}; {group[0].advice.reason}. Next: {group[0].advice.repair}"
    repairs = Counter(one.advice.repair for one in group).most_common()
    return f"{what}. Next: {listed((f'{repair} (under {n})' for repair, n in repairs), most=_MOST_REPAIRS)}"


def _others(groups: Sequence[Sequence[_Failed]]) -> str:
    those = [one for group in groups for one in group]
    rates = sorted({rate for one in those for rate in one.learning_rates})
    count, tried = sum(one.count for one in those), sum(one.tried for one in those)
    what = f"{count} of {plural(tried, 'run')} with {plural(len(those), 'other combination')} of settings"
    return f"{what} learned nothing, too, at learning rates from {rates[0]:g} to {rates[-1]:g}"


def _trial(run: RunSummary) -> Trial | None:
    """Return what a run says about its learning rate; None where it says nothing, such as one that still runs."""
    if LEARNING_RATE not in run.settings:
        return None
    failure = recorded_failure(run)
    if has_diverged(run):
        failure = DIVERGED
    elif run.status != "FINISHED" or failure not in {None, *_IS_TOO_HIGH}:
        return None
    return Trial(float(run.settings[LEARNING_RATE]), failure, run.metrics.get("best/val_loss", math.inf))


def _family(run: RunSummary) -> frozenset[tuple[str, str]]:
    """Return every setting of a run that can change its result, but for the learning rate and the seed."""
    known = all_settings()
    apart = {LEARNING_RATE, SEED}
    return frozenset(
        (name, value)
        for name, value in run.settings.items()
        if name not in apart and name in known and known[name].varies_runs
    )


def _epochs(run: RunSummary) -> int | None:
    return int(run.settings[EPOCHS]) if EPOCHS in run.settings else None


def _override(learning_rate: float) -> str:
    return f"{LEARNING_RATE}={float(f'{learning_rate:.1g}'):g}"
