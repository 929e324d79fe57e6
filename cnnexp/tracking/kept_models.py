"""Which runs keep the model that they trained (``tracking.models``), and what a run without it says."""

import math
import shlex
from collections.abc import Sequence

from cnnexp.config import Override
from cnnexp.records import RunCommand, RunSummary
from cnnexp.system.text import printable, program
from cnnexp.tracking.tags import WITHOUT_MODEL

_SETTING = "tracking.models"
_LOSS = "best/val_loss"


def without_model(command: RunCommand) -> dict[str, str]:
    """Return the tag of a run whose model is not kept: what to type after `cnnexp` to train it again and keep it."""
    overrides = [text for text in command.overrides if Override.parse(text).key != _SETTING]
    return {WITHOUT_MODEL: shlex.join([*command.flags, *overrides, f"{_SETTING}=all"])}


def why_without(runs: Sequence[RunSummary]) -> str | None:
    """Return the sentence about runs whose models were not kept, of several the best; None: that is not the reason."""
    without = [run for run in runs if WITHOUT_MODEL in run.tags]
    if not without:
        return None
    best = min(without, key=_validation_loss)
    which = "" if len(runs) == 1 else f", the best of {len(runs)} by {_LOSS},"
    return (
        f"Run {best.run_id[:12]} ({printable(best.name)}){which} was recorded without its model ({_SETTING}). To train "
        f"it again and keep the model: {program()} {printable(best.tags[WITHOUT_MODEL])}"
    )


def _validation_loss(run: RunSummary) -> float:
    loss = run.metrics.get(_LOSS, math.nan)
    return math.inf if math.isnan(loss) else loss
