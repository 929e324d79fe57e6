"""The document of a comparison's page, as frozen records; its JSON is all that the page's scripts read.

Columns instead of rows keep it small: element i of every column belongs to run i, and null stands for a number that was
not recorded or is not finite.
"""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class SettingColumn:
    """A setting that differs between the runs."""

    name: str  # such as optimizer.learning_rate
    short: str  # such as learning_rate
    words: str  # as people say it, such as learning rate
    numeric: bool
    levels: tuple[str, ...]  # as recorded, in the order in which they are shown
    texts: tuple[str, ...]  # of the levels, as they are shown
    said: tuple[str, ...]  # of the levels, as people say them
    values: tuple[int, ...]  # of each run: which level
    missing: tuple[int, ...]  # runs that did not record it: what their level is, follows from what is usual


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """A recorded number."""

    name: str  # such as test/accuracy
    lower_is_better: bool
    is_share: bool  # 0..1, differences in points of 100
    low: float | None  # that it can have; None: any
    high: float | None
    values: tuple[float | None, ...]  # of each run


@dataclass(frozen=True, slots=True)
class RunColumns:
    """What a run is, one value each."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    seed: tuple[str, ...]
    status: tuple[str, ...]  # finished, pruned, diverged, failed, killed, running, waiting
    learned_nothing: tuple[str, ...]  # how, such as collapsed; empty: it learned, or has not finished
    failure: tuple[str, ...]  # why it failed; empty: it did not
    monitor: tuple[str, ...]  # what its training watched on validation; empty: not recorded
    images: tuple[int, ...]  # equal for runs that were tested on the same images
    started: tuple[float, ...]  # seconds since 1970
    seconds: tuple[float | None, ...]
    command: tuple[str, ...]  # trains it again
    findings: tuple[tuple[tuple[str, str, str], ...] | None, ...]  # title, sentence, repair of each; None: not read
    data_warnings: tuple[tuple[tuple[str, str], ...], ...]  # title and sentence of each; those of the run's data set


@dataclass(frozen=True, slots=True)
class ImagePart:
    """Test images that look alike or belong together."""

    by: str  # such as brightness
    label: str  # such as dark images
    images: str  # (images,) a bit for each, the highest of a byte first, base64


@dataclass(frozen=True, slots=True)
class Answers:
    """What models said of the test images, in one order of images for all."""

    class_names: tuple[str, ...]
    bytes: int  # of a class: 1, or 2 with the lower one first
    images: int
    files: tuple[str, ...]  # (images,)
    labels: str  # (images,) class indices, base64
    runs: tuple[int, ...]  # whose answers are here
    predicted: tuple[str, ...]  # of each of them: (images,) class indices, base64
    confidence: tuple[str, ...]  # of each of them: (images,) probability of the answer in 255ths, base64
    parts: tuple[ImagePart, ...]
    pictures: dict[int, str]  # image -> data URI; the hardest images


@dataclass(frozen=True, slots=True)
class ImportanceBar:
    """How important a setting is for the compared metric, over all runs that finished."""

    setting: str
    value: float  # share of the variance, 0..1
    low: float  # 95 % interval
    high: float
    told_from_zero: bool
    unit: str  # what was counted as evidence: seeds or runs


@dataclass(frozen=True, slots=True)
class Running:
    """A sweep that has not ended, at the moment when its page was made."""

    sentence: str  # how far it is
    version: str  # is another one when a run has begun or ended since


@dataclass(frozen=True, slots=True)
class PageData:
    """The whole document."""

    schema: int
    running: Running | None  # None: the sweep has ended, or there is none
    verdict: tuple[str, ...]  # of all runs, as the command line prints it; of a sweep that runs, why there is none
    advice: tuple[str, ...]
    warnings: tuple[str, ...]
    left_out: tuple[str, ...]
    metric: str  # compared
    by: tuple[str, ...]  # settings that were asked for; empty: all that differ
    command: str  # makes the page again
    targets: tuple[str, ...]  # the runs in that command
    store: str  # the word of that command that names their store; empty: it has none
    settings: tuple[SettingColumn, ...]
    metrics: tuple[MetricColumn, ...]
    runs: RunColumns
    importance: tuple[ImportanceBar, ...]  # the largest first
    curves: dict[str, tuple[tuple[tuple[int, ...], tuple[float | None, ...]] | None, ...]]  # epochs, values of each run
    answers: Answers | None  # None: not recorded, or of different images
    dropped: tuple[str, ...]  # what does not fit into the page, in sentences

    def as_json(self) -> str:
        """The document, safe within a script element."""
        text = json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
