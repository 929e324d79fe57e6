"""Which runs keep the model that they trained (``tracking.models``), and what a run without it says."""

import math
import shlex
from collections.abc import Sequence

from cnnexp.config import Override
from cnnexp.records import RunCommand, RunSummary
from cnnexp.system.text import printable, program
from cnnexp.tracking import logged_model
from cnnexp.tracking.store.calls import calling, mlflow_uri
from cnnexp.tracking.store.connection import load_mlflow
from cnnexp.tracking.store.find_runs import ask
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import TRAIN_AGAIN

_SETTING = "tracking.models"
_LOSS = "best/val_loss"


def train_again(command: RunCommand) -> dict[str, str]:
    """Return the tag of a run that need not keep its model: what to type after `cnnexp` to train it with its model."""
    overrides = [text for text in command.overrides if Override.parse(text).key != _SETTING]
    return {TRAIN_AGAIN: shlex.join([*command.flags, *overrides, f"{_SETTING}=all"])}


def why_without(runs: Sequence[RunSummary]) -> str | None:
    """Return the sentence about runs without models that need not keep them, of several the best; else None."""
    without = [run for run in runs if TRAIN_AGAIN in run.tags]
    if not without:
        return None
    best = min(without, key=_validation_loss)
    which = "" if len(runs) == 1 else f", the best of {len(runs)} by {_LOSS},"
    return (
        f"Run {best.run_id[:12]} ({printable(best.name)}){which} was recorded without its model ({_SETTING}). To train "
        f"it again and keep the model: {program()} {printable(best.tags[TRAIN_AGAIN])}"
    )


def _validation_loss(run: RunSummary) -> float:
    loss = run.metrics.get(_LOSS, math.nan)
    return math.inf if math.isnan(loss) else loss


def removable(runs: Sequence[StoredRun], uri: str) -> list[StoredRun]:
    """Return those that have a model and need not keep it."""
    free = [run for run in runs if TRAIN_AGAIN in run.tags]
    return ask(uri, lambda store: [run for run in free if store.locations(run.run_id).model is not None])


def remove_models(runs: Sequence[StoredRun], uri: str) -> None:
    """Remove the models of runs from their store: the files first, so that what is interrupted can be repeated.

    Raises:
        TrackingError: The store cannot be reached, or refuses.

    """
    if not runs:
        return
    load_mlflow()
    from mlflow import MlflowClient

    with calling(uri):
        client = MlflowClient(mlflow_uri(uri))
        for run in runs:
            logged_model.remove(client, run_id=run.run_id)
