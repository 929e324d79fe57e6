"""Real MLflow runs as the trainer records them, for tests of what reads them back."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from pyarrow import parquet

CLASS_NAMES = ("stop", "yield", "no entry")


def test_labels(images: int) -> np.ndarray:
    return np.arange(images) % len(CLASS_NAMES)


test_labels.__test__ = False  # a name, not a test


def probabilities(labels: np.ndarray, wrong: Sequence[int], seed: int = 0) -> np.ndarray:
    """Confident rows, right everywhere but at the indices ``wrong``."""
    rng = np.random.default_rng(seed)
    said = labels.copy()
    said[list(wrong)] = (said[list(wrong)] + 1) % len(CLASS_NAMES)
    raw = rng.uniform(0.01, 0.1, (len(labels), len(CLASS_NAMES)))
    raw[np.arange(len(labels)), said] = 1.0
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


def predictions_file(labels: np.ndarray, probability: np.ndarray, files: Sequence[str]) -> bytes:
    predicted = probability.argmax(axis=1)
    columns = {
        "file": list(files),
        "split": ["test"] * len(labels),
        "label": [CLASS_NAMES[k] for k in labels],
        "predicted": [CLASS_NAMES[k] for k in predicted],
        "correct": predicted == labels,
        "confidence": probability.max(axis=1),
        **{f"p/{name}": probability[:, k] for k, name in enumerate(CLASS_NAMES)},
    }
    held_out = {name: values[:1] for name, values in columns.items()} | {"split": ["validation"]}
    table = pa.concat_tables([pa.table(held_out), pa.table(columns)])
    written = io.BytesIO()
    parquet.write_table(table, written)
    return written.getvalue()


class Recorder:
    """Writes runs into a store through MLflow's client."""

    def __init__(self, folder: Path, experiment: str = "signs") -> None:
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.client = MlflowClient(self.uri)
        self.experiment_id = self.client.create_experiment(experiment, (folder / "artifacts").as_uri())

    def sweep(self, name: str) -> str:
        run_id = self.client.create_run(self.experiment_id, run_name=name).info.run_id
        self.client.set_terminated(run_id)
        return run_id

    def run(
        self,
        name: str,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        *,
        parent: str | None = None,
        status: str = "FINISHED",
        tags: Mapping[str, str] | None = None,
        digest: str = "d1",
        curves: Mapping[str, Sequence[float]] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        run_id = self.client.create_run(
            self.experiment_id, run_name=name, tags={"mlflow.parentRunId": parent} if parent else {}
        ).info.run_id
        points = [Metric(key, value, 0, 0) for key, value in metrics.items()]
        points += [
            Metric(key, value, 0, epoch)
            for key, values in (curves or {}).items()
            for epoch, value in enumerate(values, start=1)
        ]
        self.client.log_batch(
            run_id, points, [Param(k, v) for k, v in params.items()], [RunTag(k, v) for k, v in (tags or {}).items()]
        )
        dataset = Dataset(name="signs", digest=digest, source_type="local", source=json.dumps({"uri": "signs"}))
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset)])
        self._log_files(run_id, files or {})
        if status != "RUNNING":
            self.client.set_terminated(run_id, status)
        return run_id

    def _log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        folder = Path(self.client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)


def record_sweep(
    recorder: Recorder, *, seeds: int, dropouts: Sequence[str] = ("0.0", "0.3", "0.5"), images: int = 90
) -> str:
    """A sweep over dropout and rate in which 0.3 is truly better; one failed, one pruned, one running run beside it."""
    parent = recorder.sweep("dropout-sweep")
    labels = test_labels(images)
    files = [f"{CLASS_NAMES[k]}/{index}.png" for index, k in enumerate(labels)]
    rng = np.random.default_rng(0)
    for rate in ("0.001", "0.01"):
        for dropout in dropouts:
            for seed in range(seeds):
                misses = {"0.0": 12, "0.3": 6, "0.5": 11}[dropout] + int(rate == "0.01") + int(rng.integers(0, 3))
                wrong = rng.choice(images, misses, replace=False)
                probability = probabilities(labels, wrong, seed)
                epochs = [1.2 * 0.7**k + misses / images + 0.01 * seed for k in range(8)]
                finding = {
                    "id": "M2", "cause": 2, "title": "over-fitting", "sentence": "Train is <b>ahead</b> of validation.",
                    "evidence": {"gap": 0.1}, "confidence": 0.9, "repair": "regularization=dropout",
                }  # fmt: skip
                recorder.run(
                    f"lr{rate}-do{dropout}-s{seed}",
                    {
                        "data": "signs", "model": "small", "seed": str(seed), "optimizer": "adam",
                        "optimizer.learning_rate": rate, "regularization": "dropout", "regularization.dropout": dropout,
                        "training.monitor": "val/loss", "training.threads": "1", "training.precision": "float32",
                    },
                    {
                        "best/val_loss": misses / images, "best/val_accuracy": 1 - misses / images,
                        "test/accuracy": 1 - misses / images, "test/macro_f1": 1 - misses / images - 0.01,
                        "test/log_loss": misses / images, "updates": 800, "seconds/train": 1.5,
                    },
                    parent=parent,
                    curves={"val/loss": epochs, "train/loss": [v - 0.05 for v in epochs],
                            "val/accuracy": [1 - v / 2 for v in epochs], "train/accuracy": [1 - v / 3 for v in epochs]},
                    files={
                        "predictions.parquet": predictions_file(labels, probability, files),
                        "findings.json": json.dumps([finding]).encode(),
                    },
                )  # fmt: skip
    recorder.run("broken", {"seed": "0"}, {}, parent=parent, status="FAILED")
    recorder.run("cut-short", {"seed": "0"}, {"best/val_loss": 2.0}, parent=parent, tags={"pruned": "true"})
    recorder.run("still-going", {"seed": "0"}, {}, parent=parent, status="RUNNING")
    return parent
