"""Folders that are no part of a data set, though they lie in it: what programs write, and thumbnails of the images."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from statistics import median

from cnnexp.datasets.sources.folders.layout import is_image

ALWAYS_OWN = frozenset({"mlruns", "mlartifacts", "multirun", "wandb", "lightning_logs"})  # wherever they are
_OWN_UNLESS_IMAGES_LIE_IN = ("outbox", "outputs")  # in the data folder itself
_OWN_FILES = {"journal.jsonl", "catalogue.npz"}  # of a record and of a cache entry: the folder above both is our own
_ARTIFACTS = re.compile(r"(?:(?P<above>.+?)/)?(?P<run>(?:m-)?[0-9a-f]{32})/artifacts/")  # of a run or a model in MLflow
_ENVIRONMENT = "pyvenv.cfg"  # of a virtual environment of Python
_THUMBNAILS = {"thumbs", "thumbnails"}


def own_folders(files: Sequence[str]) -> frozenset[str]:
    """Return the paths of the folders that cnnexp and MLflow write, and of virtual environments.

    A folder called outbox or outputs in which images lie directly may be a class.
    """
    own, holding_images = set(), set()
    for file in files:
        folder, _, name = file.rpartition("/")
        if name in _OWN_FILES and "/" in folder:
            own.add(folder.rpartition("/")[0])
        elif name == _ENVIRONMENT and folder:
            own.add(folder)
        elif "/artifacts/" in file and (found := _ARTIFACTS.match(file)):
            own.add(found["above"] or found["run"])
        elif folder in _OWN_UNLESS_IMAGES_LIE_IN and is_image(name):
            holding_images.add(folder)
    return frozenset(own.union(_OWN_UNLESS_IMAGES_LIE_IN) - holding_images)


def thumbnail_folders(files: Sequence[str]) -> frozenset[str]:
    """Return the folders called thumbs or thumbnails, if each of their images has the name of one that lies elsewhere.

    One as large as the folders beside it may be a class, such as a gesture; see `thumbnails_or_classes`.
    """
    stems, seeming = _seeming_thumbnails(files)
    return frozenset(folder for folder in seeming if not _is_like_a_class(folder, stems))


def thumbnails_or_classes(files: Sequence[str]) -> list[str]:
    """Return the folders that seem to hold thumbnails, but are as large as those beside them."""
    stems, seeming = _seeming_thumbnails(files)
    return [folder for folder in seeming if _is_like_a_class(folder, stems)]


def _seeming_thumbnails(files: Sequence[str]) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return the names of the images in each folder, without endings; and the folders that seem to hold thumbnails."""
    if not any(map(_is_thumbnails, {file.rpartition("/")[0] for file in files})):
        return {}, []
    stems: dict[str, Counter[str]] = defaultdict(Counter)
    for path in map(PurePosixPath, filter(is_image, files)):
        stems[str(path.parent)][path.stem] += 1
    elsewhere = Counter(stem for folder, own in stems.items() if not _is_thumbnails(folder) for stem in own)
    return stems, [folder for folder, own in stems.items() if _is_thumbnails(folder) and own.keys() <= elsewhere.keys()]


def _is_thumbnails(folder: str) -> bool:
    return folder.rpartition("/")[2].casefold() in _THUMBNAILS


def _is_like_a_class(folder: str, stems: dict[str, Counter[str]]) -> bool:
    """Tell whether a folder holds about as many images as those beside it."""
    above = folder.rpartition("/")[0]
    beside = [own.total() for other, own in stems.items() if other.rpartition("/")[0] == above and other != folder]
    return bool(beside) and 0.5 < stems[folder].total() / median(beside) < 1.5
