"""The job after all runs: ``python -m cnnexp.sweeps.slurm.comparison FOLDER`` compares them and ends the sweep."""

import shlex
import sys
from pathlib import Path

from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.external import close, recorded_results
from cnnexp.sweeps.results import Result
from cnnexp.sweeps.slurm.sweep_folder import FAILED, PlannedRun, RunState, SweepEnding, SweepPlan
from cnnexp.sweeps.sweep_records import ParentRun, describe_varied
from cnnexp.system import quiet
from cnnexp.system.files import at_home
from cnnexp.system.text import listed, program
from cnnexp.tracking import deliver_orphans
from cnnexp.tracking.store.find_runs import find_run, runs_of
from cnnexp.tracking.tags import FOLDS, RUN_HASH, SWEEP_ID, VARIED


def main() -> None:
    """End the sweep of the folder that the command line names."""
    quiet.set_environment()
    folder = Path(sys.argv[1])
    plan = SweepPlan.read(folder)
    deliver_orphans(at_home(plan.tracking.outbox), tags=(SWEEP_ID, FOLDS))  # of runs whose nodes are gone
    stored = find_run(plan.tracking.uri, plan.parent_id)
    end_sweep(plan, ParentRun.begin(plan.tracking, plan.spec, continued=stored), folder)


def end_sweep(plan: SweepPlan, parent: ParentRun, folder: Path) -> SweepEnding:
    """Compare the runs, end the parent, and print what came out; what the store has of a run is what counts."""
    results = recorded_results(plan.runs, plan.objective, uri=plan.tracking.uri, parent_id=plan.parent_id)
    recorded = {result.number for result in results.all}
    for run in plan.runs:
        if run.number not in recorded:
            results.add(_without_record(run, RunState.read(folder, run.number)))
    for refusal in plan.refusals:
        results.refused(refusal)
    ending = SweepEnding(
        total=plan.total,
        failed=len(results.with_status("FAILED")) + len(plan.refusals),
        stopped=len(plan.runs) - len(results.with_status("FINISHED", "pruned", "FAILED")),
    )
    report = SweepReport()
    if others := _on_other_data(plan):
        report.note(
            f"The data must be the same on every node; {listed(others)} found others than the machine on which the "
            "sweep was typed. Copy them there again, or use a folder that all nodes share.",
            attention=True,
        )
    record = close(parent, results, "KILLED" if ending.stopped else "FINISHED", plan.tracking, plan.objective)
    if record.kept_reason is not None:
        send = f"{program()} send {shlex.quote(str(record.folder))}"
        report.closing([("kept", f"{record.kept_reason} Complete it later: {send}")])
    if folder.exists():
        ending.write(folder)
    return ending


def _without_record(run: PlannedRun, state: RunState | None) -> Result:
    """Return the result of a run that the store does not have."""
    failed = state is not None and state.state == FAILED
    reason = "its job was cancelled before it began" if state is None else state.reason
    return Result(
        number=run.number,
        name=run.name,
        varied=run.varied,
        status="FAILED" if failed else "KILLED",
        metrics={},
        learning_rate=None,
        batch_size=None,
        batch_scaling="none",
        seconds=None,
        reason=reason,
    )


def _on_other_data(plan: SweepPlan) -> list[str]:
    """Return the names of runs that are not those that were planned: what can differ is their data."""
    planned = {describe_varied(run.varied): run.run_hash for run in plan.runs}
    stored = [run for run in runs_of(plan.tracking.uri, plan.parent_id) if run.status == "FINISHED"]
    return [run.name for run in stored if planned.get(run.tags[VARIED], run.tags[RUN_HASH]) != run.tags[RUN_HASH]]


if __name__ == "__main__":
    main()
