"""The values that travel between modules: frozen, plain, and free of any library but numpy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # (N, H, W, C), C = 1 or 3, at the model's input size
Labels = NDArray[np.int64]  # (N,), index into the class names
Probabilities = NDArray[np.float32]  # (N, K), rows sum to 1

SPLIT_NAMES = ("train", "validation", "calibration", "test")


@dataclass(frozen=True, slots=True)
class Scaling:
    """The model's first layer: network input = pixel * scale + offset, per channel."""

    rule: str  # unit | standardize
    scale: tuple[float, ...]  # (C,)
    offset: tuple[float, ...]  # (C,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """The random changes of training images, resolved for the data; false if there are none."""

    flip: bool  # mirror left-right, half of the time
    shift: float  # largest move in each direction, as a share of the side
    zoom: float  # largest relative change of size

    def __bool__(self) -> bool:
        return bool(self.flip or self.shift or self.zoom)

    def __str__(self) -> str:
        parts = ["flip"] if self.flip else []
        parts += [f"{name} {value:g}" for name, value in (("shift", self.shift), ("zoom", self.zoom)) if value]
        return ", ".join(parts) or "none"


@dataclass(frozen=True, slots=True)
class EpochValues:
    """The numbers of one epoch."""

    epoch: int  # from 1
    train_loss: float  # mean over the epoch, penalties included, while weights changed
    train_accuracy: float
    val_loss: float  # cross-entropy alone, inference mode
    val_accuracy: float
    learning_rate: float  # of the epoch's last step
    seconds: float


@dataclass(frozen=True, slots=True)
class OutputStatistics:
    """How much the outputs of a network depend on the image, over the images of a split.

    Interquartile ranges are 0 where most images get the same output; a few images far from all others, as a network
    with hardly a unit alive has them, do not change that.
    """

    top_share: float  # of the images that get the most frequent answer, 0..1
    spread: float  # interquartile range of a logit over the images, mean over classes
    change: float  # the same of the logit minus that of the untrained network; 0: at most all images moved alike


@dataclass(frozen=True, slots=True)
class History:
    """The course of one training."""

    epochs: tuple[EpochValues, ...]
    best_epoch: int  # from 1; the model holds its weights, unless training.keep is last
    stopped_early: bool
    steps: int  # made in all
    seconds: float
    pruned: bool = False  # `on_epoch` asked for the stop: the run is not evaluated
    # Of the validation images: before the first step, then after each epoch; empty: not measured.
    outputs: tuple[OutputStatistics, ...] = ()
    penalties: tuple[float, ...] = ()  # L1 and L2 terms of the loss, at the same moments; empty: there are none


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class on one split; None where the split has no image of it, or it was never predicted."""

    name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The numbers on one split."""

    metrics: Mapping[str, float]  # accuracy, balanced_accuracy, macro_precision, ... ; undefined ones are absent
    intervals: Mapping[str, tuple[float, float]]  # 95 % bootstrap interval of each metric
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]  # (K, K), row = true class, column = predicted class
    notes: tuple[str, ...]  # what is undefined and why, one sentence each


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict with its evidence and what should repair it."""

    id: str  # of the fault catalogue, such as M2
    cause: int  # 1 data, 2 fit, 3 training, 4 metrics, 5 the image
    title: str  # two or three words, such as "over-fitting"
    sentence: str  # for a reader who is new to the field
    evidence: Mapping[str, float]
    confidence: float  # 0..1
    repair: str  # overrides where they exist, else an action


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a sweep needs to know of a data set, before `data.limit` and `data.imbalance` reduce it."""

    digest: str  # of pixels, labels, files and splits
    height: int  # pixels, as the network sees them
    width: int
    class_counts: tuple[int, ...]  # images of each class to train on


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


@dataclass(frozen=True, slots=True)
class SplitPredictions:
    """The probabilities of the final model for each image of a split, in the order of the split."""

    files: tuple[str, ...]
    digests: tuple[str, ...]  # of each image as the model was trained to see it: see `datasets.image_digests`
    labels: Labels
    probabilities: Probabilities


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run is about to do, known before the first step."""

    name: str
    data_name: str
    data_digest: str
    content_digest: str  # sha256 (hex) of the whole data set, however it is split
    data_source: str
    class_names: tuple[str, ...]
    class_counts: Mapping[str, tuple[int, ...]]  # per split name, in the order of class_names
    input_shape: tuple[int, int, int]
    parameters: int  # trainable weights of the model
    learning_rate: float  # after batch scaling, before the schedule
    threads: int
    precision: str  # as resolved
    augmentation: str  # as resolved, such as "flip, shift 0.1"; "none"
    steps_per_epoch: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunCommand:
    """What a run was asked for."""

    overrides: tuple[str, ...]  # a command line that repeats it, without passwords
    changed: Mapping[str, tuple[str, str | None]]  # setting -> its value and the default; None: only this option has it


@dataclass(frozen=True, slots=True)
class PredictedImage:
    """A test image and what the model predicts."""

    pixels: NDArray[np.uint8]  # (H, W, C), not read before it is drawn
    file: str
    label: int  # index into the class names
    predicted: int
    label_probability: float
    predicted_probability: float
    unlike: bool  # the training data


@dataclass(frozen=True, slots=True)
class Confusion:
    """Test images of one class that were taken for another."""

    label: int
    predicted: int
    count: int
    images: tuple[PredictedImage, ...]  # some of them, the highest loss first; where there are none, of the label


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """The images of a run that a person should look at."""

    top_losses: tuple[PredictedImage, ...]  # of the test split, highest loss first
    confused: tuple[tuple[Confusion, Confusion], ...]  # both directions, the most confused classes first
    seen: Images  # some training images of each class, augmented as they were in the first epoch
    seen_labels: Labels
    seen_files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything that one finished run produced."""

    info: RunInfo
    settings: Mapping[str, Any]  # the whole configuration, nested plain values
    history: History
    metrics: Mapping[str, float]  # every final number under its recorded name, such as test/accuracy
    evaluation: Evaluation  # of the test split
    predictions: Mapping[str, SplitPredictions]  # validation, calibration, test
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    model_file: bytes  # the .keras file
    card: Mapping[str, Any]  # contents of card.json
    data_report: DataReport
    features_file: bytes  # features.npz: training images to compare with, and calibration scores
    example: Images  # (n, H, W, C) a few test images for the model's input example
    gallery: Gallery
    environment: Mapping[str, Any]  # versions, processor, threads


@dataclass(frozen=True, slots=True)
class PrunedRun:
    """What is known of a run that was stopped early because others are better; its model was not evaluated."""

    history: History

    @property
    def metrics(self) -> Mapping[str, float]:
        """Those of its best epoch, under the names of a finished run's."""
        best = self.history.epochs[self.history.best_epoch - 1]
        return {
            "best/epoch": float(best.epoch),
            "best/val_loss": best.val_loss,
            "best/val_accuracy": best.val_accuracy,
        }


@dataclass(frozen=True, slots=True)
class RecordedPredictions:
    """The recorded probabilities of a run's model for each test image, in the recorded order."""

    class_names: tuple[str, ...]
    files: tuple[str, ...]  # (N,) path relative to the data folder, or "index-17"
    digests: tuple[str, ...] | None  # (N,) of the pixels; None: recorded by cnnexp 0.1.0
    reading: str | None  # by which rule files became these pixels: the same text for the same rule; None: as above
    content_digest: str | None  # of the whole data set, read by this rule; None: as above
    labels: Labels
    probabilities: Probabilities


Curves = Mapping[str, tuple[tuple[int, float], ...]]  # metric name -> (epoch, value) in the order of epochs


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One recorded run, detached from its store; large parts are read on demand."""

    run_id: str
    name: str
    experiment: str
    status: str  # as MLflow has it: FINISHED, FAILED, KILLED, RUNNING, SCHEDULED
    parent_id: str | None  # of the sweep
    started: float  # seconds since 1970, UTC
    seconds: float | None  # wall time; None while it runs
    settings: Mapping[str, str]  # flat, text as recorded, such as {"optimizer.learning_rate": "0.001"}
    metrics: Mapping[str, float]  # final values
    tags: Mapping[str, str]
    data_digest: str | None
    data_source: str | None  # folder or name of the data, as recorded
    read_curves: Callable[[], Curves]
    read_predictions: Callable[[], RecordedPredictions | None]  # of the test split; None: none were recorded
    read_findings: Callable[[], tuple[Finding, ...]]
