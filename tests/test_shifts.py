import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.errors import ConfigError
from cnnexp.saved import shifts
from cnnexp.saved.shifts import Shift

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), dtype=np.uint8)


def shifted(name, amount, images=IMAGES, seed=0):
    return shifts.apply(Shift.parse(name, amount), images, seed=seed)


@pytest.mark.parametrize(
    ("name", "amount"),
    [("brightness", "0"), ("contrast", "1"), ("gain_offset", "1,0"), ("gamma", "1"), ("noise", "0"), ("blur", "0")],
)
def test_the_neutral_amount_changes_nothing(name, amount):
    np.testing.assert_array_equal(shifted(name, amount), IMAGES)


def test_values_by_hand():
    ramp = np.array([0, 100, 200, 255], np.uint8).reshape(1, 2, 2, 1)
    assert shifted("brightness", "0.1", ramp).ravel().tolist() == [26, 126, 226, 255]  # 25.5 and 125.5 to even
    assert shifted("contrast", "0.5", ramp).ravel().tolist() == [69, 119, 169, 197]  # mean 138.75
    assert shifted("contrast", "0", ramp).ravel().tolist() == [139] * 4
    assert shifted("gain_offset", "1.2,-0.1", ramp).ravel().tolist() == [0, 94, 214, 255]
    assert shifted("gamma", "2", ramp).ravel().tolist() == [0, 39, 157, 255]


def test_noise_has_its_deviation_and_its_seed():
    grey = np.full((20, 40, 40, 1), 128, np.uint8)
    noisy = shifted("noise", "0.1", grey)
    assert np.std(noisy.astype(float)) == pytest.approx(25.5, rel=0.02)
    np.testing.assert_array_equal(noisy, shifted("noise", "0.1", grey))
    assert not np.array_equal(noisy, shifted("noise", "0.1", grey, seed=1))


def test_blur_keeps_the_mean_and_spreads_a_point_as_wide_as_it_says():
    point = np.zeros((1, 41, 41, 1), np.uint8)
    point[0, 17:24, 17:24] = 255
    blurred = shifted("blur", "3", point)[0, ..., 0].astype(float)
    assert blurred.sum() == pytest.approx(point.sum(), rel=0.05)
    variance = (blurred.sum(axis=0) * (np.arange(41) - 20) ** 2).sum() / blurred.sum()
    assert variance == pytest.approx(9 + 4, rel=0.1)  # that of the square is (7² - 1) / 12


@given(st.sampled_from([n for n in shifts.NAMES if n != "gain_offset"]), st.floats(0.01, 1))
def test_shape_and_type_stay(name, amount):
    for images in (IMAGES, IMAGES[..., :1]):
        result = shifted(name, str(amount), images)
        assert (result.shape, result.dtype) == (images.shape, np.uint8)


@pytest.mark.parametrize(
    ("name", "amount", "message"),
    [
        ("fog", "1", "shift must be one of brightness, contrast,"),
        ("blur", "a lot", "shift.amount of shift=blur must be a number"),
        ("blur", "-1", "one from 0 to inf; got '-1'"),
        ("gamma", "0", "one from 0.01 to 100"),
        ("noise", "inf", "got 'inf'"),
        ("noise", "nan", "got 'nan'"),
        ("gain_offset", "1.2", "one from 0 to inf and one from -1 to 1"),
        ("brightness", "0.1,0.2", "got '0.1,0.2'"),
    ],
)
def test_wrong_amounts_are_refused(name, amount, message):
    with pytest.raises(ConfigError, match="shift") as refused:
        Shift.parse(name, amount)
    assert message in str(refused.value)


def test_a_shift_is_written_as_it_is_read():
    assert str(Shift.parse("gain_offset", "[1.2,-0.1]")) == "gain_offset 1.2,-0.1"
