"""Tables made for object detection, segmentation or several labels per image, known by their columns and cells."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.out_of_scope.refusal import Task, out_of_scope
from cnnexp.system.text import listed, printable

Column = Sequence[str | None]
Parts = Mapping[str, Sequence[str]]  # of each different label
Value = TypeVar("Value", bound=Hashable)

_BOXES = (
    *("xmin ymin xmax ymax", "x1 y1 x2 y2", "x0 y0 x1 y1", "xmin ymin width height", "xmin ymin w h", "x y w h"),
    *("x y width height", "left top width height", "left top right bottom", "xcenter ycenter width height"),
    *("bbox", "bboxes", "box", "boxes", "boundingbox", "boundingboxes"),
)
_MASKS = (
    *("encodedpixels", "rle", "rlemask", "maskrle", "mask", "masks", "maskpath", "maskfile", "maskfilename"),
    *("segmentation", "segmentations", "segmentationmask", "polygon", "polygons"),
)
_NO_LABELS = {"width", "height", "depth", "w", "h", "id", "split", "group"}  # columns that cannot be the label
_FEW = 3  # rows or images below which several labels are left to the data check
_SHARE = 0.05  # of the images, or of the rows, up to which they are
_NUMBER = re.compile(r"-?\d+,\d+")  # 0,5 in the German spelling; 1,000 in the English one


def annotation_columns(names: Sequence[str]) -> tuple[Task, tuple[str, ...]] | None:
    """Find the columns of a table that hold a box or a mask: xmin, ymin, xmax and ymax; EncodedPixels; ..."""
    letters = {re.sub(r"[\W_]", "", name.casefold()): name for name in names}
    column_of = {re.sub(r"^(bbox|box|roi)(?=.)", "", short): name for short, name in letters.items()} | letters
    for task, known in ((Task.DETECTION, _BOXES), (Task.SEGMENTATION, _MASKS)):
        for wanted in map(str.split, known):
            if all(part in column_of for part in wanted):
                return task, tuple(column_of[part] for part in wanted)
    return None


def refuse_repeated_images(
    images: Sequence[str],
    labels: Sequence[str],
    *,
    annotations: tuple[Task, Mapping[str, Column]] | None,
    origin: object,
) -> None:
    """Refuse a table that lists images with several boxes or masks, or many images with several labels.

    Args:
        images: (N,) paths
        labels: (N,) class names
        annotations: the columns (N,) that `annotation_columns` found
        origin: the table, for messages

    Raises:
        DataError: rows are boxes or masks, or images have several labels.

    """
    if annotations is not None:
        task, columns = annotations
        for image, values in _several(images, list(zip(*columns.values(), strict=True))).items():
            seen = f"column {listed(columns)} differs" if len(columns) == 1 else f"columns {listed(columns)} differ"
            raise out_of_scope(origin, task, f"{seen} in {len(values):,} rows of one image, {printable(image)}")
    several = _several(images, labels)
    if len(several) >= _FEW and len(several) > _SHARE * len(set(images)):
        image, names = next(iter(several.items()))
        found = f"{len(several):,} images are listed with different labels, such as {printable(image)} with "
        raise out_of_scope(origin, Task.SEVERAL_LABELS, found + listed(map(printable, names)))


def _several(images: Sequence[str], values: Sequence[Value]) -> dict[str, list[Value]]:
    """Return the different values of each image that has more than one."""
    values_of: dict[str, dict[Value, None]] = defaultdict(dict)
    for image, value in zip(images, values, strict=True):
        values_of[image][value] = None
    return {image: list(found) for image, found in values_of.items() if len(found) > 1}


def refuse_joined_labels(labels: Sequence[str], *, column: str, origin: object) -> None:
    """Refuse a label column whose cells join labels: cat|dog, cat;dog, cat, dog, ['cat', 'dog'] or cat dog.

    A name is no list of labels for its punctuation: the parts of "T-shirt/top" and "New York" are no labels.

    Raises:
        DataError: the parts of a few cells or more are labels by themselves, or in several combinations.

    """
    counts = Counter(labels)
    for split, joined in _JOINS:
        parts = {label: split(label) for label in counts}
        cells = joined(parts, counts) if any(len(found) > 1 for found in parts.values()) else []
        rows = sum(counts[cell] for cell in cells)
        if rows >= _FEW:
            cell = max(cells, key=counts.__getitem__)
            raise out_of_scope(
                origin,
                Task.SEVERAL_LABELS,
                f"{rows:,} rows of column {column} join labels, such as {printable(cell)!r}: "
                f"{' and '.join(map(printable, parts[cell]))}",
                remedy=f"{Task.SEVERAL_LABELS.remedy} If each such cell is the name of one class, "
                "write it without separators, for example with underscores.",
            )


def _items(label: str) -> list[str]:
    """Split the text of a list, as Python, JSON or NumPy write it."""
    if not (label.startswith("[") and label.endswith("]")):
        return [label]
    found = [item.strip("'\"") for item in re.findall(r"'[^']*'|\"[^\"]*\"|[^\s,]+", label[1:-1])]
    one_hot = set(found) == {"0", "1"} and found.count("1") == 1
    return [label] if one_hot else found


def _split_by(mark: str) -> Callable[[str], list[str]]:
    return lambda label: [part.strip() for part in label.split(mark) if part.strip()]


def _lists(parts: Parts, _counts: Mapping[str, int]) -> list[str]:
    return [label for label, found in parts.items() if len(found) > 1]


def _combinations(parts: Parts, _counts: Mapping[str, int]) -> list[str]:
    """Return the labels whose parts are labels: each is seen alone or in several combinations, and some move.

    The parts of a compound name (Clothes|Men|Shirts) keep their places in all names.
    """
    joined = [label for label, found in parts.items() if len(found) > 1]
    if all(_NUMBER.fullmatch(label) for label in joined):
        return []
    uses = Counter(part for label in joined for part in set(parts[label]))
    alone = _alone(parts)
    places: dict[str, set[int]] = defaultdict(set)
    for found in parts.values():
        for place, part in enumerate(found):
            places[part].add(place)
    return [
        label
        for label in joined
        if all(part in alone or uses[part] > 1 for part in parts[label])
        and any(len(places[part]) > 1 for part in parts[label])
    ]


def _words(parts: Parts, counts: Mapping[str, int]) -> list[str]:
    """Return the labels whose words are all labels, if there are many.

    A few are names: "ice cream" may be a class beside "ice" and "cream".
    """
    alone = _alone(parts)
    joined = [label for label, found in parts.items() if len(found) > 1 and alone.issuperset(found)]
    rows = sum(counts[label] for label in joined)
    common = 3 * len(joined) >= len(parts) and rows > _SHARE * sum(counts.values())
    return joined if common else []


def _alone(parts: Parts) -> set[str]:
    return {found[0] for found in parts.values() if len(found) == 1}


_JOINS = (
    (_items, _lists),
    *((_split_by(mark), _combinations) for mark in "|;,"),
    (str.split, _words),
)


def explain_missing_label(rows: Mapping[str, Column], *, image: str, origin: object) -> str:
    """Return a sentence about what a table may have in place of the label column; empty if that is not plain.

    Args:
        rows: the columns of the table, or of its first rows
        image: the column of the paths by the settings, which may be missing, too
        origin: the table, for messages

    Raises:
        DataError: its rows are boxes or masks.

    """
    found = annotation_columns(tuple(rows))
    if found is not None:
        task, columns = found
        others = [name for name in rows if name not in columns and name.casefold() not in _NO_LABELS]
        paths = image if image in rows else next((name for name in others if _is_paths(rows[name])), None)
        once = paths is not None and len(set(rows[paths])) == len(rows[paths])
        if not once or set(others) <= {paths}:
            seen = f"column {columns[0]}" if len(columns) == 1 else f"columns {listed(columns)}"
            raise out_of_scope(
                origin,
                task,
                f"it has {seen}, and not the label column that the settings name; its columns are "
                + listed(map(printable, rows), most=20),
                remedy=f"{task.remedy} If each row is an image and one column its label, name it: data.label=COLUMN.",
            )
    return _about_indicators(rows)


def _is_paths(column: Column) -> bool:
    return bool(column) and all(is_image(value or "") for value in column)


def _about_indicators(rows: Mapping[str, Column]) -> str:
    """Return a sentence about the columns of zeros and ones, if there are several."""
    numbers = {name: [_ZERO_ONE.get((value or "").lower()) for value in column] for name, column in rows.items()}
    names = [name for name, column in numbers.items() if column and None not in column]
    if len(names) < 2:
        return ""
    shown = listed(map(printable, names))
    ones = list(map(sum, zip(*(numbers[name] for name in names), strict=True)))
    if set(ones) == {1}:
        return (
            f" Columns {shown} look like one-hot labels: write the name of the column that is 1 into one column, "
            "as table[COLUMNS].idxmax(axis=1) of pandas does."
        )
    return (
        f" Columns {shown} hold only 0 and 1: if they are labels, images have several, which is out of scope; "
        f"choose one, such as data.label={printable(names[0])}."
    )


_ZERO_ONE = {"0": 0, "0.0": 0, "false": 0, "-1": 0, "-1.0": 0, "1": 1, "1.0": 1, "true": 1}
