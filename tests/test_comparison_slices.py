"""Parts of the test images: where a model is weak, and where two differ."""

import io
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet

from cnnexp.comparison import compare
from cnnexp.comparison.slices import slice_differences, slices
from cnnexp.datasets.measured_images import appearance
from cnnexp.label_errors.mistakenness import hardness
from cnnexp.records import RecordedPredictions, SplitPredictions
from cnnexp.report.comparison import json_text, verdict
from cnnexp.report.comparison.wording import slice_sentence
from cnnexp.runs.artifacts import to_parquet
from cnnexp.tracking.store import run_files
from support.simulated_runs import simulated_run

IMAGES = 400


def recorded(right, **properties):
    """Return predictions of two classes, by whether each image is given its own."""
    labels = np.arange(len(right)) % 2
    answers = np.where(right, labels, 1 - labels)
    probabilities = np.where(np.equal.outer(answers, [0, 1]), 0.9, 0.1).astype(np.float32)
    files = tuple(f"{k}.png" for k in range(len(right)))
    return RecordedPredictions(("a", "b"), files, None, None, None, labels, probabilities, properties=properties)


def scattered(seed=0):
    rng = np.random.default_rng(seed)
    return rng, rng.uniform(0, 255, IMAGES).astype(np.float32)


def test_a_model_that_fails_on_dark_images_is_said_to():
    rng, brightness = scattered()
    dark = brightness <= np.quantile(brightness, 0.25)
    right = rng.random(IMAGES) < np.where(dark, 0.6, 0.95)
    first, *rest = slices(recorded(right, brightness=brightness, contrast=rng.uniform(0, 9, IMAGES)))
    assert (first.by, first.label, first.images) == ("brightness", "dark images", 100)
    assert first.correct == right[dark].sum()
    assert first.difference.high < 0
    assert first.is_claimed
    assert set(first.positions) == set(np.flatnonzero(dark))
    assert not any(one.is_claimed for one in rest if one.by in ("contrast", "class"))
    assert slice_sentence(first).startswith(
        f"dark images {first.accuracy:.2f} against {first.other_accuracy:.2f} elsewhere (100 of 400"
    )


def test_parts_that_do_not_differ_are_seldom_claimed():
    """Holm's correction over all parts: at 4 %, of 200 models at most 16 (the 99 % quantile) show any."""
    claims = 0
    for seed in range(200):
        rng, brightness = scattered(seed)
        properties = {
            "brightness": brightness,
            "sharpness": rng.uniform(0, 9, IMAGES),
            "cluster": rng.integers(0, 8, IMAGES),
        }
        claims += any(one.is_claimed for one in slices(recorded(rng.random(IMAGES) < 0.9, **properties)))
    assert claims <= 16


def test_two_models_are_compared_within_each_part():
    rng, brightness = scattered()
    dark = brightness <= np.quantile(brightness, 0.25)
    base = rng.random(IMAGES) < 0.7
    better = base | (dark & (rng.random(IMAGES) < 0.9))
    first, *_ = slice_differences(recorded(base, brightness=brightness), recorded(better))
    assert first.label == "dark images"
    assert first.gain.mean == pytest.approx(better[dark].mean() - base[dark].mean())
    assert first.is_claimed


def test_a_comparison_says_where_its_best_model_is_weak():
    rng, brightness = scattered()
    right = rng.random(IMAGES) < np.where(brightness < 60, 0.6, 0.95)
    run = replace(
        simulated_run(0.9, seed=0, model="vgg"), read_predictions=lambda: recorded(right, brightness=brightness)
    )
    comparison = compare([run], metric_name="test/accuracy", by=())
    assert comparison.slices[0].label == "dark images"
    assert '"label": "dark images"' in json_text(comparison)
    old = replace(run, read_predictions=lambda: recorded(right))  # of version 0.1: classes alone
    assert {one.by for one in compare([old], metric_name="test/accuracy", by=()).slices} == {"class"}
    assert len(verdict(comparison)[0].split()) <= 25


def test_what_an_image_looks_like_by_hand():
    checkered = np.indices((8, 8)).sum(axis=0) % 2 * 200
    images = np.stack([np.full((8, 8), 50), checkered]).astype(np.uint8)[..., None]
    found = appearance(images)
    assert found["brightness"] == pytest.approx([50, 100])
    assert found["contrast"] == pytest.approx([0, 100])
    assert found["sharpness"] == pytest.approx([0, 200])
    assert appearance(images, np.array([1]))["brightness"] == pytest.approx([100])


def test_hardness_is_how_unsure_the_model_is():
    assert hardness(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx([0, 1], abs=1e-6)


def test_properties_are_recorded_and_read_back(tmp_path):
    properties = {"brightness": np.array([1.5, 2.5], np.float32), "cluster": np.array([0, 1], np.int32)}
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    test = SplitPredictions(("a.png", "b.png"), ("d1", "d2"), np.array([0, 1]), probabilities, properties=properties)
    validation = replace(test, properties={"brightness": properties["brightness"]})
    content = to_parquet(
        {"test": test, "validation": validation}, {"class_names": ["x", "y"], "image": {}}, content_digest="c"
    )
    columns = parquet.ParquetFile(io.BytesIO(content)).read().column_names
    assert {"hardness", "mistakenness", "brightness", "cluster"} <= set(columns)
    (tmp_path / "predictions.parquet").write_bytes(content)
    found = run_files.predictions(tmp_path.as_uri(), store="sqlite://")
    assert found.properties["brightness"] == pytest.approx([1.5, 2.5])
    assert found.properties["cluster"].tolist() == [0, 1]
