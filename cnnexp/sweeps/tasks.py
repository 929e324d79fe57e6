"""What the sweep tells a process to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cnnexp.config import DataConfig, ExperimentConfig


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one run."""

    name: str
    config: ExperimentConfig
    digest: str | None  # of the data as the sweep read them elsewhere; None: it read them on this machine
    record: Path  # the folder of its record, which the sweep holds
    environment: Mapping[str, str]  # more variables, for this run alone
    may_be_stopped: bool  # the sweep has a say after every epoch

    @property
    def alone(self) -> bool:
        """Whether its process must do nothing before it and nothing after it: variables are read when that begins."""
        return bool(self.environment)


@dataclass(frozen=True, slots=True)
class Reading:
    """Read a data set and say what it is."""

    data: DataConfig
    alone = False


Task = Assignment | Reading
