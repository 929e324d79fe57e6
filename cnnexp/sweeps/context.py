"""What a run under an external launcher has to know of its sweep; it is passed on in an environment variable."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cnnexp.config import Override
from cnnexp.sweeps.pruning import StudySpec, join_study

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnexp.records import EpochValues

VARIABLE = "CNNEXP_SWEEP"  # set for one job, through hydra.job.env_set


@dataclass(frozen=True, slots=True)
class SweepContext:
    """A run's place in its sweep."""

    tags: Mapping[str, str]  # empty: the run is not part of one of cnnexp's sweeps
    replaces: str | None = None  # key of the record of an unfinished run that this run repeats
    study: StudySpec | None = None  # None: the run is not part of a search
    trial: int | None = None  # number of the run's trial

    @classmethod
    def from_environment(cls) -> Self:
        """Return what the launcher has set for this job; a run alone has no tags."""
        text = os.environ.get(VARIABLE)
        if text is None:
            return cls(tags={})
        fields = json.loads(text)
        study = fields.pop("study")
        return cls(**fields, study=None if study is None else StudySpec(**study))

    def to_override(self) -> str:
        """Return the override that sets the variable for a job of Hydra."""
        return str(Override.setting(f"hydra.job.env_set.{VARIABLE}", json.dumps(dataclasses.asdict(self)), prefix="+"))

    def pruner(self) -> "Callable[[EpochValues], bool]":
        """Return what decides after each epoch whether to stop the run there."""
        if self.study is None or self.trial is None:
            return lambda _: False
        return join_study(self.study, self.trial).should_prune
