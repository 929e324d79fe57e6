"""``cnnexp diagnose RUN``: what is wrong with a run?"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.cli.targets import is_exported
from cnnexp.compose import changed_overrides, compose_config, recorded_overrides
from cnnexp.diagnosis.training_course import FITTED
from cnnexp.errors import ConfigError, DataError, ModelError
from cnnexp.records import RunSummary
from cnnexp.report.console import open_console
from cnnexp.report.run.findings_page import findings_page
from cnnexp.report.run.terminal import print_findings
from cnnexp.system import quiet
from cnnexp.tracking.recorded_model import recorded_config, recorded_model
from cnnexp.tracking.store.find_runs import find_runs

UNEXPLAINED = (
    "note: {:.1%} of its own training images are right. Whether another network would do better, or this is what the "
    "data allow, no check can tell: compare with model=pretrained, or with more epochs."
)

Outputs = Mapping[str, Path | None]  # html, json: the documents that are asked for


def diagnose_run(target: str, *, uri: str, outputs: Outputs, tried: bool) -> int:
    """Print what is wrong with runs, by what they recorded and by probes of those that learned too little.

    Raises:
        TargetError: no run is meant.
        ConfigError: it is an exported folder, which has no record, a file cannot be written, or `tried` is asked for
            where there is nothing to try.

    """
    refuse_to_mix(outputs)
    if is_exported(target):
        raise ConfigError(f"{target} is an exported model, without the record of its run; add images to diagnose.")
    runs = find_runs([target], uri=uri)
    if tried and len(runs) > 1:
        raise ConfigError(f"--try repairs one run; {target!r} has {len(runs)} runs. Name one of them.")
    quietly = outputs["json"] is not None or outputs["html"] == STDOUT
    began = time.monotonic()
    runs = tuple(_probed(run, uri=uri, shown=not quietly) for run in runs)
    seconds = time.monotonic() - began
    if outputs["html"] is not None:
        write_document(findings_page(runs, asked=target), outputs["html"], option="--html")
    if outputs["json"] is not None:
        found = [{"run": run.run_id, "findings": [asdict(finding) for finding in run.read_findings()]} for run in runs]
        write_document(json.dumps(found, indent=2) + "\n", outputs["json"], option="--json")
    if not quietly:
        _print(runs, seconds=seconds)
    if tried:
        _try(runs[0], uri=uri)
    return 0


def _print(runs: Sequence[RunSummary], *, seconds: float) -> None:
    console = open_console()
    for run in runs:
        console.print(f"{run.name}  {run.run_id[:12]}", style="title")
        findings = run.read_findings()
        print_findings(console, findings)
        if not findings and run.metrics.get("best/train_accuracy", 1.0) < FITTED:
            console.print(UNEXPLAINED.format(run.metrics["best/train_accuracy"]))
    console.print(f"asked in {seconds:.1f} s, with the reading of its images", style="muted")


def _try(run: RunSummary, *, uri: str) -> None:
    content = recorded_config(run.run_id, uri=uri)
    if content is None:
        raise ConfigError(f"--try trains a run again with its own settings; {run.name} has no config.yaml.")
    from cnnexp.cli.try_repair import try_repair

    try_repair(run, overrides=recorded_overrides(content), uri=uri)


def _hide(stage: str, done: int, total: int) -> None:
    """Show nothing: standard output is for a document."""


def _probed(run: RunSummary, *, uri: str, shown: bool) -> RunSummary:
    """Return the run with its findings after the probes; as it was recorded where there is nothing to probe."""
    recorded, content = run.read_findings(), recorded_config(run.run_id, uri=uri)
    if content is None or "best/val_accuracy" not in run.metrics:
        return run
    overrides = recorded_overrides(content)
    quiet.import_tensorflow()
    from cnnexp.report.run import RunReport
    from cnnexp.runs.probes.probe_run import ProbedRun, probe_run

    with RunReport(titled=True) as report, _model_of(run, uri) as folder:
        show = report.progress if shown else _hide
        try:
            found = probe_run(
                ProbedRun(
                    recorded=recorded,
                    settings=yaml.safe_load(content),
                    metrics=run.metrics,
                    epochs=len(run.read_curves()["val/loss"]),
                    predictions=run.read_predictions(),
                    model=folder,
                ),
                compose=lambda changed: compose_config(changed_overrides(overrides, changed)),
                on_progress=show,
            )
        except (ConfigError, DataError, ModelError) as error:  # what the run recorded is known all the same
            report.warn(f"{run.name} was not probed: {error}")
            return run
    return replace(run, read_findings=lambda: found)


@contextmanager
def _model_of(run: RunSummary, uri: str) -> Iterator[Path | None]:
    """Give the folder of the model of a run; None where it has none, or its files are gone."""
    with ExitStack() as opened:
        try:
            folder = opened.enter_context(recorded_model(run.run_id, uri=uri).folder())
        except ModelError:
            folder = None
        yield folder
