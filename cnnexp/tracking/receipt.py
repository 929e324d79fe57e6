"""Where a run went: what its recorder waits for at its end, and what ``cnnexp send`` completes later."""

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path

from cnnexp.errors import TrackingError
from cnnexp.system.files import is_file
from cnnexp.system.locks import locked_folder
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import program
from cnnexp.tracking.outbox import record_folder
from cnnexp.tracking.outbox.delivery import Delivery
from cnnexp.tracking.outbox.delivery_client import PATIENCE
from cnnexp.tracking.outbox.owned_record import OwnedRecord
from cnnexp.tracking.store import connection

_logger = logging.getLogger("cnnexp.tracking")
_PATIENCE_KILLED = 8.0  # seconds for a run that was killed: Docker gives ten seconds, Slurm thirty
_REPEATED = "It was an attempt that failed and was repeated: nothing of it is left in the store."
_PATIENCE_SEND = 15.0  # seconds another delivery of the same record may take


def open_command(*, uri: str, run_id: str) -> str:
    """Return what a user types to see a run or a sweep in the MLflow UI."""
    store = shlex.quote(f"tracking.uri={StoreUri(uri).masked}")  # as every command takes it
    return f"{program()} ui {store} --run {run_id}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a run is, and what to type to see it or to complete it."""

    run_id: str | None  # None: the store has not created the run
    url_command: str | None  # opens the run in the MLflow UI; None while it is not complete there
    kept_folder: Path | None  # of the record that could not be delivered; None: it was
    reason: str  # why it is kept, one line; empty when it is not

    @property
    def send_command(self) -> str | None:
        """What delivers the kept folder; None when nothing is kept."""
        return None if self.kept_folder is None else f"{program()} send {shlex.quote(str(self.kept_folder))}"


def wait_for_delivery(record: OwnedRecord, *, uri: str, killed: bool) -> Receipt:
    """Have an ended record delivered and return where it went; a record that cannot be delivered is kept.

    Args:
        record: Its run has ended.
        uri: Of the store.
        killed: The run was killed, by somebody who does not wait long: the record is kept sooner.

    """
    try:
        answered = record.wait(patience=_PATIENCE_KILLED if killed else PATIENCE)
    except KeyboardInterrupt:
        if record.folder.exists():  # else it is delivered by now
            _keep(record.folder, "The wait for its delivery was interrupted.")
        raise
    if not answered:
        record.delivery.stop()
    if record.kept_reason is not None and record.folder.exists():  # else it is delivered, and only the answer is lost
        return _keep(record.folder, record.kept_reason)
    return delivered(uri, str(record.run_id))


def _keep(folder: Path, reason: str) -> Receipt:
    progress = record_folder.Progress.load(folder)
    if not progress.asked and not (folder / "model").exists():
        record_folder.remove(folder)  # the store was never asked for the run, and it has no result
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason=reason)
    receipt = Receipt(progress.run_id, url_command=None, kept_folder=folder, reason=reason)
    _logger.warning("The record of this run is kept: %s Complete it later with: %s", reason, receipt.send_command)
    return receipt


def delivered(uri: str, run_id: str) -> Receipt:
    """Return the receipt of a run that the store has."""
    return Receipt(run_id, open_command(uri=uri, run_id=run_id), kept_folder=None, reason="")


def send(folder: Path) -> Receipt:
    """Deliver a kept record into the run it belongs to, and remove it.

    Sending again, twice at once, or after a delivery that was interrupted loses and duplicates nothing.

    Raises:
        TrackingError: There is no record, its run has not ended, or its store still cannot be reached.

    """
    folder = folder.absolute()
    if not is_file(folder / "run.json"):
        raise TrackingError(
            f"cnnexp send needs the folder of a kept record; {folder} is none. What has been delivered is removed."
        )
    if record_folder.is_owned(folder):
        raise TrackingError(f"A record can be sent when its run has ended; the run of {folder} is still going.")
    try:
        with locked_folder(folder, patience=_PATIENCE_SEND):
            return _send(folder)
    except TimeoutError:
        raise TrackingError(f"Another process is delivering {folder}; wait for it, then look again.") from None


def _send(folder: Path) -> Receipt:
    if not folder.exists():  # the process that held the lock before has delivered it
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason="Another process has just delivered it.")
    connection.reach(record_folder.read_opening(folder).uri)
    connection.load_mlflow()
    delivery = Delivery.load(folder)
    ending = record_folder.read_ending(folder)
    delivery.advance()
    record_folder.remove(folder)
    if ending is not None and ending.discarded:
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason=_REPEATED)
    return delivered(delivery.opening.uri, delivery.run_id)
