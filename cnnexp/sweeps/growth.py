"""Files that only grow, taken home from another machine piece by piece."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Piece:
    """What was added to a file."""

    name: str  # within the folder
    content: bytes


class Growth:
    """What is new in a folder since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[str, int] = {}  # bytes of each file

    def taken(self) -> list[Piece]:
        """Return what was added to every file; a new one is a piece even where it is empty."""
        files = [path for path in sorted(self._folder.rglob("*")) if path.is_file()]
        pieces = [self._piece(path, str(path.relative_to(self._folder))) for path in files]
        return [piece for piece in pieces if piece is not None]

    def _piece(self, path: Path, name: str) -> Piece | None:
        known = name in self._taken
        start = self._taken[name] if known else 0
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        self._taken[name] = start + len(content)
        return None if known and not content else Piece(name, content)


def put(pieces: Sequence[Piece], homes: Mapping[str, Path]) -> None:
    """Add pieces to the files at home; `homes` says where what is below each top-level name belongs."""
    for piece in pieces:
        top, _, rest = piece.name.partition("/")
        path = homes[top] / rest if rest else homes[top]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(piece.content)
