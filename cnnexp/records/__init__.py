"""The values that travel between modules: frozen, plain, and free of any library but numpy."""

from cnnexp.records.arrays import IMAGE_PROPERTIES, SPLIT_NAMES, Images, Labels, Probabilities
from cnnexp.records.data import DataImage, DataIssue, DataReport, DatasetInfo
from cnnexp.records.evaluation import ClassScore, Evaluation, Finding, SplitPredictions
from cnnexp.records.folds import FoldResult, FoldScore, FoldsReport
from cnnexp.records.gallery import Confusion, Gallery, PredictedImage
from cnnexp.records.network import LossFacts, NetworkFacts
from cnnexp.records.preview import Preview
from cnnexp.records.recorded import Curves, RecordedPredictions, RunSummary
from cnnexp.records.run import FoldsSummary, PrunedRun, RunCommand, RunInfo, RunResult
from cnnexp.records.training import (
    NO_AUGMENTATION,
    Augmentation,
    EpochValues,
    FoundAccumulation,
    FoundLearningRate,
    History,
    LearningRateCurve,
    OutputStatistics,
    OwnChange,
    PretrainedNetwork,
    Scaling,
)

__all__ = [
    "IMAGE_PROPERTIES",
    "NO_AUGMENTATION",
    "SPLIT_NAMES",
    "Augmentation",
    "ClassScore",
    "Confusion",
    "Curves",
    "DataImage",
    "DataIssue",
    "DataReport",
    "DatasetInfo",
    "EpochValues",
    "Evaluation",
    "Finding",
    "FoldResult",
    "FoldScore",
    "FoldsReport",
    "FoldsSummary",
    "FoundAccumulation",
    "FoundLearningRate",
    "Gallery",
    "History",
    "Images",
    "Labels",
    "LearningRateCurve",
    "LossFacts",
    "NetworkFacts",
    "OutputStatistics",
    "OwnChange",
    "PredictedImage",
    "PretrainedNetwork",
    "Preview",
    "Probabilities",
    "PrunedRun",
    "RecordedPredictions",
    "RunCommand",
    "RunInfo",
    "RunResult",
    "RunSummary",
    "Scaling",
    "SplitPredictions",
]
