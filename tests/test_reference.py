import math
import pickle
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from sklearn.neighbors import NearestNeighbors

from cnnexp.portable import reference
from cnnexp.portable.reference import TrainingReference, minimum_probability, normalized, p_values, prediction_sets

SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60).map(lambda v: np.sort(np.float32(v)))
COVERAGE = st.floats(0.01, 0.99)


def example(**changes) -> TrainingReference:
    rng = np.random.default_rng(0)
    values = {
        "features": normalized(rng.normal(size=(40, 6))).astype(np.float16),
        "pixels": rng.integers(0, 256, (40, 3, 4, 1), dtype=np.uint8),
        "labels": np.arange(40) % 3,
        "files": (*(f"a/b {n}" for n in range(39)), "z\udce9\n'\"直"),
        "feature_gaussians": reference.fit_gaussians(
            normalized(rng.normal(size=(200, 6))), np.arange(200) % 3, classes=3
        ),
        "appearance_gaussians": reference.fit_gaussians(
            rng.random((200, 3), np.float32), np.arange(200) % 3, classes=3
        ),
        "label_scores": np.sort(rng.random(20).astype(np.float32)),
        "distances": np.sort(rng.random(20).astype(np.float32)),
    }
    return TrainingReference(**(values | changes))


@given(SCORES, COVERAGE)
def test_the_prediction_set_covers_the_promised_share_of_the_calibration_images(scores, coverage):
    least = minimum_probability(scores, coverage)
    covered = np.mean(1 - scores.astype(np.float64) >= least)
    assert covered >= min(1, math.ceil((len(scores) + 1) * coverage) / len(scores))


def test_coverage_holds_on_new_images_and_is_not_wasteful():
    rng = np.random.default_rng(0)
    hits = [
        np.mean(1 - rng.random(2000) >= minimum_probability(np.sort(rng.random(99)).astype(np.float32), 0.9))
        for _ in range(300)
    ]
    assert np.mean(hits) == pytest.approx(0.9, abs=0.006)  # ⌈100 · 0.9⌉ / 100, deviation 0.03 / √300


def test_too_few_calibration_images_leave_no_class_out():
    assert minimum_probability(np.float32([0.1] * 8), 0.9) == 0
    assert minimum_probability(np.float32([0.1] * 9), 0.9) == pytest.approx(0.9)
    assert minimum_probability(np.empty(0, np.float32), 0.5) == 0
    assert prediction_sets(np.float32([[0.2, 0.8]]), 0.0).all()


def test_the_best_class_is_always_in_the_set():
    sets = prediction_sets(np.float32([[0.2, 0.3, 0.5], [0.6, 0.4, 0]]), 0.55)
    assert sets.tolist() == [[False, False, True], [True, False, False]]


@given(SCORES, st.floats(0, 1, width=32))
def test_p_values_are_their_definition(scores, new):
    (found,) = p_values(np.float32([new]), scores)
    assert found == pytest.approx(float(Fraction(int((scores >= np.float32(new)).sum()) + 1, len(scores) + 1)))


@pytest.mark.parametrize("size", [6, 300])
def test_distances_are_those_of_scipy_with_the_inverse_covariance(size):
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 3
    features = normalized(rng.normal(size=(400, size)) * np.geomspace(3, 0.1, size) + 2 * np.eye(3, size)[labels])
    new = normalized(rng.normal(size=(9, size)))
    spread = reference.fit_gaussians(features, labels, classes=3)
    means = np.stack([features[labels == k].mean(axis=0) for k in range(3)]).astype(np.float64)
    covariance = np.cov((features - means[labels]).T, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    values[: -reference.DIRECTIONS or None] = values[: max(0, size - reference.DIRECTIONS)].mean() if size > 128 else 0
    if size <= reference.DIRECTIONS:
        values = np.linalg.eigvalsh(covariance)
    inverse = (vectors / (values + reference.RIDGE * np.trace(covariance) + np.finfo(np.float32).eps)) @ vectors.T
    expected = [min(mahalanobis(row, mean, inverse) for mean in means) for row in new]
    np.testing.assert_allclose(spread.distances(new), expected, rtol=2e-3)
    assert spread.distances(new[:0]).shape == (0,)


def test_the_nearest_are_those_of_scikit_learn():
    known, new = example().features, normalized(np.random.default_rng(1).normal(size=(9, 6)))
    rows = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(known.astype(np.float64)).kneighbors(new)[1]
    np.testing.assert_array_equal(example().nearest(new, count=3), rows)
    assert example().nearest(new, count=99).shape == (9, 40)


def test_what_is_all_the_same_or_dark_has_a_distance():
    dark = normalized(np.zeros((1, 6)))
    assert np.isfinite(example().feature_gaussians.distances(dark)).all()
    same = reference.fit_gaussians(normalized(np.ones((4, 6))), np.zeros(4, np.int64), classes=1)
    assert same.distances(dark) > 1000
    assert same.distances(normalized(np.ones((1, 6)))) < 1


def test_without_calibration_images_nothing_is_judged():
    none = example(distances=np.empty(0, np.float32))
    new, images = normalized(np.ones((2, 6))), np.zeros((2, 3, 4, 1), np.uint8)
    assert none.p_values(new, images) is None
    assert example().p_values(new, images).shape == (2,)


def test_appearance_by_hand():
    stripes = np.tile(np.uint8([[0, 100]]), (1, 4, 2, 1)).reshape(1, 4, 4, 1)
    level, contrast, detail = reference.appearance(stripes)[0]
    assert level == pytest.approx(50 / 255)
    assert contrast == pytest.approx(np.log1p(50))
    assert detail == pytest.approx(np.log1p(4 * 3 * 100 / 16))
    assert reference.appearance(np.zeros((0, 4, 4, 3), np.uint8)).shape == (0, 5)


def test_appearance_is_that_of_means_over_floats_whatever_is_computed_at_once():
    images = np.random.default_rng(5).integers(0, 256, (9, 200, 210, 3), dtype=np.uint8)
    grey = images.mean(axis=3, dtype=np.float32)
    steps = sum(np.abs(np.diff(grey, axis=axis)).sum(axis=(1, 2)) for axis in (1, 2)) / (200 * 210)
    columns = [images.mean(axis=(1, 2)) / 255, np.log1p(grey.std(axis=(1, 2))), np.log1p(steps)]
    np.testing.assert_array_equal(reference.appearance(images), np.column_stack(columns).astype(np.float32))


def test_squared_distances_of_features_and_appearance_add_up():
    known, rng = example(), np.random.default_rng(3)
    features, images = normalized(rng.normal(size=(5, 6))), rng.integers(0, 256, (5, 3, 4, 1), dtype=np.uint8)
    found = reference.distances(features, images, known.feature_gaussians, known.appearance_gaussians)
    apart = (
        known.feature_gaussians.distances(features),
        known.appearance_gaussians.distances(reference.appearance(images)),
    )
    np.testing.assert_allclose(found**2, apart[0] ** 2 + apart[1] ** 2, rtol=1e-5)


def test_the_file_keeps_everything_and_executes_nothing(tmp_path):
    known = example()
    read = TrainingReference.from_bytes(known.to_bytes())
    assert read.files == known.files
    for name in ("features", "pixels", "labels", "label_scores", "distances"):
        np.testing.assert_array_equal(getattr(read, name), getattr(known, name))
    for name in reference.ClassGaussians.__slots__:
        np.testing.assert_array_equal(getattr(read.feature_gaussians, name), getattr(known.feature_gaussians, name))
        np.testing.assert_array_equal(
            getattr(read.appearance_gaussians, name), getattr(known.appearance_gaussians, name)
        )
    empty = example(labels=np.arange(0), files=(), features=known.features[:0], pixels=known.pixels[:0])
    assert TrainingReference.from_bytes(empty.to_bytes()).files == ()

    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    np.savez(tmp_path / "bomb.npz", files=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        TrainingReference.from_bytes((tmp_path / "bomb.npz").read_bytes())
    with pytest.raises(zipfile.BadZipFile):
        TrainingReference.from_bytes(pickle.dumps(Bomb()))
    assert not (tmp_path / "executed").exists()
