"""``cnnexp diagnose RUN``: what is wrong with a run?"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.cli.targets import is_exported
from cnnexp.compose import changed_overrides, compose_config, recorded_overrides
from cnnexp.diagnosis import divergence
from cnnexp.diagnosis.training_course import FITTED
from cnnexp.errors import CnnexpError, ConfigError, DataError, ModelError
from cnnexp.records import RunSummary
from cnnexp.report.console import open_console
from cnnexp.report.run.findings_page import findings_page
from cnnexp.report.run.terminal import print_findings
from cnnexp.system import quiet
from cnnexp.system.streams import quiet_reports
from cnnexp.tracking.recorded_model import recorded_config, recorded_model
from cnnexp.tracking.store.find_runs import find_runs, runs_of
from cnnexp.tracking.tags import FOLD, FOLDS

UNEXPLAINED = (
    "note: {:.1%} of its own training images are right. Whether another network would do better, or this is what the "
    "data allow, no check can tell: compare with model=pretrained, or with more epochs."
)

_ENDED = {
    "FAILED": "It has no findings: it ended with an error, which is in its artifact traceback.txt.",
    "KILLED": "It has no findings: it was stopped.",
    "RUNNING": "It has no findings yet: it is running.",
}

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
    runs = tuple(asked for run in runs for asked in _with_a_fold(run, uri))
    quietly = outputs["json"] is not None or outputs["html"] == STDOUT
    began = time.monotonic()
    probed = [_probed(run, uri=uri, shown=not quietly) for run in runs]
    runs = tuple(run for run, _ in probed)
    seconds = time.monotonic() - began
    if not quietly:
        _print(runs, seconds=seconds)
    if outputs["html"] is not None:
        write_document(findings_page(runs, asked=target), outputs["html"], option="--html")
    repaired: Mapping[str, object] = {}
    try:
        if tried:
            _refuse_in_vain(*probed[-1])
            repaired = _try(runs[-1], uri=uri, shown=not quietly)
    finally:  # what was found is known, also where nothing could be tried
        if outputs["json"] is not None:
            write_document(_as_json(runs, repaired), outputs["json"], option="--json")
    return 0


def _with_a_fold(run: RunSummary, uri: str) -> tuple[RunSummary, ...]:
    """Return a run, and of one of folds, which have no images of validation in common, the first of them beside it."""
    if FOLDS not in run.tags:
        return (run,)
    folds = [one for one in runs_of(uri, run.run_id) if FOLD in one.tags and one.status == "FINISHED"]
    first = sorted(folds, key=lambda one: int(one.tags[FOLD]))[:1]
    return run, *(find_runs([one.run_id for one in first], uri=uri) if first else ())


def _refuse_in_vain(run: RunSummary, error: CnnexpError | None) -> None:
    """Refuse to train again what would fail again, so that no failed run is recorded."""
    if error is not None:
        raise ConfigError(f"--try cannot train {run.name} again: {error}") from error


def _as_json(runs: Sequence[RunSummary], repaired: Mapping[str, object]) -> str:
    found = [{"run": run.run_id, "findings": [asdict(one) for one in run.read_findings()], **repaired} for run in runs]
    return json.dumps(found, indent=2) + "\n"


def _print(runs: Sequence[RunSummary], *, seconds: float) -> None:
    console = open_console()
    for before, run in zip((None, *runs), runs, strict=False):
        if before is not None and FOLD in run.tags and run.parent_id == before.run_id:
            console.print("Its folds are runs of their own, the first of which says:\n")
        console.print(f"{run.name}  {run.run_id[:12]}", style="title")
        findings = run.read_findings()
        if run.status != "FINISHED" and not findings:
            console.print(f"{_ENDED.get(run.status, run.status)} {run.tags.get('failure', '')}".rstrip() + "\n")
            continue
        print_findings(console, findings)
        if not findings and FOLDS not in run.tags and run.metrics.get("best/train_accuracy", 1.0) < FITTED:
            console.print(UNEXPLAINED.format(run.metrics["best/train_accuracy"]))
    console.print(f"asked in {seconds:.1f} s, with the reading of its images", style="muted")


def _try(run: RunSummary, *, uri: str, shown: bool) -> Mapping[str, object]:
    """Make the first repair of a run and print what came of it; return that for JSON."""
    content = recorded_config(run.run_id, uri=uri)
    if content is None:
        raise ConfigError(f"--try trains a run again with its own settings; {run.name} has no config.yaml.")
    from cnnexp.cli.try_repair import as_document, print_tried, try_repair

    with nullcontext() if shown else quiet_reports():
        tried = try_repair(run, overrides=recorded_overrides(content), uri=uri)
    if shown:
        print_tried(tried)
    return {"tried": as_document(tried)}


def _hide(stage: str, done: int, total: int) -> None:
    """Show nothing: standard output is for a document."""


def _probed(run: RunSummary, *, uri: str, shown: bool) -> tuple[RunSummary, CnnexpError | None]:
    """Return the run with its findings after the probes, and why there were none: its images or its code are gone.

    It is as it was recorded where there is nothing to probe.
    """
    if (diverged := divergence(run)) is not None:
        return replace(run, read_findings=lambda: (diverged,)), None
    recorded, content = run.read_findings(), recorded_config(run.run_id, uri=uri)
    if content is None or "best/val_accuracy" not in run.metrics or FOLDS in run.tags:
        return run, None
    quiet.import_tensorflow()
    from cnnexp.report.run import RunReport
    from cnnexp.runs.probes.probe_run import ProbedRun, probe_run

    with RunReport(titled=True) as report, _model_of(run, uri) as folder:
        show = report.progress if shown else _hide
        try:
            overrides = recorded_overrides(content)
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
            return run, error
    return replace(run, read_findings=lambda: found), None


@contextmanager
def _model_of(run: RunSummary, uri: str) -> Iterator[Path | None]:
    """Give the folder of the model of a run; None where it has none, or its files are gone."""
    with ExitStack() as opened:
        try:
            folder = opened.enter_context(recorded_model(run.run_id, uri=uri).folder())
        except ModelError:
            folder = None
        yield folder
