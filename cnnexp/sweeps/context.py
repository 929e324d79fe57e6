"""What a run under one of Hydra's own launchers has to know of its sweep: handed over in an environment variable."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnexp.records import EpochValues  # numpy, which is not needed to ask

VARIABLE = "CNNEXP_SWEEP"  # set for the job alone, through hydra.job.env_set


@dataclass(frozen=True, slots=True)
class Invitation:
    """The content of the variable."""

    tags: Mapping[str, str]
    replaces: str | None  # key of the record of a broken run that this one repeats
    search: Mapping[str, Any] | None  # fields of `rules.Rules`; None: nothing is searched
    trial: int | None  # number of the run's trial

    def word(self) -> str:
        """Return the word that gives a job of Hydra's the variable."""
        text = json.dumps(dataclasses.asdict(self)).replace("\\", "\\\\").replace("'", "\\'")
        return f"+hydra.job.env_set.{VARIABLE}='{text}'"


@dataclass(frozen=True, slots=True)
class Membership:
    """A run's place in its sweep."""

    tags: Mapping[str, str]
    replaces: str | None
    hopeless: Callable[["EpochValues"], bool]  # tells after an epoch whether to stop


def membership() -> Membership:
    """Return the place of the run of this process; a run alone has none."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return Membership({}, None, _never)
    invitation = Invitation(**json.loads(text))
    if invitation.search is None or invitation.trial is None:
        return Membership(invitation.tags, invitation.replaces, _never)
    from cnnexp.sweeps.search import joined_trial  # Optuna, which only a search needs
    from cnnexp.sweeps.study_spec import Rules

    rules = Rules(**invitation.search)
    return Membership(invitation.tags, invitation.replaces, joined_trial(rules, invitation.trial))


def _never(_: "EpochValues") -> bool:
    return False
