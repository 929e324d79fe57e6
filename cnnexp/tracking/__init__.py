"""Recording runs in MLflow: on disk first, delivered by a process of its own, completed later if the store is away.

Light to import: MLflow is imported in the delivering process, or inside the functions that talk to a store here.
"""

from cnnexp.system.signals import Terminated, raising_on_sigterm
from cnnexp.tracking.outbox.delivery import send
from cnnexp.tracking.receipt import Receipt
from cnnexp.tracking.recorder import Recorder, recording
from cnnexp.tracking.store.connection import prepare_store

__all__ = ["Receipt", "Recorder", "Terminated", "prepare_store", "raising_on_sigterm", "recording", "send"]
