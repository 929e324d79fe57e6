"""Reading back what a run left among its artifacts."""

import io
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np

from cnnexp.records import IMAGE_PROPERTIES, ClassScore, Evaluation, Finding, RecordedPredictions
from cnnexp.tracking.store.calls import calling, mlflow_uri

ABOUT = b"cnnexp"  # in the metadata of predictions.parquet: JSON about its data, since version 0.2
REPORT = "classification_report.json"
PROBABILITY = "p/"  # prefix of a column of predictions.parquet; the class name follows


def read_file(artifact_uri: str, name: str, *, store: str) -> bytes | None:
    """Return the artifact ``name`` of a run in a store; None if there is none.

    Files on this machine are read where they are. Anything else goes through MLflow, whose import takes a second; what
    a server keeps has an address that only the server understands.
    """
    folder = local_folder(artifact_uri)
    if folder is None:
        return _download(artifact_uri, name, store)
    path = folder / name
    return path.read_bytes() if path.is_file() else None


def local_folder(uri: str) -> Path | None:
    """Return the folder a URI means on this machine; None for a remote one."""
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(url2pathname(parsed.path))
    return Path(uri) if len(parsed.scheme) <= 1 else None  # one letter: a drive


def _download(artifact_uri: str, name: str, store: str) -> bytes | None:
    import mlflow.artifacts

    with calling(store), tempfile.TemporaryDirectory() as copy:
        address, place = mlflow_uri(store), f"{artifact_uri.rstrip('/')}/{name}"
        folder, _, last = place.rpartition("/")
        there = mlflow.artifacts.list_artifacts(artifact_uri=folder, tracking_uri=address)
        if not any(PurePosixPath(item.path).name == last for item in there):  # a path begins with the folder's name
            return None
        return Path(mlflow.artifacts.download_artifacts(place, dst_path=copy, tracking_uri=address)).read_bytes()


def predictions(artifact_uri: str, *, store: str) -> RecordedPredictions | None:
    """Return the predictions of the test split, from predictions.parquet; None where the run has none."""
    content = read_file(artifact_uri, "predictions.parquet", store=store)
    if content is None:
        return None
    from pyarrow import parquet  # not every comparison reads predictions

    table = parquet.ParquetFile(io.BytesIO(content)).read()
    # filters of read_table, compute functions and to_numpy would all import pandas: a third of a second
    rows = [row for row, split in enumerate(table["split"].to_pylist()) if split == "test"]
    files, labels, predicted = (table[name].to_pylist() for name in ("file", "label", "predicted"))
    classes = [name for name in table.column_names if name.startswith(PROBABILITY)]
    columns = [np.from_dlpack(table[name].combine_chunks())[rows] for name in classes]
    names = [name.removeprefix(PROBABILITY) for name in classes]
    index = {name: k for k, name in enumerate(names)}
    digests = table["digest"].to_pylist() if "digest" in table.column_names else None
    about = json.loads((table.schema.metadata or {}).get(ABOUT, b"{}"))
    return RecordedPredictions(
        class_names=tuple(names),
        files=tuple(files[row] for row in rows),
        digests=None if digests is None else tuple(digests[row] for row in rows),
        reading=json.dumps(about["reading"]) if about else None,
        content_digest=about["content_digest"] if about else None,
        labels=np.array([index[labels[row]] for row in rows], dtype=np.int64),
        probabilities=np.stack(columns, axis=1).astype(np.float32),
        decided=np.array([index[predicted[row]] for row in rows], dtype=np.int64),
        folds=np.from_dlpack(table["fold"].combine_chunks())[rows].astype(np.int64)
        if "fold" in table.column_names
        else None,
        properties={
            name: np.array(table[name].to_pylist())[rows] for name in IMAGE_PROPERTIES if name in table.column_names
        },
    )


def findings(artifact_uri: str, *, store: str) -> tuple[Finding, ...]:
    """Return the findings of findings.json; none where the run has no such file."""
    content = read_file(artifact_uri, "findings.json", store=store)
    if content is None:
        return ()
    return tuple(_finding(item) for item in json.loads(content))


def data_warnings(artifact_uri: str, *, store: str) -> tuple[tuple[str, str], ...]:
    """Return title and sentence of each issue in data_report.json; none where the run has no such file."""
    content = read_file(artifact_uri, "data_report.json", store=store)
    return () if content is None else tuple((one["title"], one["sentence"]) for one in json.loads(content)["issues"])


def _finding(item: Mapping[str, Any]) -> Finding:
    """Return a finding; one of an earlier version does not have all fields."""
    known: dict[str, Any] = {name: item[name] for name in Finding.__slots__ if name in item}
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return Finding(**(known | lists))


def evaluation(content: bytes) -> Evaluation:
    """Return what classification_report.json has of an evaluation on the test split."""
    report = json.loads(content)
    found = report["metrics"]
    intervals = {name: tuple(one["interval"]) for name, one in found.items() if one["interval"] is not None}
    return Evaluation(
        metrics={name: math.nan if one["value"] is None else one["value"] for name, one in found.items()},
        intervals={name: (low, high) for name, (low, high) in intervals.items()},
        per_class=tuple(
            ClassScore(**{name: one[name] for name in ClassScore.__slots__}) for one in report["per_class"]
        ),
        confusion=np.array(report["confusion_matrix"]["counts"], dtype=np.int64),
        notes=tuple(report["notes"]),
    )
