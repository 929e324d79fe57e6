"""What the name of a folder says: which split it is, that it belongs to a system, or that it only says "images"."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

UNLABELLED = "unlabelled"  # what a folder of images without labels is called, beside the names of the splits

_WORDS_OF = {
    "train": "train training trn trainval",
    "validation": "val valid validation vali dev devel development eval evaluation",
    "calibration": "calibration calib",
    "test": "test testing tst holdout heldout",
    UNLABELLED: "unlabeled unlabelled nolabel nolabels pred predict prediction predictions inference submission",
}
SPLIT_WORDS: Mapping[str, str] = {word: split for split, words in _WORDS_OF.items() for word in words.split()}

SPLIT_FOLDERS = {word: split for word, split in SPLIT_WORDS.items() if split != UNLABELLED}

# Everyday words: a single folder of this name among class folders is taken for a class.
_EVERYDAY = {"train", "training", "valid", "dev", "development", "evaluation", "prediction", "predictions", "inference"}

_PLACES = "images image imgs img pictures picture pics pic photos photo data dataset files jpeg jpg png jpegimages"
_BESIDE = f"{_PLACES} seg x set sets ds folder dir split raw resized cropped original labeled labelled part fold subset"
_BESIDE_WORDS = frozenset(_BESIDE.split())
_PLACE_WORDS = frozenset(_PLACES.split())
_JOINED = re.compile(r"(?P<word>.+?)(set|sets|data|dataset|images?|imgs?|folder|split)")

_SYSTEM = frozenset(
    name.casefold()
    for name in (
        *("@eaDir", "@tmp", "@sharebin", "@Recycle", "@Recently-Snapshot", "@__thumb"),  # network storage
        *("#recycle", "#snapshot", "~snapshot"),
        *("$RECYCLE.BIN", "RECYCLER", "RECYCLED", "System Volume Information", "FOUND.000"),  # Windows
        *("Thumbs.db", "ehthumbs.db", "desktop.ini", "Picasa.ini", "_thumbs", "_thumbnails"),
        *("__MACOSX", "Icon\r", "Network Trash Folder", "Temporary Items", "TheVolumeSettingsFolder"),  # macOS
        *("lost+found", "__pycache__", "node_modules"),
    )
)


def of_system(name: str) -> bool:
    """Tell whether a file or folder is hidden, or belongs to an operating system, a storage device or a tool."""
    return name[0] == "." or name.casefold() in _SYSTEM


def split_of(name: str) -> str | None:
    """Return the split that a name alone says, or `UNLABELLED`: seg_train, Training, x_test, validation set, val2017.

    None for any other name, and for one with further words, such as steam_train.
    """
    words = _words(name)
    splits = {split for word in words if (split := _split_of_word(word)) is not None}
    if splits == {"train", "validation"}:  # train_val
        return "train"
    others = [word for word in words if _split_of_word(word) is None and word not in _BESIDE_WORDS]
    return splits.pop() if len(splits) == 1 and not others else None


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """Return the split of each name that says one, also of names that are alike but for it: cifar_train, cifar_test."""
    names = list(names)
    found = {name: split for name in names if (split := split_of(name)) is not None}
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        words = _words(name)
        places = [place for place, word in enumerate(words) if _split_of_word(word) is not None]
        if name not in found and len(places) == 1 and places[0] in (0, len(words) - 1):
            rest = (*words[: places[0]], *words[places[0] + 1 :])
            alike[rest][name] = SPLIT_WORDS[_plain(words[places[0]])]
    for group in alike.values():
        if len(set(group.values())) > 1:
            found |= group
    return found


def is_everyday_word(name: str) -> bool:
    """Tell whether a name that says a split is also a word for other things: train, valid."""
    words = _words(name)
    return len(words) == 1 and words[0] in _EVERYDAY


def is_place(name: str) -> bool:
    """Tell whether a name only says that there are images: images, JPEGImages, photos2."""
    words = _words(name)
    return bool(words) and _PLACE_WORDS.issuperset(words)


def is_no_class(name: str) -> bool:
    """Tell whether a name is that of a split, or only says that there are images."""
    return is_place(name) or split_of(name) is not None


def matches(path: str, pattern: str) -> bool:
    """Tell whether a pattern matches, as in a shell: one without ``/`` the last name of a path, another all of it."""
    pattern = pattern.removeprefix("./").rstrip("/")
    return fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)


def _words(name: str) -> list[str]:
    """Return the words of a name in small letters, without numbers: ["seg", "train"] of segTrain_2."""
    divided = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name) if not name.isupper() else name
    return [word.casefold() for word in re.findall(r"[^\W\d_]+", divided)]


def _plain(word: str) -> str:
    """Return the word for a split without what is joined to it: test of testset."""
    if word in SPLIT_WORDS:
        return word
    joined = _JOINED.fullmatch(word)
    return joined["word"] if joined else word


def _split_of_word(word: str) -> str | None:
    return SPLIT_WORDS.get(_plain(word))
