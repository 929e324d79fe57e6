"""A run's record in the hands of the process that started the run.

A sweep holds the records of its runs: whatever happens to a run's own process, its record says how it ended, and one
delivering process serves all. The run's process writes into the record through a `SharedRecorder`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from cnnexp.config import TrackingConfig
from cnnexp.errors import TrackingError
from cnnexp.system import locks
from cnnexp.system.store_uri import masked
from cnnexp.tracking.outbox import entries, record_folder
from cnnexp.tracking.outbox.delivery_client import GONE, Answer, DeliveryClient, delivery_client
from cnnexp.tracking.outbox.record_folder import RecordWriter
from cnnexp.tracking.provenance import Commit
from cnnexp.tracking.recorder import Recorder, opening_of
from cnnexp.tracking.store.connection import absolute_uri

_PATIENCE = 60.0  # seconds of silence from the delivering process before it is given up


class OwnedRecord:
    """One record, from its opening to its delivery."""

    def __init__(self, outgoing: RecordWriter) -> None:
        self._outgoing = outgoing
        self.folder = outgoing.folder
        self.run_id: str | None = None  # known once the store has taken the run
        self.kept_reason: str | None = None  # why it could not be delivered; None: it was, or will be
        self._client: DeliveryClient | None = None  # who was told last, and so the one that answers

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
        run_id: str | None = None,
        replaces: str | None = None,
    ) -> Self:
        """Begin a record; `run_id` continues a run, `replaces` is the key of the record of a run to delete."""
        opening = opening_of(settings, run_name=run_name, run_id=run_id, tags=tags, replaces=replaces)
        outgoing = RecordWriter(Path(settings.outbox).absolute(), opening)
        outgoing.append(entries.params(parameters))
        if config_yaml is not None:
            outgoing.file("config.yaml", masked(config_yaml).encode())
        if commit is not None:
            outgoing.append(entries.tags({"mlflow.source.git.commit": commit.sha}))
            if commit.diff:
                outgoing.file("uncommitted.diff", commit.diff)
        record = cls(outgoing)
        record.notify()
        return record

    @property
    def key(self) -> str:
        """Names the record, and its run through a tag."""
        return self.folder.name

    def notify(self) -> None:
        """Have what there is by now delivered."""
        self._notify(ended=False)

    def add(self, *, tags: Mapping[str, str], files: Mapping[str, bytes]) -> None:
        """Record tags and files of the holder; only while nobody shares the record."""
        self._outgoing.mend()
        self._outgoing.append(entries.tags(tags))
        for name, content in files.items():
            self._outgoing.file(name, content)

    def end(self, status: str) -> None:
        """Say how the run ended and have all of it delivered."""
        self._outgoing.mend()
        self._outgoing.end(status)
        self._notify(ended=True)

    def discard(self) -> None:
        """Give up a broken attempt that is repeated: nothing of it stays in the store."""
        self._outgoing.end("KILLED", discarded=True)
        self._notify(ended=True)

    def wait_for_run_id(self) -> str:
        """Wait until the store has taken the run and return its id.

        Raises:
            TrackingError: It refuses, or says nothing.

        """
        while self.run_id is None:
            answer = self._answer()
            if answer is None:
                raise TrackingError(f"The MLflow store has said nothing for {_PATIENCE:g} seconds.")
            self._take(answer)
            if answer["event"] in ("refused", "kept"):
                raise TrackingError(answer["reason"])
        return self.run_id

    def wait(self) -> None:
        """Wait until all of it is in the store, or kept in the outbox for a reason."""
        self._until_over()
        if self.kept_reason == GONE["reason"]:  # the delivering process died: another one begins where it ended
            self._notify(ended=True)
            self._until_over()

    def _until_over(self) -> None:
        self.kept_reason = None
        while (answer := self._answer()) is not None:
            if self._take(answer):
                return
        self.kept_reason = f"The MLflow store has said nothing for {_PATIENCE:g} seconds."

    def _notify(self, *, ended: bool) -> None:
        self._client = delivery_client()
        self._client.notify(self.folder, ended=ended)

    def _answer(self) -> Answer | None:
        """Wait for the next answer of the process that was told, be it of one that has ended since."""
        assert self._client is not None
        return self._client.wait(self.folder, patience=_PATIENCE)

    def _take(self, answer: Answer) -> bool:
        if answer["event"] in ("opened", "delivered"):
            self.run_id = answer["run_id"]
        elif answer["event"] == "kept":
            self.kept_reason = answer["reason"]
        return answer["event"] in ("delivered", "kept")


class SharedRecorder(Recorder):
    """The recorder of a run whose record another process holds."""

    def __init__(self, folder: Path, *, on_growth: Callable[[], None]) -> None:
        super().__init__(RecordWriter.shared(folder), uri="")
        self._on_growth = on_growth

    def check(self) -> None:
        """The holder hears what the store says."""

    def _notify(self) -> None:
        self._on_growth()


def is_running(folder: Path, *, uri: str, tag: str, value: str) -> bool:
    """Tell whether a living process holds a record for this store, with this tag, in the outbox."""
    return any(
        _is_held(record)
        for record, opening in _records(folder)
        if opening.uri == absolute_uri(uri) and opening.tags.get(tag) == value
    )


def deliver_orphans(folder: Path, *, tags: Collection[str]) -> None:
    """Deliver records with one of the tags whose process is gone; what the store does not take stays there."""
    for record, opening in _records(folder):
        if not opening.tags.keys().isdisjoint(tags) and not _is_held(record):
            delivery_client().notify(record, ended=True)
            while (answer := delivery_client().wait(record, patience=_PATIENCE)) is not None:
                if answer["event"] in ("delivered", "kept"):
                    break


def _is_held(record: Path) -> bool:
    try:
        return locks.is_locked(record / record_folder.JOURNAL)
    except FileNotFoundError:  # delivered by now, by the process that held it
        return True


def _records(folder: Path) -> Iterator[tuple[Path, record_folder.Opening]]:
    for path in sorted(folder.absolute().glob("[!.]*/run.json")):
        with suppress(FileNotFoundError):  # delivered by now
            yield path.parent, record_folder.read_opening(path.parent)
