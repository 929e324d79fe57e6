"""What is known of a data set, and what its check found."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a sweep needs to know of a data set, before `data.limit` and `data.imbalance` reduce it."""

    digest: str  # of pixels, labels, files and splits
    height: int  # pixels, as the network sees them
    width: int
    class_counts: tuple[int, ...]  # images of each class to train on
    notes: tuple[str, ...] = ()  # what was left out, and how the data were read, one sentence each


@dataclass(frozen=True, slots=True)
class DataImage:
    """One image in an issue of the data check."""

    row: int  # among the images of the data set
    file: str
    split: str  # empty: in no split
    label: str
    note: str  # about this image; may be empty


@dataclass(frozen=True, slots=True)
class DataIssue:
    """One issue that the data check found."""

    id: str  # of the fault catalogue, such as S1
    title: str  # a few words, such as "leakage between splits"
    sentence: str
    stops: bool  # it makes a run meaningless, so no run starts
    evidence: Mapping[str, float]
    groups: tuple[tuple[DataImage, ...], ...]  # images that belong together, such as the copies of one
    repair: str


@dataclass(frozen=True, slots=True)
class DataReport:
    """The result of a data check; plain values, complete lists."""

    name: str
    source: str
    digest: str  # sha256 (hex) of images, labels, files, class names, reading settings and split
    images: int  # files or arrays, including unreadable ones
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    class_counts: Mapping[str, tuple[int, ...]]  # per split name, in the order of class_names
    issues: tuple[DataIssue, ...]  # those that stop a run first
    checks: tuple[str, ...]  # names of the checks made
    notes: tuple[str, ...]  # what was left out, and how the data were read, one sentence each; also among a run's notes
