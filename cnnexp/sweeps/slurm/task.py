"""One run in its allocation: ``python -m cnnexp.sweeps.slurm.task FOLDER NUMBER``, a task of the job array.

It is a sweep of one run: the run has a process of its own here, is retried here when that dies, and is recorded by this
process, whatever happens to it. When this process is stopped, because the job is preempted or meets its time limit, the
state of the training is saved, and the job that Slurm begins again goes on from there in the same run of the store.
"""

import dataclasses
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cnnexp.config import SweepConfig
from cnnexp.errors import CnnexpError
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.executors import forkserver
from cnnexp.sweeps.executors.process_executor import NO_GPU, ProcessExecutor
from cnnexp.sweeps.jobs import Job, OneJob
from cnnexp.sweeps.scheduler import Scheduler
from cnnexp.sweeps.slurm.sweep_folder import FAILED, FINISHED, RUNNING, STOPPED, RunState, SweepPlan, read_job
from cnnexp.sweeps.sweep_records import previous_runs_of, tags_under
from cnnexp.system import quiet, resources, slurm, streams
from cnnexp.system.files import at_home
from cnnexp.system.find_devices import devices
from cnnexp.system.signals import Terminated
from cnnexp.system.text import one_line, plural
from cnnexp.tracking import deliver_orphans
from cnnexp.tracking.provenance import Commit, CommitReader
from cnnexp.tracking.store.find_runs import find_run
from cnnexp.tracking.tags import FOLDS, SWEEP_ID

_STOPPING = (signal.SIGTERM, signal.SIGUSR1)


class TimeLimit(Terminated):
    """Slurm is about to end the job, because its time is up."""


def main() -> int:
    """Do the run that the command line names; return the exit code."""
    _stop_by_exception()
    quiet.set_environment()
    resources.allow_open_files()
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    plan, job = SweepPlan.read(folder), read_job(folder, number)
    before = RunState.read(folder, number)
    lost = 0 if before is None else before.lost + (before.state == RUNNING)  # its job died before it could say so
    retries = job.config.sweep.retries
    if lost > retries:
        reason = f"its job was lost {plural(lost, 'time')}, which is more than sweep.retries={retries}"
        RunState(FAILED, reason, lost=lost).write(folder, number)
        return 1
    RunState(RUNNING, lost=lost, node=socket.gethostname()).write(folder, number)
    settings = dataclasses.replace(job.config.sweep, retries=retries - lost)
    state = _ended(job, plan, settings, folder, lost)
    state.write(folder, number)
    return {FINISHED: 0, FAILED: 1, STOPPED: Terminated.exit_code}[state.state]


def _stop_by_exception() -> None:
    signal.signal(signal.SIGTERM, _raise_terminated)
    signal.signal(signal.SIGUSR1, _raise_time_limit)  # as the script asks Slurm to


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated("SIGTERM")


def _raise_time_limit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeLimit("SIGUSR1")


def _ended(job: Job, plan: SweepPlan, settings: SweepConfig, folder: Path, lost: int) -> RunState:
    """Do the run; return how it ended."""
    try:
        return _done(job, plan, settings, folder, lost)
    except TimeLimit:
        return _begun_again(lost + 1, job.config.sweep.retries)
    except KeyboardInterrupt:
        return _preempted(lost)
    except CnnexpError as error:
        return RunState(FAILED, str(error), lost=lost)
    except Exception as error:  # whatever it is, the sweep says so
        traceback.print_exc()
        return RunState(FAILED, f"{type(error).__name__}: {one_line(error)}", lost=lost)


def _preempted(lost: int) -> RunState:
    return RunState(STOPPED, "Its job was preempted or cancelled; if Slurm begins it again, it goes on.", lost=lost)


def _begun_again(lost: int, retries: int) -> RunState:
    """Have Slurm begin the job again, whose time was up, unless that has happened too often."""
    if lost > retries:
        reason = (
            f"Its job met its time limit, and sweep.retries={retries} begins it no more; raise it, or "
            "hydra.launcher.time, and resume the sweep."
        )
        return RunState(STOPPED, reason, lost=lost)
    again = slurm.requeue(os.environ["SLURM_JOB_ID"])
    more = "goes on when Slurm begins it again" if again else "is not begun again, because Slurm refuses"
    return RunState(STOPPED, f"Its job met its time limit; it {more}.", lost=lost)


def _done(job: Job, plan: SweepPlan, settings: SweepConfig, folder: Path, lost: int) -> RunState:
    forkserver.start()
    uri = plan.tracking.uri
    deliver_orphans(at_home(plan.tracking.outbox), tags=(SWEEP_ID, FOLDS))  # of this run, whose job died
    previous = previous_runs_of(find_run(uri, plan.parent_id), uri)
    report = SweepReport()
    scheduler = Scheduler(
        settings=settings,
        source=OneJob(job),
        parent=_Parent(plan.parent_id),
        previous=dataclasses.replace(previous, continues=True),
        executor=_executor(job),
        report=report,
        folder=folder,
    )
    with report:
        report.begin([("node", socket.gethostname())], total=1)
        try:
            status = scheduler.run()
        except Terminated:
            for number in _STOPPING:  # that it was stopped is known
                signal.signal(number, signal.SIG_IGN)
            _preempted(lost).write(folder, job.number)  # at once: soon this process is killed
            raise
        finally:
            report.stop()
            scheduler.deliver()
    if status == "KILLED":
        raise KeyboardInterrupt
    (result,) = scheduler.results.all
    if result.status == "FAILED":
        return RunState(FAILED, result.reason, lost=lost)
    return RunState(FINISHED, summary=result.summary, lost=lost, failed_learning=result.failed_learning is not None)


def _executor(job: Job) -> ProcessExecutor:
    """Return what executes the run on the cores of the job, and on the GPUs that Slurm shows this process."""
    there = NO_GPU if job.config.training.device == "cpu" else devices()
    shared = job.config.sweep.per_gpu  # by the folds of a run
    per_gpu = shared if isinstance(shared, int) else None
    return ProcessExecutor(cores=resources.cores(), limit=None, devices=there, per_gpu=per_gpu)


class _Parent:
    """The sweep, as the parent of this run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._commit_reader = CommitReader.start(Path.cwd())

    @property
    def commit(self) -> Commit | None:
        """The state of the code."""
        return self._commit_reader.result()

    def tags(self, *, varied: Mapping[str, str], run_hash: str) -> dict[str, str]:
        """Return the tags of the run."""
        return tags_under(self._run_id, varied=varied, run_hash=run_hash)


if __name__ == "__main__":
    streams.open_missing()
    sys.exit(main())
