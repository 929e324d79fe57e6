"""``cnnexp send``: completing later what could not be delivered when it was recorded."""

from pathlib import Path

from cnnexp.errors import TrackingError
from cnnexp.tracking import outbox, store, ui
from cnnexp.tracking.delivery import Delivery
from cnnexp.tracking.locks import is_held, locked
from cnnexp.tracking.receipt import Receipt

_PATIENCE = 15.0  # seconds another delivery of the same record may take


def send(folder: Path) -> Receipt:
    """Deliver a kept record into the run it belongs to, and remove it.

    Sending again, two at once, or after a delivery that was cut off loses and doubles nothing.

    Raises:
        TrackingError: There is no record, it is still growing, or its store still cannot be reached.

    """
    folder = folder.absolute()
    if not (folder / "run.json").exists():
        raise TrackingError(
            f"cnnexp send needs the folder of a kept record; {folder} is none. What has been delivered is removed."
        )
    if is_held(folder / outbox.JOURNAL):
        raise TrackingError(f"A record can be sent when its run has ended; the run of {folder} is still going.")
    try:
        with locked(folder, patience=_PATIENCE):
            return _deliver(folder)
    except TimeoutError:
        raise TrackingError(f"Another process is delivering {folder}; wait for it, then look again.") from None


def _deliver(folder: Path) -> Receipt:
    if not folder.exists():  # whoever held it before us has delivered it
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason="Another process has just delivered it.")
    store.reach(outbox.read_opening(folder).uri)
    store.load_mlflow()
    delivery = Delivery(folder)
    delivery.advance()
    outbox.remove(folder)
    command = ui.command(uri=delivery.opening.uri, run_id=delivery.run_id)
    return Receipt(run_id=delivery.run_id, url_command=command, kept_folder=None, reason="")
