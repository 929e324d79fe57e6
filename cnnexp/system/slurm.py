"""Slurm's commands: what its queue is told and asked. Accounting (`sacct`), which many clusters lack, is not needed."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cnnexp.errors import ConfigError, SweepError
from cnnexp.system.text import one_line

_SECONDS = 60.0  # for the controller to answer; it may be busy
_LARGEST_ARRAY = 1001  # Slurm's own default


def require() -> None:
    """Make sure that there are Slurm's commands.

    Raises:
        ConfigError: there are not.

    """
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "hydra/launcher=slurm needs Slurm's commands, and there is no sbatch on this machine. Type the command on "
            "a node from which jobs are submitted, or leave hydra/launcher out: then the runs are done here."
        )


def submit(script: Path, *, after: Sequence[int] = ()) -> int:
    """Queue a script and return the number of its job; it begins when the jobs `after` have ended, however they did.

    Raises:
        SweepError: Slurm refuses.

    """
    dependency = [f"--dependency=afterany:{':'.join(map(str, after))}"] if after else []
    answer = _run("sbatch", "--parsable", *dependency, str(script))
    if answer is None or answer.returncode != 0:
        reason = "it does not answer" if answer is None else one_line(answer.stderr)
        raise SweepError(
            f"Slurm must take the jobs of the sweep, and it refuses: {reason}. Correct hydra.launcher.*; "
            "sweep.dry_run=true prints the script."
        )
    return int(answer.stdout.strip().partition(";")[0])  # number;cluster


def are_queued(jobs: Sequence[int]) -> bool | None:
    """Return whether any of the jobs waits or runs; None: Slurm does not answer, or is not on this machine."""
    answer = _run("squeue", "--noheader", "--format=%T", f"--jobs={','.join(map(str, jobs))}")
    if answer is None:
        return None
    if answer.returncode != 0:
        return False if "Invalid job id" in answer.stderr else None
    return bool(answer.stdout.strip())


def requeue(job: str) -> bool:
    """Have a running job begun again when there is room; return whether Slurm does."""
    answer = _run("scontrol", "requeue", job)
    return answer is not None and answer.returncode == 0


def cancel(jobs: Sequence[int]) -> None:
    """Cancel jobs, as far as they are there."""
    _run("scancel", *map(str, jobs))


def largest_array() -> int:
    """Return the number that every index of a job array must stay below."""
    answer = _run("scontrol", "show", "config")
    found = None if answer is None else re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.stdout, re.MULTILINE)
    return int(found[1]) if found else _LARGEST_ARRAY


def _run(*command: str) -> "subprocess.CompletedProcess[str] | None":
    """Return what a command answers; None: it is not there, or takes too long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
