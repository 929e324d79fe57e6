import numpy as np
import pytest

from cnnexp.config import (
    CosineScheduleConfig,
    ExponentialScheduleConfig,
    LinearScheduleConfig,
    OneCycleScheduleConfig,
    PlateauScheduleConfig,
    ScheduleConfig,
    StepScheduleConfig,
    WarmupCosineScheduleConfig,
)
from cnnexp.training import Plateau, learning_rates

CONSTANT = ScheduleConfig(name="constant")


def flat(schedule, *, epochs, steps):
    values = learning_rates(schedule, learning_rate=0.1, epochs=epochs, steps_per_epoch=steps)
    assert values.shape == (epochs, steps)
    assert values.dtype == np.float64
    return values.ravel()


def test_constant_never_moves():
    np.testing.assert_allclose(flat(CONSTANT, epochs=3, steps=4), 0.1)


def test_step_falls_at_the_epoch_not_before():
    values = flat(StepScheduleConfig(name="step", every=2, factor=0.5), epochs=5, steps=2)
    np.testing.assert_allclose(values, np.array([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]) * 0.1, rtol=1e-6)


def test_exponential_loses_its_factor_over_each_epoch():
    values = flat(ExponentialScheduleConfig(name="exponential", factor=0.81), epochs=2, steps=2)
    np.testing.assert_allclose(values, np.array([1, 0.9, 0.81, 0.729]) * 0.1, rtol=1e-6)


def test_linear_falls_by_the_same_step_to_its_final_share():
    values = flat(LinearScheduleConfig(name="linear", final=0.2), epochs=5, steps=1)
    np.testing.assert_allclose(values, [0.1, 0.08, 0.06, 0.04, 0.02], rtol=1e-6)


def test_cosine_begins_at_the_full_learning_rate_and_ends_at_its_final_share():
    values = flat(CosineScheduleConfig(name="cosine", final=0.1), epochs=3, steps=1)
    np.testing.assert_allclose(values, [0.1, 0.055, 0.01], rtol=1e-6)


def test_warmup_rises_linearly_to_the_full_learning_rate_then_falls():
    schedule = WarmupCosineScheduleConfig(name="warmup_cosine", final=0.0, warmup_epochs=2)
    values = flat(schedule, epochs=6, steps=2)
    np.testing.assert_allclose(values[:4], np.array([0.25, 0.5, 0.75, 1.0]) * 0.1, rtol=1e-6)
    assert values[4] == pytest.approx(0.1)
    assert (np.diff(values[4:]) < 0).all()


def test_one_cycle_peaks_once():
    schedule = OneCycleScheduleConfig(name="one_cycle", rise=0.3, start=0.04, final=0.001)
    values = flat(schedule, epochs=10, steps=10)
    peak = int(values.argmax())
    assert peak in (29, 30)
    assert values[0] == pytest.approx(0.004)
    assert values[-1] == pytest.approx(0.0001, rel=1e-3)
    assert (np.diff(values[: peak + 1]) > 0).all()
    assert (np.diff(values[peak:]) < 0).all()


def test_a_single_step_is_possible_under_every_schedule():
    for schedule in (CONSTANT, CosineScheduleConfig(name="cosine", final=0.0)):
        assert flat(schedule, epochs=1, steps=1) == pytest.approx([0.1])


def test_plateau_waits_lowers_and_stops_at_its_minimum():
    plateau = Plateau(PlateauScheduleConfig(name="plateau", factor=0.1, patience=2, minimum=5e-4), learning_rate=0.1)
    factors = []
    for improved in (True, False, False, False, True, False, False, False, False, False):
        plateau.step(improved=improved)
        factors.append(plateau.factor)
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.005, 0.005])


def test_plateau_never_raises_a_learning_rate_that_is_below_its_minimum():
    plateau = Plateau(PlateauScheduleConfig(name="plateau", factor=0.5, patience=1, minimum=1.0), learning_rate=0.1)
    plateau.step(improved=False)
    assert plateau.factor == 1.0
