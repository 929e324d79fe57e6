"""What is said of a layout that is not understood: the tree that was found, and a line to type for each reading."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnexp.datasets.sources.folders.folder_tree import Folder
from cnnexp.errors import DataError
from cnnexp.system.text import did_you_mean, listed, plural, printable

SHAPE = (
    "It must hold a folder for each class with its images inside, with or without train/, val/ and test/ above them."
)
_LINES = 8  # of the tree


@dataclass(frozen=True, slots=True)
class Reading:
    """One meaning that folders may have."""

    setting: str  # the words of the command line that choose it, quoted for a shell
    meaning: str


def reading_of_splits(splits: Iterable[tuple[str, str]], meaning: str) -> Reading:
    """Return the reading in which these folders are the splits; pairs of split and folder, none: no folder is."""
    pairs = ",".join(_quoted(f"{split}:{folder}") for split, folder in splits)
    return Reading(shlex.quote(f"data.splits=[{pairs}]"), meaning)


def reading_without(folders: Sequence[str]) -> Reading:
    """Return the reading that leaves folders out."""
    return Reading(exclude_for_shell(folders), f"{_names(folders)} left out")


def reading_by_label(pattern: str, meaning: str) -> Reading:
    """Return the reading in which a pattern finds the class in the path of each image."""
    return Reading(shlex.quote(f"data.label={pattern}"), meaning)


def exclude_for_shell(names: Sequence[str]) -> str:
    """Return the override that leaves files or folders out, for a shell."""
    return shlex.quote(f"data.exclude=[{','.join(map(_quoted, names))}]")


LABELS_IN_A_TABLE = Reading("data=table data.path=TABLE", "the labels stand in a CSV or Parquet table")


class UnclearFoldersError(DataError):
    """Refuses folders with no reading or with several; `readings` are the lines that it offers."""

    def __init__(self, found: str, readings: Sequence[Reading] = ()) -> None:
        self.found = found
        self.readings = readings
        width = max((len(reading.setting) for reading in readings), default=0)
        lines = [f"  {reading.setting:{width}}  {reading.meaning}" for reading in readings]
        super().__init__("\n".join([found, *(["Add the line that is true:"] if lines else []), *lines]))

    def or_else(self, more: Sequence[Reading]) -> "UnclearFoldersError":
        """Return the same error with more readings, which say where the labels stand if it does not."""
        known = [reading for reading in self.readings if not more or reading != LABELS_IN_A_TABLE]
        return UnclearFoldersError(self.found, [*known, *more])


def ambiguous(origin: str, base: Folder, *, why: str, readings: Sequence[Reading]) -> UnclearFoldersError:
    """Return the error that refuses folders which have several readings."""
    rule = f"It must be clear which folders are classes and which are splits; in {origin} it is not: {why}. Found:"
    return UnclearFoldersError("\n".join([rule, *_tree(base)]), readings)


def no_classes(origin: str, images: int, folders: Sequence[str] = ()) -> UnclearFoldersError:
    """Return the error for images without class folders."""
    inside = f" in {_names(folders)}" if folders else ""
    return UnclearFoldersError(
        f"No class folder was found in {origin}{inside}, only {plural(images, 'image')} without one. {SHAPE}",
        [LABELS_IN_A_TABLE],
    )


def one_class(origin: str, name: str, readings: Sequence[Reading]) -> UnclearFoldersError:
    """Return the error for a single class folder whose file names seem to say the classes."""
    return UnclearFoldersError(f"There must be a folder for each class; in {origin} there is only {name}.", readings)


def unmatched_splits(origin: str, patterns: Sequence[str], root: Folder) -> DataError:
    """Return the error for folders that `data.splits` names and that are not there."""
    present = sorted(root.children)
    return DataError(
        f"data.splits must name folders that hold images; in {origin} none is called {_names(patterns)}. It holds "
        f"{_names(present)}.{did_you_mean(patterns[0], present)} A name with / is the path from {origin}."
    )


def _tree(base: Folder) -> list[str]:
    lines = [f"  {printable(base.name)}/" if base.path else "  ./"]
    shown = list(base.children.values())[:_LINES]
    width = max(len(printable(folder.path[-1])) for folder in shown)
    for folder in shown:
        inside = f" in {_names(list(folder.children))}" if folder.children else ""
        lines.append(f"    {printable(folder.path[-1]) + '/':{width + 1}}  {plural(folder.total, 'image')}{inside}")
    if more := len(base.children) - len(shown):
        lines.append(f"    and {plural(more, 'more folder')}")
    if base.own:
        lines.append(f"    {plural(base.own, 'image')} beside them")
    return lines


def _names(names: Sequence[str]) -> str:
    return listed(map(printable, names), most=4)


def _quoted(text: str) -> str:
    """Write a name so that Hydra takes it as text."""
    if re.fullmatch(r"[A-Za-z_][\w./:-]*", text, re.ASCII):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
