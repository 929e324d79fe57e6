"""Images that may belong together by their names, such as the frames of one film, where no groups are known."""

import re
from collections import defaultdict
from collections.abc import Iterator

from cnnexp.data_check.checked_dataset import CheckedDataset
from cnnexp.records import DataIssue
from cnnexp.system.text import listed, plural

GUESSED = "perhaps groups"  # title of the issue
STEM = r"([^/]+)[-_ ][^/]*$"  # of a file's name all but its last part: clip3 of clip3_0012.png
FOLDER = "parent"  # what `data.group` calls the folder that an image lies in
_SHARE = 0.8  # of the images that are in a group of several
_PER_CLASS = 2  # groups a class: with one, the names only repeat the class


def possible_groups(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report folders inside of class folders, or file names that begin alike, if nearly all images have them."""
    if dataset.groups is not None:
        return
    for setting, keys in ((FOLDER, _folders(dataset)), (STEM, _stems(dataset))):
        rows_of: dict[str, list[int]] = defaultdict(list)
        for row, key in keys:
            rows_of[key].append(row)
        groups = {key: rows for key, rows in rows_of.items() if len(rows) > 1}
        images = sum(map(len, groups.values()))
        enough = len(groups) >= _PER_CLASS * len(dataset.class_names)
        if enough and images >= _SHARE * len(dataset.labels):
            yield _issue(dataset, groups, setting)
            return


def _folders(dataset: CheckedDataset) -> Iterator[tuple[int, str]]:
    """Yield each image in a folder that does not have the name of its class, with the folder."""
    for row in dataset.used().tolist():
        above = dataset.files[row].split("/")[:-1]
        if len(above) > 1 and above[-1] != dataset.class_names[dataset.given_labels[row]]:
            yield row, above[-1]


def _stems(dataset: CheckedDataset) -> Iterator[tuple[int, str]]:
    """Yield each image whose file name begins with a part that holds a digit, with that part."""
    pattern = re.compile(STEM)
    for row in dataset.used().tolist():
        found = pattern.search(dataset.files[row])
        if found and re.search(r"\d", found[1]):
            yield row, found[1]


def _issue(dataset: CheckedDataset, groups: dict[str, list[int]], setting: str) -> DataIssue:
    images = sum(map(len, groups.values()))
    where = "lie in folders inside of class folders" if setting == FOLDER else "have names that begin alike"
    typed = f"data.group={setting}" if setting == FOLDER else f"'data.group=\"{setting}\"'"
    return DataIssue(
        id="S2",
        title=GUESSED,
        sentence=f"{plural(images, 'image')} {where}, {plural(len(groups), 'group')} such as {listed(groups, most=3)}: "
        "if the images of one belong together, as those of one patient do, splits must not divide them.",
        stops=False,
        evidence={"groups": len(groups), "images": images},
        groups=tuple(tuple(dataset.image(row) for row in rows) for rows in groups.values()),
        repair=f"if they do, {typed} for data=folder, a column group for data=table",
    )
