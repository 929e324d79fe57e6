"""``cnnexp diagnose --try``: the first repair of a run that is an override, made, and whether it helped."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.comparison.metric import metric
from cnnexp.comparison.result import ModelDifference
from cnnexp.comparison.same_images import compare_models
from cnnexp.compose import changed_overrides, compose_config
from cnnexp.config import Override
from cnnexp.errors import ConfigError
from cnnexp.records import Finding, RunSummary
from cnnexp.report.console import open_console
from cnnexp.report.run.findings import is_override
from cnnexp.sweeps.context import SweepContext
from cnnexp.system.text import printable
from cnnexp.tracking.store.find_runs import newest_with_tag
from cnnexp.tracking.tags import REPAIRS
from cnnexp.train import train

METRIC = "test/accuracy"
METRICS = {"E1": "test/balanced_accuracy", "E3": "test/ece"}  # of findings that are not about accuracy
ECE = "the calibration error (ECE)"


@dataclass(frozen=True, slots=True)
class TriedRepair:
    """A repair that was made in a new run."""

    finding: Finding  # whose repair it is
    run: RunSummary  # the new one
    difference: ModelDifference | None  # on the same test images; None: one of the two has no predictions of them


def try_repair(run: RunSummary, *, overrides: Sequence[str], uri: str) -> TriedRepair:
    """Train the run again with the first repair among its findings, and compare both on the same test images.

    `overrides` compose the configuration of the run. The new run is recorded beside it and tagged with its id.

    Raises:
        ConfigError: no finding has a repair that can be typed.
        CnnexpError: the training failed.

    """
    finding = repairable(run.read_findings())
    if finding is None:
        raise ConfigError(
            f"--try needs a finding whose repair is a setting; {run.name} has none. What cnnexp diagnose prints "
            "after do is to be done by hand."
        )
    repair = shlex.split(finding.repair)
    name = f"{run.name} with {finding.repair}"
    recorded = {"tracking.uri": uri, "tracking.experiment": run.experiment, "tracking.run_name": name}
    changed = changed_overrides(overrides, repair)
    changed += [*(str(Override.setting(key, value)) for key, value in recorded.items())]
    train(compose_config(changed), overrides=changed, sweep=SweepContext(tags={REPAIRS: run.run_id}), folder=Path())
    repaired = newest_with_tag(uri, REPAIRS, run.run_id)
    difference = compare_models(run, [repaired], metric(METRICS.get(finding.id, METRIC)))
    return TriedRepair(finding, repaired, difference[0] if difference else None)


def print_tried(tried: TriedRepair) -> None:
    """Print whether a repair helped, and what is left."""
    console = open_console()
    accuracy = tried.run.metrics.get(METRIC)
    console.print(printable(verdict(tried.finding, tried.difference, accuracy=accuracy)))
    if (left := what_is_left(tried)) is not None:
        console.print(printable(left), soft_wrap=True)  # half a command cannot be copied


def as_document(tried: TriedRepair) -> dict[str, object]:
    """Return for JSON what was tried; gains are positive where the repair helped."""
    gain = None if tried.difference is None else tried.difference.difference.gain
    numbers: dict[str, float | None] = {}
    if gain is not None:
        numbers = {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
    return {
        "finding": tried.finding.id,
        "repair": tried.finding.repair,
        "run": tried.run.run_id,
        "metric": METRICS.get(tried.finding.id, METRIC),
        "test_images": None if gain is None else gain.n,
        **numbers,
    }


def repairable(findings: Sequence[Finding]) -> Finding | None:
    """Return the first finding whose repair is overrides."""
    return next((finding for finding in findings if finding.repair and is_override(finding.repair)), None)


def what_is_left(tried: TriedRepair) -> str | None:
    """Return what the repaired run says of itself, where it has a repair, too; None: there is nothing to go on with."""
    left = repairable(tried.run.read_findings())
    if left is None or left.repair == tried.finding.repair or not _helped(tried):
        return None
    return (
        f"The new run says of itself: {left.title} ({left.repair}). To go on: cnnexp diagnose "
        f"{tried.run.run_id[:6]} --try"
    )


def _helped(tried: TriedRepair) -> bool:
    return tried.difference is not None and (tried.difference.difference.gain.low or 0) > 0


def verdict(finding: Finding, difference: ModelDifference | None, *, accuracy: float | None = None) -> str:
    """Return whether a repair helped, in a sentence with the interval that ``cnnexp compare`` gives.

    `accuracy` is that of the new run on its test images, which stands alone where the first run has no answers.
    """
    if difference is None:
        missing = "one of the two runs has no predictions of its test images."
        if accuracy is None:
            return f"Whether it helped cannot be said: {missing}"
        return f"There is nothing to compare with: {missing} The new one answers {accuracy:.1%} of them right."
    gain = difference.difference.gain
    assert gain.low is not None
    assert gain.high is not None
    interval = f"{_change(finding, gain.mean)} on the same {gain.n:,} test images (95 % interval "
    interval += f"{_number(finding, gain.low)} to {_number(finding, gain.high)})"
    if gain.low > 0:
        return f"{finding.repair} helped: {interval}."
    return f"{finding.repair} made it worse: {interval}." if gain.high < 0 else f"No difference is shown: {interval}."


def _change(finding: Finding, gain: float) -> str:
    if METRICS.get(finding.id) == "test/ece":
        return f"{ECE} {'fell' if gain > 0 else 'rose'} by {abs(gain):.3f}"
    what = "balanced accuracy" if finding.id in METRICS else "accuracy"
    return f"{_number(finding, gain)} points of {what}"


def _number(finding: Finding, gain: float) -> str:
    return f"{gain:+.3f}" if METRICS.get(finding.id) == "test/ece" else f"{100 * gain:+.1f}"
