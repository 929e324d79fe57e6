"""Folders beside class and split folders that hold no image: classes that are missing, or no classes at all."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from cnnexp.datasets.sources.folders.folder_names import split_of
from cnnexp.datasets.sources.folders.folder_tree import Parts
from cnnexp.system.text import listed, printable

# Endings of files that no class consists of: a folder of nothing else is no class.
_TEXTS = ".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .toml .ini .cfg .html .htm .pdf .doc .docx .xls .xlsx"
_OTHERS = ".log .names .lst .py .ipynb .sh .m .r .db .sqlite .keras .h5 .hdf5 .pt .pth .onnx .pkl"
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_NO_IMAGES = frozenset((*_TEXTS.split(), *_OTHERS.split(), *ARCHIVES))

LINK = "links"  # in place of an ending

Endings = Mapping[Parts, Counter[str]]  # path of a folder -> how many files of each ending are in it and below it


def endings_by_folder(others: Iterable[str], links: Iterable[str]) -> Endings:
    """Count the files that are no images, and the links, that are in each folder and below it."""
    held: dict[Parts, Counter[str]] = defaultdict(Counter)
    for kind, names in ((None, others), (LINK, links)):
        for name in names:
            path = tuple(name.split("/"))
            for depth in range(len(path)):
                held[path[:depth]][kind or ending_of(name)] += 1
    return held


def ending_of(name: str) -> str:
    """Return the ending of a file's name in small letters."""
    return PurePosixPath(name).suffix.lower() or "no ending"


def about_empty_folders(
    folders: Collection[Parts], *, used: Collection[Parts], parents: Collection[Parts], held: Endings
) -> tuple[list[str], list[str]]:
    """Sort out the folders that hold no image.

    Args:
        folders: paths of all folders
        used: paths of the folders that hold images
        parents: paths of the folders that hold class folders
        held: what the folders hold in place of images

    Returns:
        those that should be classes, with what they hold; and notes about those that are called like a split or hold
        nothing but texts, tables or the like

    """
    above = {parent[:depth] for parent in parents for depth in range(len(parent) + 1)}
    empty, notes = [], []
    for folder in sorted(set(folders) - set(used)):
        holds = held[folder] if folder in held else Counter[str]()
        name = printable("/".join(folder))
        if folder[:-1] in above and split_of(folder[-1]) is not None:
            notes.append(f"The folder {name} is called like a split and holds no image{_in_brackets(holds)}.")
        elif folder[:-1] in above and holds and _NO_IMAGES.issuperset(holds):
            notes.append(f"The folder {name} is no class, because it holds no image{_in_brackets(holds)}.")
        elif folder[:-1] in parents:
            empty.append(f"{name}{_in_brackets(holds)}")
    return empty, notes


def _in_brackets(endings: Collection[str]) -> str:
    """List endings without numbers, which may change while the images, and so the cached notes, do not."""
    return f" ({listed(sorted(endings))})" if endings else ""


def about_archives(others: Sequence[str]) -> str:
    """Return a sentence about archives among the files, which may hold the images."""
    archives = [name for name in others if ending_of(name) in ARCHIVES]
    if not archives:
        return ""
    zipped = next((name for name in archives if ending_of(name) == ".zip"), None)
    do = f"name one, data.path=.../{printable(zipped)}, which is read as it is" if zipped else "unpack them"
    return f" There are archives, {listed(map(printable, archives))}: {do}."
