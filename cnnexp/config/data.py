import dataclasses
from dataclasses import dataclass
from typing import Self

from cnnexp.config.setting import one_of, within
from cnnexp.errors import ConfigError


@dataclass(kw_only=True, slots=True)
class DataConfig:
    """Where the images come from, how they are split, and how they reach the network."""

    name: str
    path: str | None  # file or folder of the data; None: the usual places, see docs/data.md
    validation: float  # share of the images kept for early stopping and selection
    calibration: float  # share kept for temperature and thresholds; touched by nothing else
    test: float  # share kept for the final report; ignored where the data declares its own test split
    split_seed: int  # seed of the split alone, so that runs over `seed` are judged on the same images
    limit: int | None  # train on at most this many images; None: all
    imbalance: float | None  # thin classes until the largest has this many times the smallest; None: as they are
    imbalance_of: str  # the splits whose classes are thinned: train | all
    scaling: str  # unit: 0..1; standardize: zero mean, unit deviation per channel, fitted on train
    size: list[int] | None  # [height, width] the network sees; None: found from the data
    color: str  # auto | rgb | grey
    resize: str  # auto | stretch | pad | crop
    kernel: str  # nearest | bilinear | bicubic | lanczos
    antialias: bool  # widen the kernel when shrinking
    background: int  # grey level under transparency and around padding, 0..255
    mirror: bool  # does a left-right mirrored image keep its class, and look like others of the set?
    jitter: float  # how far a moved and zoomed image still looks like others of the set, as a share of the side
    few_images: int  # a class with fewer training images is reported
    uneven: float  # a largest class of at least so many times the smallest is reported
    cache: str | None  # folder of decoded images; None: $XDG_CACHE_HOME/cnnexp

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
        within("data.few_images", self.few_images, 1)
        within("data.uneven", self.uneven, 1)
        one_of("data.imbalance_of", self.imbalance_of, ("train", "all"))
        one_of("data.scaling", self.scaling, ("unit", "standardize"))
        one_of("data.color", self.color, ("auto", "rgb", "grey"))
        one_of("data.resize", self.resize, ("auto", "stretch", "pad", "crop"))
        one_of("data.kernel", self.kernel, ("nearest", "bilinear", "bicubic", "lanczos"))
        within("data.background", self.background, 0, 255)
        within("data.jitter", self.jitter, 0, 0.5)
        if self.size is not None:
            if len(self.size) != 2:
                raise ConfigError(f"data.size must be [height, width] or null; got {list(self.size)}.")
            for side in self.size:
                within("data.size", side, 8, 1024)

    def unthinned(self) -> Self:
        """Return the settings without what thins the data: runs that differ only in that share one data set."""
        return dataclasses.replace(self, limit=None, imbalance=None, scaling="unit")

    @property
    def dataset_key(self) -> str:
        """What tells two data sets apart that would have to be read."""
        return repr(self.unthinned())


@dataclass(kw_only=True, slots=True)
class BuiltinDataConfig(DataConfig):
    """A data set that is known by name: digits, mnist, fashion_mnist, cifar10."""


@dataclass(kw_only=True, slots=True)
class FolderDataConfig(DataConfig):
    """A directory a class, with or without train/, val/ and test/ above them."""

    on_bad_file: str  # error | skip: what to do with an image that cannot be read
    max_bad_files: float  # with skip: the largest share of unreadable files that is still accepted

    def __post_init__(self) -> None:
        # slots=True replaces the class, which breaks a bare super() inside a dataclass
        DataConfig.__post_init__(self)
        if self.path is None:
            raise ConfigError(f"data={self.name} needs to know where the images are: data.path=PLACE; got null.")
        one_of("data.on_bad_file", self.on_bad_file, ("error", "skip"))
        within("data.max_bad_files", self.max_bad_files, 0, 1)


@dataclass(kw_only=True, slots=True)
class TableDataConfig(FolderDataConfig):
    """A CSV or Parquet table with a line an image; `path` is the table."""

    root: str | None  # folder that the table's paths start from, and never leave; None: the table's own
    image: str  # column of the paths
    label: str  # column of the class names
    split: str  # column that says train, validation, calibration or test; auto: `split` where there is one; none
    group: str  # column; images of one group stay on one side of every split; auto: `group` where there is one; none


@dataclass(kw_only=True, slots=True)
class NpzDataConfig(DataConfig):
    """Arrays `images`, `labels` and perhaps `class_names` in one NumPy archive; `path` is the archive."""

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        if self.path is None:
            raise ConfigError(f"data={self.name} needs to know where the arrays are: data.path=FILE.npz; got null.")
