"""What is already decoded, noted down as it is done, so that interrupted work continues."""

import json
from pathlib import Path

from cnnexp.datasets.decoding import Unreadable


class Journal:
    """Which chunks are written, a line of JSON each, so that interrupted work continues."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, Unreadable]:
        """Give the chunks that are written, each with its unreadable rows; a torn last line is taken off."""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True) if self._path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):  # the process ended within its last line
            self._path.write_text("".join(lines[: len(whole)]), encoding="utf-8")
        return {entry["chunk"]: {int(row): why for row, why in entry["unreadable"].items()} for entry in whole}

    def add(self, chunk: int, unreadable: Unreadable) -> None:
        """Note down a chunk whose pixels are written."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"chunk": chunk, "unreadable": unreadable}) + "\n")

    def chunks_done(self) -> int:
        """Count without reading, for another process that waits."""
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def discard(self) -> None:
        """Forget everything."""
        self._path.unlink(missing_ok=True)
