import io
import json
import os
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from cnnexp.runs import artifacts
from support.sample_records import class_names, run_command, run_result


def strictly(data: bytes):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(data, parse_constant=refuse)


@pytest.fixture(scope="module")
def result():
    return run_result(class_names(3))


@pytest.fixture(scope="module")
def files(result):
    return artifacts.files(result, run_command())


def test_names_are_the_contract(files):
    assert set(files) == {
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
        "curves.png",
        "per_class.png",
        "classification_report.json",
        "predictions.parquet",
        "card.json",
        "data_report.json",
        "findings.json",
        "environment.json",
        "run.html",
    }
    assert all(files[name].startswith(b"\x89PNG") for name in files if name.endswith(".png"))


def test_report_holds_metrics_with_intervals_classes_and_matrix(result, files):
    report = strictly(files["classification_report.json"])
    assert report["images"] == 60
    accuracy = result.evaluation.metrics["accuracy"]
    assert report["metrics"]["accuracy"] == {
        "value": accuracy,
        "interval": list(result.evaluation.intervals["accuracy"]),
    }
    assert report["metrics"]["log_loss"]["interval"] is None
    assert [score["name"] for score in report["per_class"]] == list(class_names(3))
    assert report["confusion_matrix"]["counts"] == result.evaluation.confusion.tolist()


def test_findings_and_card_are_written_whole(result, files):
    (finding,) = strictly(files["findings.json"])
    assert finding == {
        "id": "F1",
        "cause": 2,
        "title": "over-fitting",
        "sentence": result.findings[0].sentence,
        "evidence": dict(result.findings[0].evidence),
        "confidence": 0.9,
        "repair": "regularization=dropout_l2 training.patience=5",
        "symptoms": [],
        "alternatives": [],
        "files": [],
        "declared": False,
        "basis": "",
    }
    assert strictly(files["card.json"]) == {
        "class_names": list(class_names(3)),
        "image": {"height": 8, "width": 8},
        "input_shape": [8, 8, 1],
        "scale": 0.5,
    }
    assert strictly(artifacts.files(replace(result, findings=()), run_command())["findings.json"]) == []


def test_json_is_strict_ordered_and_readable():
    data = artifacts.to_json({"z": np.float32("nan"), "a": [1, (2.5, float("inf"))], "ü": np.arange(3), "t": '[\n"'})
    assert strictly(data) == {"z": None, "a": [1, [2.5, None]], "ü": [0, 1, 2], "t": '[\n"'}
    assert list(strictly(data)) == ["z", "a", "ü", "t"]
    assert '"ü": [0, 1, 2]' in data.decode()
    assert data.endswith(b"}\n")
    with pytest.raises(TypeError):
        artifacts.to_json({"what": object()})


def test_a_path_that_is_no_text_comes_back_from_json_as_it_was():
    """A run on images in such a folder ended in a traceback after its training."""
    place = os.fsdecode(b"/data/caf\xe9")
    assert os.fsencode(json.loads(artifacts.to_json({"source": place}))["source"]) == b"/data/caf\xe9"
    assert artifacts.to_bytes(place) == rb"/data/caf\udce9"


def test_predictions_join_files_labels_and_probabilities_in_order(result, files):
    table = pq.read_table(io.BytesIO(files["predictions.parquet"]))
    names = list(class_names(3))
    assert table.column_names == [
        "file", "digest", "split", "label", "predicted", "correct", "confidence", "mistakenness", "hardness",
        *(f"p/{name}" for name in names),
    ]  # fmt: skip
    assert table.num_rows == 6 + 6 + 60
    assert table["split"].to_pylist() == ["validation"] * 6 + ["calibration"] * 6 + ["test"] * 60
    test = result.predictions["test"]
    rows = table.slice(12).to_pydict()
    assert rows["file"] == list(test.files)
    assert rows["digest"] == list(test.digests)
    assert rows["label"] == [names[label] for label in test.labels]
    assert rows["predicted"] == [names[best] for best in test.probabilities.argmax(axis=1)]
    assert rows["correct"] == [a == b for a, b in zip(rows["label"], rows["predicted"], strict=True)]
    np.testing.assert_array_equal(np.stack([rows[f"p/{name}"] for name in names], 1), test.probabilities)
    np.testing.assert_array_equal(rows["confidence"], test.probabilities.max(axis=1))
    np.testing.assert_allclose(rows["mistakenness"], 1 - test.probabilities[np.arange(60), test.labels], atol=1e-6)


def test_same_result_gives_same_bytes(result, files):
    assert artifacts.files(result, run_command()) == files
