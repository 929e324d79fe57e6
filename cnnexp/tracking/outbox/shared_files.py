"""What is alike in the models of a sweep, stored once: bases among the artifacts of its run, see `portable.delta`.

For a frozen backbone these are one model file for each network and one file of features for each set of training
images. The run that comes first gives its own files as bases.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.portable.card import digest_of
from cnnexp.portable.delta import SUFFIX, Delta, encode
from cnnexp.system.files import write_atomically
from cnnexp.tracking.outbox.send_files import require_kept
from cnnexp.tracking.store import run_files

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "shared"  # among the artifacts of the run above
_WORTH = (
    0.1  # a file of which a delta would hold more than this share becomes a base: that of the next seed, in a sweep
)
_MOST = 8  # bases in memory


class SharedFiles:
    """The bases of one run, the one that was used last at the end."""

    def __init__(self, client: "MlflowClient", run_id: str, *, store: str, verify: bool) -> None:
        """Take what the store has by now.

        Args:
            client: Of the store.
            run_id: Of the run that has the bases: the parent of those whose files are alike.
            store: Its address.
            verify: Make sure that the store has kept a base.

        """
        self._client = client
        self._run_id = run_id
        self._store = store
        self._verify = verify
        self._artifacts = str(client.get_run(run_id).info.artifact_uri)
        self._names = [item.path for item in client.list_artifacts(run_id, FOLDER)]
        self._contents: dict[str, bytes] = {}  # of some of them

    def replace(self, file: Path) -> None:
        """Replace a file by its delta; where no base is like it, it becomes one."""
        content = file.read_bytes()
        delta = self._delta(file.name, content) or self._delta_of_base(file.name, content)
        write_atomically(file.with_name(file.name + SUFFIX), delta.to_bytes())
        file.unlink()

    def _delta(self, file: str, content: bytes) -> Delta | None:
        for name in [one for one in reversed(self._names) if one.endswith(f"-{file}")]:
            if (base := self._base(file, name)) is not None:
                delta = encode(content, base, run=self._run_id, name=name)
                if len(delta.literals) <= _WORTH * len(content):
                    self._used(name, base)
                    return delta
        return None

    def _base(self, file: str, name: str) -> bytes | None:
        """Return a base; None: what is stored under its name is not whole, and must not be used."""
        if name in self._contents:
            return self._contents[name]
        content = run_files.read_file(self._artifacts, name, store=self._store)
        return content if content is not None and name == _name(file, content) else None

    def _used(self, name: str, content: bytes) -> None:
        self._names = [*(one for one in self._names if one != name), name]
        self._contents.pop(name, None)
        self._contents[name] = content
        while len(self._contents) > _MOST:
            del self._contents[next(iter(self._contents))]

    def _delta_of_base(self, file: str, content: bytes) -> Delta:
        name = _name(file, content)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / FOLDER).mkdir()
            (Path(folder) / name).write_bytes(content)
            self._client.log_artifacts(self._run_id, folder)
            if self._verify:
                require_kept(Path(folder), partial(self._client.list_artifacts, self._run_id))
        self._used(name, content)
        return encode(content, content, run=self._run_id, name=name)


def _name(file: str, content: bytes) -> str:
    return f"{FOLDER}/{digest_of(content)[:16]}-{file}"


_last: dict[tuple[str, str], SharedFiles] = {}  # of one run


def shared_files(client: "MlflowClient", run_id: str, *, store: str, verify: bool) -> SharedFiles:
    """Return the bases of a run; the store is asked for them once, while this process delivers to one sweep."""
    if (store, run_id) not in _last:
        _last.clear()
        _last[store, run_id] = SharedFiles(client, run_id, store=store, verify=verify)
    return _last[store, run_id]
