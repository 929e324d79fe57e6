"""A run's record in the hands of the process that answers for it: the run's own process, or that of its sweep.

A sweep owns the records of its runs: whatever happens to a run's own process, its record states how it ended, and one
delivery process serves all of them.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from cnnexp.config import TrackingConfig
from cnnexp.system.files import at_home
from cnnexp.system.locks import locked_file, locked_folder
from cnnexp.system.secrets import masked
from cnnexp.tracking.outbox import entries, record_folder
from cnnexp.tracking.outbox.delivery_client import PATIENCE, PendingDelivery
from cnnexp.tracking.outbox.incremental_delivery import ENDLESS, RELEASE, TAKEN
from cnnexp.tracking.outbox.record_folder import RUNNING, Opening
from cnnexp.tracking.outbox.record_writer import RecordWriter
from cnnexp.tracking.provenance import Commit, source_tags
from cnnexp.tracking.store.connection import absolute_location, absolute_uri
from cnnexp.tracking.tags import COMMIT


class OwnedRecord:
    """One record, from its opening to its delivery."""

    def __init__(self, writer: RecordWriter) -> None:
        self.writer = writer
        self.delivery = PendingDelivery(writer.folder)

    @classmethod
    def begin(
        cls,
        settings: TrackingConfig,
        *,
        run_name: str,
        parameters: Mapping[str, entries.Parameter],
        config_yaml: str | None,
        tags: Mapping[str, str],
        commit: Commit | None,
        key: str | None = None,
        run_id: str | None = None,
        replaces: str | None = None,
    ) -> Self:
        """Begin a record and its delivery.

        Args:
            settings: Where to.
            run_name: As the UI shows it.
            parameters: Flat names and values.
            config_yaml: The whole configuration, kept as the artifact ``config.yaml``; None: there is none.
            tags: More of the run.
            commit: State of the code, where it is known already; see :meth:`add_commit`.
            key: Of the record; None: a new one.
            run_id: The run to continue; None: a new one.
            replaces: Key of the record of a broken run that this one repeats: that run is deleted.

        Raises:
            TrackingError: The outbox cannot be written to.

        """
        opening = Opening(
            key=record_folder.new_key(run_name) if key is None else key,
            uri=absolute_uri(settings.uri),
            artifacts=absolute_location(settings.artifacts),
            experiment=settings.experiment,
            run_name=record_folder.encodable(run_name),
            run_id=run_id,
            started=record_folder.now(),
            tags={name: record_folder.encodable(value) for name, value in {**source_tags(), **tags}.items()},
            replaces=replaces,
        )
        record = cls(RecordWriter.create(at_home(settings.outbox).absolute(), opening))
        try:
            record.writer.append(entries.params(parameters))
            if config_yaml is not None:
                record.writer.file("config.yaml", masked(config_yaml).encode(errors="backslashreplace"))
            record.add_commit(commit)
        except BaseException:
            record.writer.abandon()
            raise
        record.notify()
        return record

    @property
    def folder(self) -> Path:
        """Where the record is until it is delivered."""
        return self.writer.folder

    @property
    def key(self) -> str:
        """Identifies the record, and its run through a tag."""
        return self.folder.name

    @property
    def run_id(self) -> str | None:
        """Of the run; known once the store has created it."""
        return self.delivery.run_id

    @property
    def kept_reason(self) -> str | None:
        """Why the record could not be delivered; None: it was, or will be."""
        return self.delivery.kept_reason

    def notify(self) -> None:
        """Have everything that is recorded by now delivered."""
        self.delivery.notify(ended=False)

    def add_commit(self, commit: Commit | None) -> None:
        """Record the state of the code; None: it is not known."""
        if commit is not None:
            self.writer.append(entries.tags({COMMIT: commit.sha}))
            if commit.diff:
                self.writer.file("uncommitted.diff", commit.diff)

    def add(
        self, *, tags: Mapping[str, str], files: Mapping[str, bytes], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Record tags, files and numbers; only while no other process writes into the record."""
        self.writer.cut_unfinished_line()
        self.writer.append(entries.tags(tags))
        if metrics:
            self.writer.append(entries.metrics(metrics, step=0, kind="metrics", notes=[]))
        for name, content in files.items():
            self.writer.file(name, content)

    def end(self, status: str) -> None:
        """Record how the run ended and have all of it delivered."""
        self.writer.cut_unfinished_line()
        self.writer.end(status)
        self.delivery.notify(ended=True)

    def hand_over(self) -> None:
        """Let go of a record whose run goes on in other processes, which end it: it stays RUNNING."""
        self.end(RUNNING)

    def discard(self) -> None:
        """Give up a broken attempt that is repeated: nothing of it stays in the store."""
        self.writer.end("KILLED", discarded=True)
        self.delivery.notify(ended=True)

    def remove_model(self) -> None:
        """Forget the model: that of a broken attempt which is repeated in the same record, or one that is not kept."""
        self.writer.cut_unfinished_line()
        self.writer.remove_model()

    def wait_for_run_id(self) -> str:
        """Wait until the store has created the run and return its id; see `PendingDelivery.wait_for_run_id`."""
        return self.delivery.wait_for_run_id()

    def wait(self, *, patience: float = PATIENCE) -> bool:
        """Wait until all of it is in the store, or kept for a reason; see `PendingDelivery.wait`."""
        return self.delivery.wait(patience=patience)


def is_running(outbox: Path, *, uri: str, tag: str, value: str) -> bool:
    """Return whether a living process owns a record for this store, with this tag, in the outbox."""
    return any(
        _is_owned(folder)
        for folder, opening in _records(outbox)
        if opening.uri == absolute_uri(uri) and opening.tags.get(tag) == value
    )


@contextmanager
def begun_alone(outbox: Path, name: str) -> Iterator[None]:
    """Let one process at a time, of those with this outbox, look whether what is called `name` runs, and begin it."""
    lock = outbox.absolute() / f".{name}.lock"
    with ExitStack() as held:
        with suppress(OSError):  # an outbox that cannot be written to: beginning the record says so
            held.enter_context(locked_file(lock, while_waiting=lambda: None))
            held.callback(_remove_lock, lock)
        yield


def _remove_lock(lock: Path) -> None:
    with suppress(OSError):
        lock.unlink()
        lock.parent.rmdir()  # but where there are records


def deliver_orphans(outbox: Path, *, tags: Collection[str]) -> None:
    """Deliver records with one of the tags whose process died; what the store does not take stays there."""
    for folder, opening in _records(outbox):
        if not opening.tags.keys().isdisjoint(tags) and not _is_owned(folder):
            deliver_left(outbox, folder.name)


def deliver_left(outbox: Path, key: str) -> str | None:
    """Deliver what a process that died left of a record; return why it could not be delivered; None: it is.

    Raises:
        TrackingError: the file system has no locks.

    """
    folder, end = outbox.absolute() / key, time.monotonic() + PATIENCE
    reason: str | None = None
    while (folder / "run.json").exists() and time.monotonic() < end:
        with suppress(OSError, TimeoutError), locked_folder(folder, patience=PATIENCE):
            pass  # the delivery process of the one that died is at it
        pending = PendingDelivery(folder)
        pending.wait()
        reason = pending.kept_reason
        if reason not in (TAKEN, ENDLESS):  # the other process was faster, or its owner is not quite dead
            break
        time.sleep(RELEASE / 10)
    return reason if (folder / "run.json").exists() else None


def _is_owned(folder: Path) -> bool:
    try:
        return record_folder.is_owned(folder)
    except FileNotFoundError:  # delivered by now, by the process that owned it
        return True


def _records(outbox: Path) -> Iterator[tuple[Path, Opening]]:
    for path in sorted(outbox.absolute().glob("[!.]*/run.json")):
        with suppress(FileNotFoundError):  # delivered by now
            yield path.parent, record_folder.read_opening(path.parent)
