"""The end of a run: waiting for its delivery, or telling the user where the record is kept."""

import logging
from pathlib import Path

from cnnexp.tracking import outbox, ui
from cnnexp.tracking.courier import Answer, courier
from cnnexp.tracking.progress import Progress
from cnnexp.tracking.receipt import Receipt

_logger = logging.getLogger("cnnexp.tracking")
_PATIENCE = 60.0  # seconds of silence from the delivering process before it is given up
_PATIENCE_KILLED = 8.0  # the same for a run that was killed: Docker gives ten seconds, Slurm thirty


def deliver(folder: Path, *, uri: str, killed: bool) -> Receipt:
    """Have an ended record delivered and return where it went; what cannot be delivered is kept, and that is said."""
    try:
        answer = _last_answer(folder, _PATIENCE_KILLED if killed else _PATIENCE)
    except KeyboardInterrupt:
        _kept(folder, "The wait for its delivery was interrupted.")
        raise
    if answer["event"] == "kept":
        return _kept(folder, answer["reason"])
    run_id = answer["run_id"]
    return Receipt(run_id, ui.command(uri=uri, run_id=run_id), kept_folder=None, reason="")


def _last_answer(folder: Path, patience: float) -> Answer:
    courier().tell(folder, ended=True)
    while (answer := courier().wait(folder, patience=patience)) is not None:
        if answer["event"] in ("delivered", "kept"):
            return answer
    courier().stop()
    return {"event": "kept", "reason": f"The MLflow store has said nothing for {patience:g} seconds."}


def _kept(folder: Path, reason: str) -> Receipt:
    progress = Progress.load(folder)
    if not progress.asked and not (folder / "model").exists():
        outbox.remove(folder)  # the store never heard of the run, and nothing came of it
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason=reason)
    receipt = Receipt(progress.run_id, url_command=None, kept_folder=folder, reason=reason)
    _logger.warning("The record of this run is kept: %s Complete it later with: %s", reason, receipt.send_command)
    return receipt
