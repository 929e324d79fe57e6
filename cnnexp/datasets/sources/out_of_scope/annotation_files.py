"""Folders and archives made for object detection or segmentation, known by their annotation files and masks.

COCO         *.json with images and annotations      YOLO          *.txt of lines "class x y width height", data.yaml
Pascal VOC   *.xml with <annotation>                 segmentation  masks/x.png beside images/x.jpg
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from cnnexp.datasets.sources.out_of_scope.refusal import Task, out_of_scope
from cnnexp.system.text import listed, printable

HEAD = 2**16  # bytes of an annotation file that are read
_OPENED = 20  # annotation files of one format that are opened

_FORMATS = (
    ("COCO", ".json", rb'"images"\s*:\s*\[.*"file_name"|"annotations"\s*:\s*\[.*"(bbox|segmentation|image_id)"'),
    ("Pascal VOC", ".xml", rb"<annotation[\s>]"),
    ("YOLO", ".txt", rb"\A\s*\d+([ \t]+-?\d*\.?\d+(e-?\d+)?){4,}[ \t]*(\r?\n|\Z)"),
    ("YOLO", ".yaml", rb"(\A|\n)train\s*:.*\nnames\s*:|(\A|\n)names\s*:.*\ntrain\s*:"),
)

_SPLIT = r"(train(ing)?|val(id(ation)?)?|trainval|dev|test(ing)?)"
_IMAGES = r"(jpe?g|png|color|rgb)?(images?|imgs?|photos?|data)"
_MASKS = r"(masks?|labels?|annotations?|annots?|segmentation(s|class|object)?|segs?|ground_?truths?|gt)"
_PLACE = re.compile(rf"(obj)?{_SPLIT}?({_IMAGES})?({_MASKS})?(data)?{_SPLIT}?")
_MASK_STEM = re.compile(rf"[-_. ]{_MASKS}$")
_PAIRED = 0.9  # share of the masks that have an image of their name


def refuse_annotations(
    images: Sequence[str],
    others: Sequence[str],
    *,
    classes: Sequence[str],
    origin: str,
    head: Callable[[str], bytes],
) -> None:
    """Refuse a data folder whose folders are no classes, if its files say what they are.

    A folder of at least two classes is never refused for the files inside; a class may even be called masks.

    Args:
        images: paths of image files relative to the data folder, with ``/``
        others: paths of all other files
        classes: what would be the classes, by the folders' names; empty if there are none
        origin: the data folder, for messages
        head: returns the first `HEAD` bytes of a file

    Raises:
        DataError: the images have bounding boxes or masks in place of one label.

    """
    if not images or (len(classes) > 1 and not all(map(_is_place, classes))):
        return
    folders = f"{'folder of images is' if len(classes) == 1 else 'folders of images are'} {listed(classes)}"
    where = f", and the {folders}" if classes else ", and there is no folder for each class"
    for form, file in _annotation_files(images, others, head):
        found = f"{printable(file)} is an annotation file of {form}" + where
        raise out_of_scope(origin, Task.DETECTION, found)
    if pair := _mask_of_image(images, classes):
        image, mask = map(printable, pair)
        raise out_of_scope(origin, Task.SEGMENTATION, f"{mask} has the name of an image, {image}" + where)


def _is_place(folder: str) -> bool:
    """Return whether a folder's name says what lies in it, or a split, and therefore may be no class: train_images."""
    name = _letters(folder)
    return bool(name) and bool(_PLACE.fullmatch(name))


def _letters(folder: str) -> str:
    return re.sub(r"[\W\d_]", "", folder.casefold())


def _annotation_files(
    images: Sequence[str], others: Sequence[str], head: Callable[[str], bytes]
) -> Iterator[tuple[str, str]]:
    """Open a few files of each format; yield the format's name and the file of those that are what they seem."""
    stems = {PurePosixPath(image).stem for image in images}
    for form, ending, content in _FORMATS:
        files = [file for file in others if PurePosixPath(file).suffix.lower().replace(".yml", ".yaml") == ending]
        if ending == ".txt":
            files = [file for file in files if PurePosixPath(file).stem in stems]
        for file in sorted(files)[:_OPENED]:
            if re.search(content, head(file), re.DOTALL):
                yield form, file


def _mask_of_image(images: Sequence[str], classes: Sequence[str]) -> tuple[str, str] | None:
    """Return an image and its mask if the classes are folders of images and folders of masks of the same names."""
    masks = {name for name in classes if re.search(_MASKS, re.sub(_IMAGES, "", _letters(name)))}
    if not masks or masks == set(classes):
        return None
    image_of: dict[tuple[str, ...], str] = {}
    mask_of: dict[tuple[str, ...], str] = {}
    for path in images:
        *folders, file = path.split("/")
        if masks.isdisjoint(folders):
            image_of[_key(folders, PurePosixPath(file).stem)] = path
        else:
            mask_of[_key(folders, _MASK_STEM.sub("", PurePosixPath(file).stem.casefold()))] = path
    both = mask_of.keys() & image_of.keys()
    if not both or len(both) < _PAIRED * len(mask_of):
        return None
    return image_of[min(both)], mask_of[min(both)]


def _key(folders: Sequence[str], stem: str) -> tuple[str, ...]:
    """Return what an image and its mask have in common: the folders, but for the words for images and masks."""
    kept = (re.sub(rf"({_IMAGES})|({_MASKS})", "", _letters(folder)) for folder in folders)
    return (*filter(None, kept), stem.casefold())
