"""Files beside the images that are not read, counted by ending; those that are images of other formats by name."""

from collections import Counter
from collections.abc import Sequence

from cnnexp.datasets.sources.folders.folders_without_images import ARCHIVES, ending_of
from cnnexp.images import NAME_OF_ENDING
from cnnexp.system.text import plural, printable

_LISTED = 5  # endings


def about_unread_files(others: Sequence[str]) -> tuple[str, ...]:
    """Return a note about the files that are left out, if there are any; a licence beside the folders needs none."""
    names = [name for name in others if "/" in name or ending_of(name) in NAME_OF_ENDING or ending_of(name) in ARCHIVES]
    if not names:
        return ()
    return (f"Files whose names are not those of images were left out: {_counted(names)}.{_how_to_convert(names)}",)


def about_files_instead(names: Sequence[str]) -> str:
    """Return a sentence about the files of a data set without an image, if there are any."""
    if not names:
        return ""
    there = "There is" if len(names) == 1 else "There are"
    return f" {there} {plural(len(names), 'other file')}: {_counted(names)}.{_how_to_convert(names)}"


def _counted(names: Sequence[str]) -> str:
    """List endings, images of other formats first, then the most frequent."""
    counts = Counter(map(ending_of, names))
    order = sorted(counts, key=lambda ending: (ending not in NAME_OF_ENDING, -counts[ending]))
    more = f", and {plural(len(order) - _LISTED, 'other ending')}" if len(order) > _LISTED else ""
    return ", ".join(_one(ending, counts[ending]) for ending in order[:_LISTED]) + more


def _one(ending: str, count: int) -> str:
    name = NAME_OF_ENDING.get(ending)
    return f"{count:,} with {printable(ending)}" + (f" ({name})" if name else "")


def _how_to_convert(names: Sequence[str]) -> str:
    counts = Counter(ending for name in names if (ending := ending_of(name)) in NAME_OF_ENDING)
    if not counts:
        return ""
    ending = counts.most_common(1)[0][0]
    return f" To use them, convert them, such as by ImageMagick: magick photo{ending} photo.png"
