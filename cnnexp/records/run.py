"""A run: what it is about to do, and what it produced."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cnnexp.records.arrays import Images
from cnnexp.records.data import DataReport
from cnnexp.records.evaluation import Evaluation, Finding, SplitPredictions
from cnnexp.records.folds import FoldsReport
from cnnexp.records.gallery import Gallery
from cnnexp.records.training import FoundAccumulation, FoundLearningRate, History


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
    precision: str  # as resolved: float32 | tf32 | bfloat16
    augmentation: str  # as resolved, such as "flip, shift 0.1"; "none"
    steps_per_epoch: int
    notes: tuple[str, ...]
    found: FoundLearningRate | None = None  # None: the learning rate was set by hand
    accumulation: FoundAccumulation | None = None  # None: it was set by hand
    head_parameters: int | None = None  # weights of the head, where it alone is trained; None: others are, too
    device: str = "cpu"  # or the models of its GPUs
    devices: int = 1  # that share each batch
    reference_bytes: int = 0  # about, of the images and features that are stored beside the model


@dataclass(frozen=True, slots=True)
class RunCommand:
    """What a run was asked for."""

    overrides: tuple[str, ...]  # a command line that repeats it, without passwords
    changed: Mapping[str, tuple[str, str | None]]  # setting -> its value and the default; None: only this option has it
    extend: tuple[str, ...] = ()  # the files of code that were given and used

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of that command line."""
        return tuple(f"--extend={file}" for file in self.extend)


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
    folds: FoldsReport | None = None  # of a run of folds, whose "test split" is what its folds judged
    code: Mapping[str, str] = field(default_factory=dict)  # files of the user's code that it used: name -> text


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
class FoldsSummary:
    """What a terminal shows of a run of folds when its final model is finished."""

    info: RunInfo
    metrics: Mapping[str, float]
    evaluation: Evaluation
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # those of the info among them
    folds: FoldsReport

    @classmethod
    def of(cls, result: RunResult) -> Self:
        """Return the parts of a result that are shown."""
        assert result.folds is not None
        return cls(result.info, result.metrics, result.evaluation, result.findings, result.notes, result.folds)
