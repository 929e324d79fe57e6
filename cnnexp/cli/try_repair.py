"""``cnnexp diagnose --try``: the first repair of a run that is an override, made, and whether it helped."""

import shlex
from collections.abc import Sequence
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


def try_repair(run: RunSummary, *, overrides: Sequence[str], uri: str) -> None:
    """Train the run again with the first repair among its findings, and print the difference on the same test images.

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
    difference = compare_models(run, [repaired], metric(METRIC))
    open_console().print(printable(verdict(finding, difference[0] if difference else None)))


def repairable(findings: Sequence[Finding]) -> Finding | None:
    """Return the first finding whose repair is overrides."""
    return next((finding for finding in findings if finding.repair and is_override(finding.repair)), None)


def verdict(finding: Finding, difference: ModelDifference | None) -> str:
    """Return whether a repair helped, in a sentence with the interval that ``cnnexp compare`` gives."""
    if difference is None:
        return "Whether it helped cannot be said: one of the two runs has no predictions of its test images."
    gain = difference.difference.gain
    assert gain.low is not None
    assert gain.high is not None
    interval = f"{100 * gain.mean:+.1f} points of accuracy on the same {gain.n:,} test images (95 % interval "
    interval += f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    if gain.low > 0:
        return f"{finding.repair} helped: {interval}."
    return f"{finding.repair} made it worse: {interval}." if gain.high < 0 else f"No difference is shown: {interval}."
