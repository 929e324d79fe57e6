"""Shows a sweep of Slurm's in the shell that it was typed in; nothing depends on whether it does."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from cnnexp.config.shown_values import label_of
from cnnexp.errors import SweepError
from cnnexp.report.console import open_console
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.slurm.sweep_folder import FINISHED, RUNNING, STOPPED, RunState, SweepEnding, SweepPlan
from cnnexp.system import slurm
from cnnexp.system.files import content_of
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import program

_PAUSE = 2.0  # seconds between two looks at the folder
_QUEUE_PAUSE = 30.0  # seconds between two looks at the queue, which all users of a cluster ask
_LATENESS = 60.0  # seconds after the last job in which a shared disk shows what it has written


def follow(plan: SweepPlan, folder: Path, jobs: Sequence[int], report: SweepReport) -> SweepEnding | None:
    """Report the runs as they begin and end; return how the sweep ended; None: Ctrl-C, and the sweep goes on.

    Raises:
        SweepError: the jobs are gone, and the sweep has not ended.

    """
    follower = _Follower(plan, folder, report)
    gone_since: float | None = None
    asked = time.monotonic()
    try:
        while (ending := SweepEnding.read(folder)) is None:
            follower.look()
            time.sleep(_PAUSE)
            if time.monotonic() - asked < _QUEUE_PAUSE:
                continue
            asked = time.monotonic()
            if slurm.are_queued(jobs) is not False:
                gone_since = None
            elif gone_since is None:
                gone_since = asked
            elif asked - gone_since > _LATENESS:
                raise SweepError(
                    "The jobs of a sweep must not be cancelled with its comparison; both are gone from the queue of "
                    f"Slurm. Go on with it: {_resume(plan)}"
                )
        follower.look()
    except KeyboardInterrupt:
        return None
    report.stop()
    printed = content_of(folder / "comparison.log") or b""
    open_console(required=False).print(printed.decode(errors="replace").rstrip(), soft_wrap=True)
    return ending


def how_to_go_on(plan: SweepPlan, jobs: Sequence[int]) -> list[tuple[str, str]]:
    """Return what to type while the sweep is in the queue, with labels."""
    *runs, _ = jobs
    store = _store(plan)
    return [
        (
            "queued",
            "The sweep goes on by itself; the job after its last run compares it. "
            "One that was cancelled can be resumed.",
        ),
        ("watch", f"squeue --jobs={','.join(map(str, jobs))}"),
        ("compare", f"{program()} compare {plan.parent_id[:12]} {store} --watch"),
        ("cancel", f"scancel {' '.join(map(str, runs))}"),
        ("resume", _resume(plan)),
    ]


def _resume(plan: SweepPlan) -> str:
    return f"{program()} resume {plan.parent_id[:12]} {_store(plan)}"


def _store(plan: SweepPlan) -> str:
    return shlex.quote(f"tracking.uri={StoreUri(plan.tracking.uri).masked}")


class _Follower:
    """What of the runs has been reported."""

    def __init__(self, plan: SweepPlan, folder: Path, report: SweepReport) -> None:
        self._folder = folder
        self._report = report
        self._labels = {run.number: label_of(run.varied) or run.name for run in plan.runs if run.number in plan.left}
        self._known: dict[int, RunState] = {}

    def look(self) -> None:
        """Report what has changed since the last look."""
        for number, label in list(self._labels.items()):
            state = RunState.read(self._folder, number)
            if state is not None and state != self._known.get(number):
                self._known[number] = state
                self._changed(number, label, state)

    def _changed(self, number: int, label: str, state: RunState) -> None:
        if state.state == RUNNING:
            self._report.started(number, label, epochs=0, stage=f"on {state.node}")
        elif state.state == STOPPED:
            self._report.stopped(number, label, state.reason)
        else:
            good = state.state == FINISHED and not state.failed_learning
            self._report.ended(number, label, state.summary or state.reason, good=good, best="")
            del self._labels[number]
