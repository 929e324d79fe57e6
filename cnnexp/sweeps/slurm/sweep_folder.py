"""The folder of a sweep on a shared disk, by which its jobs know what to do and say how they ended.

sweep.pickle       what the sweep is
0003.pickle        a run that is to be done; as its settings may hold a password, only the owner can read it
0003.json          how far that is
ended.json         how the sweep ended
runs.sh            the scripts that Slurm was given
comparison.sh
*.log              what they printed
"""

import dataclasses
import itertools
import json
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnnexp.config import TrackingConfig
from cnnexp.errors import SweepError
from cnnexp.sweeps.jobs import Job
from cnnexp.sweeps.sweep_records import SweepSpec
from cnnexp.system.files import content_of, write_atomically
from cnnexp.system.text import plural

RUNNING, FINISHED, FAILED, STOPPED = "running", "finished", "failed", "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRun:
    """One run of the sweep, whether it is still to do or was finished by an earlier command."""

    number: int
    name: str
    varied: Mapping[str, str]
    run_hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlan:
    """What the jobs of a sweep have to know of it."""

    spec: SweepSpec
    tracking: TrackingConfig
    objective: str
    parent_id: str  # of the sweep's run in the store
    runs: tuple[PlannedRun, ...]
    left: tuple[int, ...]  # numbers of those that are still to do
    refusals: tuple[str, ...]  # why combinations have no run

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it from the folder of the sweep."""
        plan: Self = pickle.loads((folder / "sweep.pickle").read_bytes())
        return plan

    def write(self, folder: Path, jobs: Mapping[int, Job]) -> None:
        """Write it into a folder of its own, and the jobs that are left by their numbers."""
        _write_private(folder / "sweep.pickle", pickle.dumps(self))
        for number, job in jobs.items():
            _write_private(folder / f"{number:04}.pickle", pickle.dumps(job))

    @property
    def total(self) -> int:
        """How many runs were asked for."""
        return len(self.runs) + len(self.refusals)


def new_folder(folder: Path) -> Path:
    """Make the folder of a sweep and return it: with a number after its name where another sweep has that one.

    So has one that was typed in the same second, or an earlier command where ``hydra.sweep.dir`` is set.
    """
    for number in itertools.count(1):
        own = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with suppress(FileExistsError):
            own.mkdir(parents=True)
            break
    return own


def read_job(folder: Path, number: int) -> Job:
    """Return a run that is to be done; code of the user's that it needs comes with it."""
    job: Job = pickle.loads((folder / f"{number:04}.pickle").read_bytes())
    return job


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is, as its own job has it."""

    state: str  # RUNNING | FINISHED | FAILED | STOPPED: it goes on if Slurm begins it again
    reason: str = ""
    summary: str = ""  # of one that has finished
    lost: int = 0  # attempts whose job died, or met its time limit
    failed_learning: bool = False
    node: str = ""

    @classmethod
    def read(cls, folder: Path, number: int) -> Self | None:
        """Return it; None: its job has not begun."""
        content = content_of(folder / f"{number:04}.json")
        return None if content is None else cls(**json.loads(content))

    def write(self, folder: Path, number: int) -> None:
        """Write it for whoever follows the sweep."""
        write_atomically(folder / f"{number:04}.json", json.dumps(dataclasses.asdict(self)).encode())


@dataclass(frozen=True, slots=True)
class SweepEnding:
    """How a sweep ended."""

    total: int  # runs that were asked for
    failed: int
    stopped: int  # whose jobs were cancelled, or died

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return it; None: it has not ended."""
        content = content_of(folder / "ended.json")
        return None if content is None else cls(**json.loads(content))

    def write(self, folder: Path) -> None:
        """Write it for whoever follows the sweep."""
        write_atomically(folder / "ended.json", json.dumps(dataclasses.asdict(self)).encode())

    def raise_failures(self) -> None:
        """Raise where not every run is finished.

        Raises:
            SweepError: some failed, or were stopped.

        """
        failed = [f"{self.failed} failed"] if self.failed else []
        stopped = [f"{self.stopped} were stopped, which `cnnexp resume` goes on with"] if self.stopped else []
        if reasons := [*failed, *stopped]:
            raise SweepError(f"Of {plural(self.total, 'run')} {' and '.join(reasons)}; the reasons stand above.")


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
