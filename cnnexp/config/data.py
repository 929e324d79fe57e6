import dataclasses
import re
from pathlib import Path
from typing import Any, Self

from cnnexp.config.setting import PATHS, one_of, setting, settings, settings_of, within
from cnnexp.errors import ConfigError

SPLITS = ("train", "validation", "calibration", "test")
MOST_FOLDS = 100


@settings
class DataConfig:
    """Where the images come from, how they are split, and how they reach the network."""

    name: str
    path: str | None = setting(affects="source", column="never")  # file or folder; None: see docs/data.md
    validation: float = setting(affects="split", column="if set")  # share for early stopping and selection
    calibration: float = setting(affects="split", column="if set")  # share for temperature and thresholds only
    test: float = setting(affects="split", column="if set")  # share for the report; unused with a declared test split
    split_seed: int = setting(affects="split", column="if set")  # of the split alone: `seed` leaves the images alike
    limit: int | None = setting(affects="subset")  # train on at most this many images; None: all
    imbalance: float | None = setting(affects="subset")  # largest class by the smallest; None: as it is
    imbalance_of: str = setting(column="if set")  # the splits that `imbalance` thins: train | all
    folds: int | None = setting(affects="split", column="if set", neutral=None)  # parts judged in turn; None: one split
    # From 1: the part that this run judges, as its test split; None: all of them, see docs/folds.md.
    fold: int | None = setting(affects="subset", column="if set", neutral=None)
    final: str = setting(
        column="if set", neutral="refit"
    )  # model of a run of folds: refit | mean, of the folds' logits
    # unit: 0..1; standardize: zero mean, unit deviation per channel, fitted on train; model: as a pretrained one needs
    scaling: str
    size: list[int] | None = setting(is_size=True)  # [height, width] the network sees; None: found from the data
    color: str = setting(column="if set")  # auto | rgb | grey
    resize: str = setting(column="if set")  # auto | stretch | pad | crop
    kernel: str = setting(column="if set")  # nearest | bilinear | bicubic | lanczos
    antialias: bool = setting(column="if set")  # widen the kernel when shrinking
    background: int = setting(column="if set")  # grey level under transparency and around padding, 0..255
    # Levels of more than 8 bits that are black and white; None: by the type of the file, see docs/data.md.
    value_range: list[float] | None = setting(column="if set", neutral=None)
    max_pixels: int | None = setting(column="if set", neutral=None)  # of a file that is read; None: 89,478,485
    mirror: bool = setting(column="if set")  # does a mirrored image keep its class, and look like others?
    jitter: float = setting(column="if set")  # share of the side an image may move and still look like others
    few_images: int = setting(affects="report")  # a class with fewer training images is reported
    uneven: float = setting(affects="report")  # a largest class of at least so many times the smallest is reported
    cache: str | None = setting(affects="place")  # folder of decoded images; None: $XDG_CACHE_HOME/cnnexp

    def __post_init__(self) -> None:
        for name in ("validation", "calibration", "test"):
            within(f"data.{name}", getattr(self, name), 0, 1, below=True)
        within("data.validation", self.validation, 0, 1, above=True, below=True)
        held_out = self.validation + self.calibration + self.test
        if held_out >= 1:
            raise ConfigError(
                "data.validation + data.calibration + data.test must leave images to train on; "
                f"got {self.validation:g} + {self.calibration:g} + {self.test:g} = {held_out:g}, allowed is below 1."
            )
        within("data.split_seed", self.split_seed, 0, 2**32 - 1)
        within("data.limit", self.limit, 1)
        within("data.imbalance", self.imbalance, 1)
        self._check_folds()
        within("data.few_images", self.few_images, 1)
        within("data.uneven", self.uneven, 1)
        one_of("data.imbalance_of", self.imbalance_of, ("train", "all"))
        one_of("data.scaling", self.scaling, ("unit", "standardize", "model"))
        one_of("data.color", self.color, ("auto", "rgb", "grey"))
        one_of("data.resize", self.resize, ("auto", "stretch", "pad", "crop"))
        one_of("data.kernel", self.kernel, ("nearest", "bilinear", "bicubic", "lanczos"))
        within("data.background", self.background, 0, 255)
        within("data.jitter", self.jitter, 0, 0.5)
        within("data.max_pixels", self.max_pixels, 1, 2**31 - 1)
        if self.value_range is not None:
            _require_range(self.value_range)
        if self.size is not None:
            if len(self.size) != 2:
                raise ConfigError(f"data.size must be [height, width] or null; got {list(self.size)}.")
            for side in self.size:
                within("data.size", side, 8, 1024)

    def _check_folds(self) -> None:
        within("data.folds", self.folds, 2, MOST_FOLDS)
        if self.fold is not None and self.folds is None:
            raise ConfigError(
                f"data.fold is one of data.folds, which is null; got data.fold={self.fold}. Add data.folds=5, say."
            )
        within("data.fold", self.fold, 1, self.folds or MOST_FOLDS)
        one_of("data.final", self.final, ("refit", "mean"))
        if self.final != "refit" and not self.has_folds:
            raise ConfigError(
                f"data.final says which model a run of folds ends with, and this run has none; got {self.final!r}. Add "
                "data.folds=5, say, or leave out data.final."
            )

    @property
    def has_folds(self) -> bool:
        """Whether every part is judged, by as many models; a run of one `fold` is an ordinary run."""
        return self.folds is not None and self.fold is None

    def whole(self) -> Self:
        """Return the settings of the whole data set, which runs on subsets of it share and which is read once."""
        subsets: dict[str, Any] = dict.fromkeys(self._names_affecting("subset"))
        return dataclasses.replace(self, **subsets, final="refit", scaling="unit")  # any other is fitted to the subset

    def with_absolute_paths(self) -> Self:
        """Return settings that mean the same files from any folder; ``~`` stays, as homes differ between machines."""
        paths: dict[str, Any] = {name: _absolute(getattr(self, name)) for name in self._names_affecting(*PATHS)}
        return dataclasses.replace(self, **paths)

    def _names_affecting(self, *effects: str) -> list[str]:
        return [name for name, described in settings_of(self).items() if described.affects in effects]

    @property
    def dataset_key(self) -> str:
        """Equal for all settings that read the same data set."""
        return repr(self.whole())


def _require_range(value_range: list[float]) -> None:
    if len(value_range) != 2 or not value_range[0] < value_range[1]:
        raise ConfigError(
            "data.value_range must be [low, high], the levels that are black and white, or null; "
            f"got {list(value_range)}."
        )
    for level in value_range:
        within("data.value_range", level, -(2.0**63), 2.0**64)


def _absolute(path: str | None) -> str | None:
    return path if path is None or path.startswith("~") else str(Path(path).absolute())


@settings
class BuiltinDataConfig(DataConfig):
    """A data set that is known by name: digits, mnist, fashion_mnist, cifar10."""


@settings
class FileDataConfig(DataConfig):
    """Images that are files of their own."""

    on_bad_file: str = setting(column="if set")  # error | skip: what to do with an image that cannot be read
    max_bad_files: float = setting(column="if set")  # with skip: largest accepted share of unreadable files

    def __post_init__(self) -> None:
        # slots=True replaces the class, which breaks a bare super() inside a dataclass
        DataConfig.__post_init__(self)
        if self.path is None:
            raise ConfigError(
                f"data={self.name} needs to know where the images are: data.path=PLACE; got null. "
                "A folder of that name is written ./null."
            )
        if not self.path.strip():
            raise ConfigError(
                f"data={self.name} needs to know where the images are: data.path=PLACE; got nothing. "
                "The current folder is data.path=."
            )
        one_of("data.on_bad_file", self.on_bad_file, ("error", "skip"))
        within("data.max_bad_files", self.max_bad_files, 0, 1)


@settings
class FolderDataConfig(FileDataConfig):
    """A directory a class, with or without train/, val/ and test/ above or below them."""

    label: str | None = setting(column="if set", neutral=None)  # pattern that finds the class in a path; None: folders
    group: str | None = setting(column="if set", neutral=None)  # pattern, or parent; a group is never split up
    exclude: list[str] | None = setting(affects="split", column="if set", neutral=None)  # patterns of what is left out
    splits: list[str] | None = setting(affects="split", column="if set", neutral=None)  # split:folder; None: by name
    follow_links: str | None = setting(affects="source", column="if set", neutral=None)  # links into it are followed

    def __post_init__(self) -> None:
        FileDataConfig.__post_init__(self)
        for split, folder in self.split_folders() or ():
            one_of("data.splits, before the colon of split:folder,", split, SPLITS)
            if not folder:
                raise ConfigError(f"data.splits must be a list of split:folder, such as train:day1; got {split!r}.")
        if self.group is not None:
            _require_pattern("data.group", self.group, "a regular expression, or parent")
        if self.label is not None:
            _require_pattern("data.label", self.label, "a regular expression, or null")

    def split_folders(self) -> tuple[tuple[str, str], ...] | None:
        """Return the pairs of split and folder that `splits` names; None: the folders say it by their names."""
        if self.splits is None:
            return None
        return tuple(
            (split.strip(), folder.strip()) for split, _, folder in (text.partition(":") for text in self.splits)
        )


def _require_pattern(name: str, value: str, allowed: str) -> None:
    try:
        re.compile(value)
    except re.error as error:
        raise ConfigError(f"{name} must be {allowed}; got {value!r}: {error}.") from error


@settings
class TableDataConfig(FileDataConfig):
    """A CSV or Parquet table with a line an image; `path` is the table."""

    root: str | None = setting(affects="source", column="if set")  # folder of all its paths; None: the table's own
    image: str = setting(column="if set")  # column of the paths
    label: str = setting(column="if set", neutral=None, required=True)  # column of the class names
    split: str = setting(column="if set")  # column of the split names; auto: `split` if present; none
    group: str = setting(column="if set", neutral=None, required=True)  # column of what stays together; auto; none


@settings
class NpzDataConfig(DataConfig):
    """Arrays `images`, `labels` and perhaps `class_names` in one NumPy archive; `path` is the archive."""

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        if self.path is None:
            raise ConfigError(f"data={self.name} needs to know where the arrays are: data.path=FILE.npz; got null.")
