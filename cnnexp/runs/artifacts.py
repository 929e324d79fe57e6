"""The files at the root of a recorded run, under names that never change.

MLflow compares only files at the root of runs, by name.
"""

import dataclasses
import io
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cnnexp import figures
from cnnexp.label_errors.mistakenness import hardness, mistakenness
from cnnexp.records import (
    SPLIT_NAMES,
    ClassScore,
    Evaluation,
    Finding,
    RunCommand,
    RunInfo,
    RunResult,
    SplitPredictions,
)
from cnnexp.report.learning_rate import page as rate_page
from cnnexp.report.run.page import run_page
from cnnexp.tracking.run_page import PAGE

Folds = NDArray[np.int64]  # (N,) number of the fold that judged each test image

# A list of plain values that json has written on several lines. JSON strings contain no line breaks, so a break after
# the bracket is always layout.
_SPREAD_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")


def files(result: RunResult, command: RunCommand) -> dict[str, bytes]:
    """Return every root file of the run, name -> content.

    They are the page, four figures, five JSON documents and the predictions.
    """
    return evaluation_files(
        result.evaluation,
        result.predictions,
        result.card,
        content_digest=result.info.content_digest,
        folds=None if result.folds is None else result.folds.fold_of_each,
    ) | {
        PAGE: to_bytes(run_page(result, command)),
        "curves.png": figures.png(figures.curves(result.history)),
        "card.json": to_json(result.card),
        "data_report.json": to_json(dataclasses.asdict(result.data_report)),
        "findings.json": to_json([_as_dict(finding) for finding in result.findings]),
        "environment.json": to_json(result.environment),
    }


def rate_files(info: RunInfo, command: RunCommand) -> dict[str, bytes]:
    """Return the root files about a learning rate that was found: the curve and its page; none where it was set."""
    if info.found is None:
        return {}
    repeat = shlex.join(["cnnexp", *command.flags, *command.overrides])
    return {
        "learning_rate.json": to_json(dataclasses.asdict(info.found)),
        "learning_rate.html": to_bytes(rate_page(info.found, about=info.name, command=repeat)),
    }


def evaluation_files(
    evaluation: Evaluation,
    predictions: Mapping[str, SplitPredictions],
    card: Mapping[str, Any],
    *,
    content_digest: str,
    folds: Folds | None = None,
) -> dict[str, bytes]:
    """Return the root files about the performance of a model on its test images, of a run or an evaluation.

    `card` is the model's, `content_digest` that of the whole data set, and `folds` say which of a run's folds judged
    each image; None: one model judged all.
    """
    split = "test" if folds is None else "out-of-fold"
    return {
        "confusion_matrix.png": figures.png(figures.confusion_matrix(evaluation, normalized=False, split=split)),
        "confusion_matrix_normalized.png": figures.png(
            figures.confusion_matrix(evaluation, normalized=True, split=split)
        ),
        "per_class.png": figures.png(figures.per_class(evaluation, split=split)),
        "classification_report.json": to_json(_classification_report(evaluation, split)),
        "predictions.parquet": to_parquet(predictions, card, content_digest=content_digest, folds=folds),
    }


def to_bytes(text: str) -> bytes:
    """Return text as UTF-8; bytes of a path that are none are written as escapes."""
    return text.encode(errors="backslashreplace")


def to_json(value: object) -> bytes:
    """Return indented UTF-8 JSON in the order of the mapping; NaN and infinity become null.

    Raises:
        TypeError: a value is not a number, text, truth value, None, list, tuple, array or mapping.

    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    return to_bytes(_SPREAD_LIST.sub(_on_one_line, text) + "\n")  # its escapes are JSON's own


def to_parquet(
    predictions: Mapping[str, SplitPredictions],
    card: Mapping[str, Any],
    *,
    content_digest: str,
    folds: Folds | None = None,
) -> bytes:
    """Return a row per image: file, digest, split, label, predicted, correct, confidence, ..., ``p/<class>``.

    No model of the run was trained on any of these images, so that `mistakenness` ranks labels that may be wrong;
    `hardness` says how unsure the model is, whatever the label. Then come properties of the images, as far as they
    are known: brightness, contrast, sharpness, width, height, group, and cluster of features (test alone).
    Of a run of folds, whose predictions are all of the split test, a column ``fold`` follows: which one judged it.

    Splits are in their usual order, images in the order of the predictions. Names of splits and classes are
    dictionary-encoded; the code of a class is its index. A digest is that of the pixels as the model sees them; the
    rule by which files become these pixels, and the digest of the whole data set, are in the table's metadata.
    """
    present = [split for split in SPLIT_NAMES if split in predictions]
    table = pa.concat_tables(
        [_table(split, predictions[split], card["class_names"]) for split in present], promote_options="default"
    )
    if folds is not None:
        table = table.append_column("fold", pa.array(folds.astype(np.int32)))
    about = {"reading": card["image"], "content_digest": content_digest}
    return _table_bytes(table.replace_schema_metadata({"cnnexp": json.dumps(about, sort_keys=True)}))


def _table(split: str, predicted: SplitPredictions, class_names: Sequence[str]) -> pa.Table:
    probabilities = predicted.probabilities
    best = predicted.predicted
    columns: dict[str, Any] = {
        "file": pa.array(predicted.files, pa.string()),
        "digest": pa.array(predicted.digests, pa.string()),
        "split": _coded(np.full(len(best), SPLIT_NAMES.index(split)), SPLIT_NAMES),
        "label": _coded(predicted.labels, class_names),
        "predicted": _coded(best, class_names),
        "correct": pa.array(best == predicted.labels),
        "confidence": pa.array(probabilities[np.arange(len(best)), best]),
        "mistakenness": pa.array(mistakenness(probabilities, predicted.labels)),
        "hardness": pa.array(hardness(probabilities)),
        **{name: pa.array(values) for name, values in predicted.properties.items()},
    }
    for index, name in enumerate(class_names):
        columns[f"p/{name}"] = pa.array(np.ascontiguousarray(probabilities[:, index]))
    return pa.table(columns)


def _coded(codes: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


def _table_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _classification_report(evaluation: Evaluation, split: str) -> dict[str, Any]:
    """Return the evaluation of a split as one document; `interval` is null for a metric without one."""
    return {
        "split": split,
        "images": int(evaluation.confusion.sum()),
        "metrics": {
            name: {"value": value, "interval": evaluation.intervals.get(name)}
            for name, value in evaluation.metrics.items()
        },
        "per_class": [_as_dict(score) for score in evaluation.per_class],
        "confusion_matrix": {"rows": "true class", "columns": "predicted class", "counts": evaluation.confusion},
        "notes": evaluation.notes,
    }


def _as_dict(record: ClassScore | Finding) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _plain(value: object) -> object:
    """Return the same value in the types of JSON."""
    match value:
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + re.sub(r"\n\s*", " ", match[1]) + "]"
