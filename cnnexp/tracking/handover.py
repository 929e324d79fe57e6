"""The end of a run: waiting for its delivery, or telling the user where the record is kept."""

import logging
import shutil
from pathlib import Path

from cnnexp.tracking import ui
from cnnexp.tracking.courier import Answer, courier
from cnnexp.tracking.progress import Progress
from cnnexp.tracking.receipt import Receipt

_logger = logging.getLogger("cnnexp.tracking")
_PATIENCE = 60.0  # seconds of silence from the delivering process before it is given up
_PATIENCE_KILLED = 8.0  # the same for a run that was killed: Docker gives ten seconds, Slurm thirty


def deliver(folder: Path, *, uri: str, killed: bool) -> Receipt:
    """Have an ended record delivered and return where it went; what cannot be delivered is kept, and that is said."""
    reason = "The wait for its delivery was interrupted."
    progress = Progress.load(folder)
    try:
        courier().tell(folder, ended=True)
        answer = _last_answer(folder, _PATIENCE_KILLED if killed else _PATIENCE)
        if answer["event"] == "delivered":
            run_id = answer["run_id"]
            return Receipt(run_id, ui.command(uri=uri, run_id=run_id), kept_folder=None, reason="")
        reason = answer["reason"]
    finally:
        if folder.exists():
            progress = Progress.load(folder)
    return _kept(folder, progress.run_id, reason)


def _last_answer(folder: Path, patience: float) -> Answer:
    while (answer := courier().wait(folder, patience=patience)) is not None:
        if answer["event"] in ("delivered", "kept"):
            return answer
    courier().stop()
    return {"event": "kept", "reason": f"The MLflow store has said nothing for {patience:g} seconds."}
