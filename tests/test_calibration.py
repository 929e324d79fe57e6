import numpy as np
import pytest
from scipy.special import softmax

from cnnexp.errors import DataError, ModelError
from cnnexp.evaluation import ece_of_a_calibrated_model, expected_calibration_error, fit_temperature
from cnnexp.evaluation.calibration import BINS, TEMPERATURE_BOUNDS, confidence_bins


def calibrated(*, images, classes=10, seed=0, sharpest=8.0):
    """A model that is right exactly as often as it claims, with its labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), rng.integers(0, classes, images)] += rng.uniform(0, sharpest, images)
    probabilities = softmax(logits, axis=1)
    labels = (probabilities.cumsum(axis=1) > rng.random((images, 1))).argmax(axis=1)
    return probabilities.astype(np.float32), labels


def tempered(probabilities, temperature):
    """What a model says whose logits are divided by a temperature."""
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return softmax(logits / np.float32(temperature), axis=1)


def log_loss(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64)).mean()


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_a_calibrated_model_is_found_again(factor):
    probabilities, labels = calibrated(images=4_000)
    spoiled = tempered(probabilities, 1 / factor)  # factor 3: three times too sure

    found = fit_temperature(probabilities=spoiled, labels=labels)

    assert found == pytest.approx(factor, rel=0.05)
    repaired = tempered(spoiled, found)
    assert log_loss(repaired, labels) == pytest.approx(log_loss(probabilities, labels), abs=1e-3)


def test_three_images_by_hand():
    # With odds of 4 at temperature T, two right of three: 4**(1/T) = 2 maximizes the likelihood, so T = 2.
    probabilities = np.tile(np.array([0.8, 0.2], np.float32), (30_000, 1))
    labels = np.repeat([0, 0, 1], 10_000)

    found = fit_temperature(probabilities=probabilities, labels=labels)

    assert found == pytest.approx(2, rel=5e-3)  # 30,000 images leave the prior this much


def test_when_all_are_right_the_few_mistakes_to_come_stay_possible():
    probabilities = np.tile(np.array([0.97, 0.02, 0.01], np.float32), (120, 1))

    found = fit_temperature(probabilities=probabilities, labels=np.zeros(120, int))

    assert 0.4 < found < 1  # the likelihood alone would run into the bound, 0.05
    assert tempered(probabilities, found)[0, 1] > 1e-4


def test_when_all_are_wrong_the_answer_is_bounded_too():
    probabilities = np.tile(np.array([1.0, 0.0], np.float32), (500, 1))

    found = fit_temperature(probabilities=probabilities, labels=np.ones(500, int))

    assert TEMPERATURE_BOUNDS[0] <= found <= TEMPERATURE_BOUNDS[1]
    assert np.isfinite(tempered(probabilities, found)).all()


def test_fitting_needs_labelled_probabilities():
    with pytest.raises(DataError, match="at least one image"):
        fit_temperature(probabilities=np.empty((0, 2), np.float32), labels=np.empty(0, int))
    with pytest.raises(ModelError, match="finite"):
        fit_temperature(probabilities=np.array([[np.nan, 1]], np.float32), labels=np.zeros(1, int))


def test_bins_hold_their_upper_edge():
    edges = (np.arange(1, BINS + 1) / BINS).astype(np.float32)

    assert confidence_bins(edges).tolist() == list(range(BINS))
    assert confidence_bins(edges[:-1] + np.float32(1e-4)).tolist() == list(range(1, BINS))


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], np.float32)

    # one bin claims 0.9 and has 2 of 3, the other claims 0.6 and has 0 of 1
    found = expected_calibration_error(probabilities=probabilities, labels=np.array([0, 0, 1, 1]))

    assert found == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.6)


def test_a_calibrated_model_lies_within_its_own_noise_and_an_over_confident_one_does_not():
    ranks, sure = [], []
    for seed in range(60):
        probabilities, labels = calibrated(images=200, seed=seed)
        for model, into in ((probabilities, ranks), (tempered(probabilities, 0.4), sure)):
            observed = expected_calibration_error(probabilities=model, labels=labels)
            into.append((ece_of_a_calibrated_model(confidences=model.max(axis=1), seed=seed) < observed).mean())

    assert np.mean(ranks) == pytest.approx(0.5, abs=0.15)  # four standard errors of a uniform rank
    assert np.mean(np.array(ranks) > 0.95) <= 0.15
    assert np.mean(np.array(sure) > 0.99) == 1


def test_the_simulation_is_a_function_of_its_seed():
    confidences = np.linspace(0.3, 1, 50, dtype=np.float32)
    first, again, other = (ece_of_a_calibrated_model(confidences=confidences, seed=seed) for seed in (1, 1, 2))

    assert len(first) == 1_000
    assert (first == again).all()
    assert (first != other).any()
