"""The folder of a run's checkpoint, held by the process of the run for as long as that lives.

    <cache>/checkpoints/<key>-<random>/
        lock          held; the kernel releases it however the process dies
        run.json      the record of a run that is no part of a sweep, and by it the run in the store
        origin.json   what the numbers of the run depend on, see `origin`
        *.state       the state of each stage of the training, see `training.checkpoint`

It is removed when the run has finished, or was stopped a month ago. TensorFlow is not imported here.
"""

import dataclasses
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import values
from cnnexp.datasets.cache.folder import cache_folder
from cnnexp.errors import ConfigError, ModelError, NonFiniteLossError
from cnnexp.system import locks
from cnnexp.system.files import content_of, is_there, write_atomically, write_durably

_FINAL = (ConfigError, ModelError, NonFiniteLossError)  # the same command would fail again
_KEPT = 30 * 24 * 3600  # seconds after its last state for which the folder of a stopped run is kept
_POLL = 0.05  # seconds between two attempts at a folder that is held
_NAME = "checkpoints"
_LOCK, _RUN, _ORIGIN = "lock", "run.json", "origin.json"


def key_of(config: ExperimentConfig, *, store: str, tags: Mapping[str, str]) -> str:
    """Return what runs have in common that may continue one another: all that they are asked for, and the store.

    `tags` place a run in its sweep. Data and code do not count: that they have changed since is to be said; but where
    the data are does, and a relative path is another place in another folder.
    """
    located = dataclasses.replace(config, data=config.data.with_absolute_paths())
    settings = {name: value for name, setting, value in values(located) if setting.in_sweep_hash(value)}
    return hashed([store, settings, dict(tags)])


def hashed(value: object) -> str:
    """Return a short hash of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


class CheckpointFolder:
    """The folder of one run; without a path, nothing is kept."""

    def __init__(
        self, path: Path | None = None, lock: IO[str] | None = None, *, failure: OSError | None = None
    ) -> None:
        self.path = path
        self.failure = failure  # why nothing can be kept
        self._lock = lock

    @classmethod
    def claim(cls, config: ExperimentConfig, key: str, *, record: str | None = None, patience: float = 0.0) -> Self:
        """Return the newest folder of the key that no living process holds, else a new one.

        `record` is that of the run whose folder is wanted. `patience` are the seconds for which a process that holds
        one is waited for: it may be about to end. Where nothing is to be saved, or no folder can be made or held,
        nothing is kept.
        """
        if config.training.checkpoint_every is None:
            return cls()
        base, deadline = _base(config.data.cache), time.monotonic() + patience
        try:
            while wanted := [path for path in _folders(base, f"{key}-*") if record is None or _record(path) == record]:
                for path in wanted:
                    if (lock := _held(path)) is not None:
                        return cls(path, lock)
                if time.monotonic() >= deadline:
                    break
                time.sleep(_POLL)
            return cls.new(config, key)
        except OSError as error:
            return cls(failure=error)

    @classmethod
    def new(cls, config: ExperimentConfig, key: str) -> Self:
        """Return a new folder of the key."""
        if config.training.checkpoint_every is None:
            return cls()
        base, made = _base(config.data.cache), None
        try:
            _remove_forgotten(base)
            while True:
                made = base / f"{key}-{secrets.token_hex(4)}"
                made.mkdir(parents=True, mode=0o700)
                if (lock := _held(made)) is not None:  # else a process that starts at the same moment has taken it
                    return cls(made, lock)
        except OSError as error:
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)
            return cls(failure=error)

    @property
    def record(self) -> str | None:
        """The record of its run; None: there is no run yet."""
        return None if self.path is None else _record(self.path)

    def begin(self, record: str) -> None:
        """Note the record that the run is going to have; where that fails, nothing is kept."""
        if self.path is None or self.record == record:
            return
        try:
            write_durably(self.path / _RUN, json.dumps({"record": record}).encode())
        except OSError as error:  # a full disk: the run cannot be resumed, which is no reason to stop it
            self.remove()
            self.path, self.failure = None, error

    @property
    def has_state(self) -> bool:
        """Whether there is a state to go on from."""
        return self.path is not None and any(self.path.glob("*.state"))

    @property
    def origin(self) -> dict[str, Any] | None:
        """What the state comes from; None: there is none, or it cannot be read."""
        return None if self.path is None or not self.has_state else _read(self.path / _ORIGIN)

    def note_origin(self, origin: Mapping[str, Any]) -> None:
        """Keep what the states that follow come from."""
        if self.path is not None:
            try:
                # Not durably: a sweep of many small runs waits for no disk.
                write_atomically(self.path / _ORIGIN, json.dumps(origin).encode())
            except OSError:  # without it, no state is gone on from; what earlier states came from is not theirs
                with suppress(OSError):
                    (self.path / _ORIGIN).unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget the state: the run is begun anew."""
        for state in [] if self.path is None else list(self.path.glob("*.state")):
            state.unlink()

    def keep_after(self, error: BaseException) -> bool:
        """Return whether the run can go on later; if not, remove the folder."""
        kept = self.has_state and not isinstance(error, _FINAL)
        if kept:
            self.release()
        else:
            self.remove()
        return kept

    def remove(self) -> None:
        """Remove the folder: its run has finished, or there is nothing to go on with."""
        if self.path is not None:
            with suppress(OSError):
                for file in sorted(self.path.iterdir(), key=lambda file: file.name == _LOCK):  # the lock last
                    file.unlink()
                self.path.rmdir()
                self.path.parent.rmdir()  # but where there are others
        self.release()

    def release(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            self._lock.close()


def is_kept(record: str, *, cache: str | None) -> bool:
    """Return whether the cache has the checkpoint of the run with this record, and no living process holds it."""
    return any(_record(path) == record and not _is_held(path) for path in _folders(_base(cache), "*"))


@dataclass(frozen=True, slots=True)
class StoppedRuns:
    """The folders of runs that were stopped, as they are now."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, cache: Path) -> Self:
        """Return those in a cache folder that no living process holds."""
        return cls(tuple(path for path in _folders(cache / _NAME, "*") if not _is_held(path)))

    @classmethod
    def with_key(cls, config: ExperimentConfig, key: str) -> Self:
        """Return those of a key, which a living process may hold."""
        return cls(tuple(_folders(_base(config.data.cache), f"{key}-*")))

    @property
    def size(self) -> int:
        """How many bytes they have on disk."""
        return sum(map(_on_disk, self.folders))

    def remove(self) -> None:
        """Remove them, but those that a process has taken meanwhile."""
        for path in self.folders:
            if (lock := _held(path)) is not None:
                CheckpointFolder(path, lock).remove()


def _on_disk(folder: Path) -> int:
    with suppress(FileNotFoundError):  # its run has gone on and finished meanwhile
        return sum(file.lstat().st_blocks * 512 for file in folder.iterdir())
    return 0


def _is_held(path: Path) -> bool:
    try:
        return locks.is_locked(path / _LOCK)
    except OSError:  # it is gone, or its file system has no locks
        return True


def _remove_forgotten(base: Path) -> None:
    """Remove the folders of runs that were stopped long ago."""
    StoppedRuns(tuple(path for path in _folders(base, "*") if time.time() - _modified(path) > _KEPT)).remove()


def _base(cache: str | None) -> Path:
    return cache_folder(cache) / _NAME


def _folders(base: Path, pattern: str) -> Iterator[Path]:
    """Yield folders that a pattern names, the newest first; those of other users of the cache cannot be seen into."""
    found = [path for path in base.glob(pattern) if is_there(path / _LOCK)]
    yield from sorted(found, key=lambda path: -_modified(path))


def _modified(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _held(path: Path) -> IO[str] | None:
    """Lock a folder; None: a living process holds it, or it is gone."""
    try:
        lock = (path / _LOCK).open("a")
    except FileNotFoundError:
        return None
    if locks.try_lock(lock) and path.exists():
        return lock
    lock.close()
    return None


def _record(path: Path) -> str | None:
    return (_read(path / _RUN) or {}).get("record")


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file says; None: it is not there, or a power cut has left it empty or damaged."""
    with suppress(ValueError):
        found = json.loads(content_of(path) or b"")
        return found if isinstance(found, dict) else None
    return None
