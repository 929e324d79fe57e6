"""Recording runs in MLflow by a transactional outbox: on disk first, delivered by a process of its own, even later.

Light to import: MLflow is imported in the delivery process, or inside the functions that talk to a store here.
"""

from cnnexp.system.signals import Terminated, raising_on_sigterm
from cnnexp.tracking.outbox.owned_record import OwnedRecord, begun_alone, deliver_orphans, is_running
from cnnexp.tracking.outbox.record_writer import RecordWriter
from cnnexp.tracking.receipt import Receipt, send
from cnnexp.tracking.recorder import Recorder, recording

__all__ = [
    "OwnedRecord",
    "Receipt",
    "RecordWriter",
    "Recorder",
    "Terminated",
    "begun_alone",
    "deliver_orphans",
    "is_running",
    "raising_on_sigterm",
    "recording",
    "send",
]
