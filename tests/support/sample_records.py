"""Records as a run would fill them, built from seeded numbers, for tests of what comes after a run."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from cnnexp.compose import compose_config
from cnnexp.records import (
    Augmentation,
    ClassScore,
    Confusion,
    DataImage,
    DataIssue,
    DataReport,
    EpochValues,
    Evaluation,
    Finding,
    Gallery,
    History,
    PredictedImage,
    Preview,
    RunCommand,
    RunInfo,
    RunResult,
    SplitPredictions,
)

OVERFITTING = Finding(
    id="F1",
    cause=2,
    title="over-fitting",
    sentence="The network knows its training images better than new ones: it went on learning them by heart.",
    evidence={"gap": 0.1234567, "gap_low": 0.08, "gap_high": 0.17, "best_epoch": 6.0},
    confidence=0.9,
    repair="regularization=dropout_l2 training.patience=5",
)
BAD_LABELS = Finding(
    id="D1",
    cause=1,
    title="doubtful labels",
    sentence="Some images look like another class than the one they are filed under.",
    evidence={"images": 12.0},
    confidence=0.6,
    repair="look at the twelve files and move those that are wrong",
)


PAIR = ((0, "train"), (1, "test"))  # rows and splits


def class_names(count: int) -> tuple[str, ...]:
    """`count` names, some of them longer than a column."""
    stems = ("zebra", "lorry", "sea anemone", "n02085620 wire-haired fox terrier", "maple", "cup")
    return tuple(f"{stems[i % len(stems)]} {i}" for i in range(count)) if count != 10 else tuple("0123456789")


def settings(**training: Any) -> dict[str, Any]:
    """The whole configuration as nested plain values; `training` replaces values of that group."""
    words = [
        "data.calibration=0.1",
        "optimizer=sgd",
        "optimizer.learning_rate=0.01",
        "optimizer.batch_scaling=linear",
        "optimizer.nesterov=true",
        "schedule=warmup_cosine",
        "schedule.warmup_epochs=1",
        "regularization=dropout_l2",
        "augmentation.zoom=0",
        "training.batch_size=64",
        "training.epochs=20",
        "training.patience=5",
    ]
    words += [f"training.{name}={'null' if value is None else value}" for name, value in training.items()]
    return asdict(compose_config(words))


def run_info(
    names: Sequence[str] = class_names(10), counts: Mapping[str, Sequence[int]] | None = None, notes: Sequence[str] = ()
) -> RunInfo:
    """A info over `names`; `counts` per split, 100/10/10/20 images a class unless given."""
    if counts is None:
        sizes = {"train": 100, "validation": 10, "calibration": 10, "test": 20}
        counts = {split: (size,) * len(names) for split, size in sizes.items()}
    return RunInfo(
        name="digits-baseline-sgd-brave-otter",
        data_name="digits",
        data_digest="9f86d081884c7d65",
        content_digest="60303ae22b998861",
        data_source="scikit-learn load_digits",
        class_names=tuple(names),
        class_counts={split: tuple(values) for split, values in counts.items()},
        input_shape=(8, 8, 1),
        parameters=241_546,
        learning_rate=0.02,
        threads=2,
        precision="float32",
        augmentation="shift 0.1",
        steps_per_epoch=16,
        notes=tuple(notes),
    )


def history(epochs: int = 20, best: int | None = None, stopped_early: bool = False) -> History:
    """Curves that fall, with validation turning up after `best` (two thirds of the way unless given)."""
    best = best or max(1, epochs * 2 // 3)
    values = []
    for epoch in range(1, epochs + 1):
        progress = epoch / best
        val_loss = 0.12 + 1.6 * np.exp(-4 * progress) + 0.05 * max(0.0, progress - 1) ** 2
        values.append(
            EpochValues(
                epoch=epoch,
                train_loss=float(0.02 + 1.9 * np.exp(-4.2 * progress)),
                train_accuracy=float(0.999 - 0.55 * np.exp(-3.5 * progress)),
                val_loss=float(val_loss),
                val_accuracy=float(0.97 - 0.4 * np.exp(-4 * progress)),
                learning_rate=float(0.02 * (0.505 + 0.495 * np.cos(np.pi * epoch / epochs))),
                seconds=0.31,
            )
        )
    return History(
        epochs=tuple(values), best_epoch=best, stopped_early=stopped_early, steps=16 * epochs, seconds=0.31 * epochs
    )


def probabilities(labels: np.ndarray, classes: int, *, skill: float = 3.0, seed: int = 0) -> np.ndarray:
    """(N, K) float32 softmax of noise that favours the true class by `skill` and its right neighbour by a third."""
    logits = np.random.default_rng(seed).normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += skill
    logits[np.arange(len(labels)), (labels + 1) % classes] += skill / 3
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def evaluation(
    names: Sequence[str] = class_names(10), counts: Sequence[int] | None = None, *, skill: float = 3.0
) -> Evaluation:
    """Scores of seeded predictions on `counts` images per class; a class without images has no scores."""
    labels = np.repeat(np.arange(len(names)), counts if counts is not None else [20] * len(names))
    predicted = probabilities(labels, len(names), skill=skill).argmax(axis=1)
    indices = np.arange(len(names))
    scores = precision_recall_fscore_support(labels, predicted, labels=indices, zero_division=np.nan)
    accuracy = float((labels == predicted).mean())
    return Evaluation(
        metrics={
            "accuracy": accuracy,
            "balanced_accuracy": float(np.nanmean(scores[1])),
            "macro_f1": float(np.nanmean(scores[2])),
            "log_loss": 0.3456,
            "ece": 0.0123,
        },
        intervals={"accuracy": (accuracy - 0.02, min(1.0, accuracy + 0.02)), "macro_f1": (0.7, 0.9)},
        per_class=tuple(
            ClassScore(
                name=name,
                support=int(support),
                precision=_defined(precision, support),
                recall=_defined(recall, support),
                f1=_defined(f1, support),
                roc_auc=None,
            )
            for name, precision, recall, f1, support in zip(names, *scores, strict=True)
        ),
        confusion=confusion_matrix(labels, predicted, labels=indices).astype(np.int64),
        notes=() if all(scores[3]) else ("A class has no test image: its scores are left out.",),
    )


def _defined(score: float, support: int) -> float | None:
    return float(score) if support and np.isfinite(score) else None


def predictions(names: Sequence[str], split: str, per_class: int) -> SplitPredictions:
    """`per_class` images of each class, named after their split and position."""
    labels = np.repeat(np.arange(len(names)), per_class)
    files = tuple(f"{split}/index-{i}" for i in range(len(labels)))
    digests = tuple(f"{zlib.crc32(file.encode()):016x}" for file in files)
    return SplitPredictions(
        files=files, digests=digests, labels=labels, probabilities=probabilities(labels, len(names))
    )


def data_report(names: Sequence[str]) -> DataReport:
    """A data set whose second image is a copy of the first, on the other side of a split."""
    images = tuple(DataImage(row, f"{split}/{row}.png", split, names[0], "identical") for row, split in PAIR)
    issue = DataIssue(
        id="S1",
        title="leakage between splits",
        sentence="1 image of one split occurs again in another, so that scores on them flatter (1 exact).",
        stops=False,
        evidence={"groups": 1, "exact": 1, "near": 0},
        groups=(images,),
        repair="keep each on one side only",
    )
    info = run_info(names)
    return DataReport(
        name=info.data_name,
        source=info.data_source,
        digest=info.data_digest,
        images=sum(map(sum, info.class_counts.values())),
        input_shape=info.input_shape,
        class_names=info.class_names,
        class_counts=info.class_counts,
        issues=(issue,),
        checks=("exact duplicates",),
        notes=("Left out: 1 image beside the class folders, not in one, such as overview.png.",),
    )


def gallery(names: Sequence[str], *, shape: tuple[int, int, int] = (8, 8, 1), each: int = 2) -> Gallery:
    """Noise: one top loss for each class, taken for the next, which is unlike the training data where it is even."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(names) * each, *shape), dtype=np.uint8)
    images = [
        PredictedImage(pixels[label], f"test/{names[label]}/{label}.png", label, taken, 0.25, 0.75, label % 2 == 0)
        for label, taken in ((label, (label + 1) % len(names)) for label in range(len(names)))
    ]
    pair = (Confusion(0, 1, 7, tuple(images[:1])), Confusion(1, 0, 0, tuple(images[1:2])))
    labels = np.repeat(np.arange(len(names)), each)
    files = tuple(f"train/{names[label]}/{number}.png" for number, label in enumerate(labels.tolist()))
    return Gallery(
        top_losses=tuple(images),
        confused=(pair,),
        seen=pixels,
        seen_labels=labels,
        seen_files=files,
        kinds=kinds(shape=shape, count=0),
    )


def kinds(*, shape: tuple[int, int, int], count: int) -> Preview:
    """Noise: eight images, plain and after the first so many kinds of augmentation=mix, in two epochs."""
    pixels = np.random.default_rng(1).integers(0, 256, (8, *shape), dtype=np.uint8)
    mix = Augmentation(
        flip=True,
        shift=0.1,
        zoom=0.1,
        rotation=10,
        crop=0.6,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        policy="trivial_augment",
        erasing=0.25,
        mixup=0.2,
        cutmix=1,
    )
    return Preview(
        plain=pixels,
        class_names=tuple("abcdefgh"),
        files=tuple(f"train/{name}.png" for name in "abcdefgh"),
        augmentation=mix,
        alone=tuple((name, np.stack([pixels, pixels])) for name in [*mix.kinds][:count]),
        together=None,
    )


def run_command() -> RunCommand:
    """A command that changes two settings, of which one does not exist by default."""
    return RunCommand(
        overrides=("optimizer=sgd", "training.epochs=20", "data.path='a b'"),
        changed={"training.epochs": ("20", "50"), "optimizer.momentum": ("0.9", None)},
    )


def run_result(
    names: Sequence[str] = class_names(10),
    *,
    epochs: int = 20,
    findings: Sequence[Finding] = (OVERFITTING,),
    notes: Sequence[str] = (),
) -> RunResult:
    """A finished run over `names`."""
    judged = evaluation(names)
    return RunResult(
        info=run_info(names),
        settings=settings(epochs=epochs),
        history=history(epochs),
        metrics={f"test/{key}": value for key, value in judged.metrics.items()}
        | {"test/ece_uncalibrated": 0.0456, "best/val_loss": 0.1493, "best/val_accuracy": 0.963},
        evaluation=judged,
        predictions={
            "validation": predictions(names, "validation", 2),
            "calibration": predictions(names, "calibration", 2),
            "test": predictions(names, "test", 20),
        },
        findings=tuple(findings),
        notes=tuple(notes),
        model_file=b"",
        card={
            "class_names": list(names),
            "image": {"height": 8, "width": 8},
            "input_shape": (8, 8, 1),
            "scale": np.float32(0.5),
        },
        data_report=data_report(names),
        features_file=b"",
        example=np.zeros((2, 8, 8, 1), np.uint8),
        gallery=gallery(names),
        environment={"python": "3.11.7", "threads": 2, "flags": {"amx": False}},
    )
