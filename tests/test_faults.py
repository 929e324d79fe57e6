import numpy as np
import pytest

from cnnexp.errors import ConfigError
from cnnexp.images import ImageSpec
from cnnexp.records import Scaling
from cnnexp.saved.faults import NAMES, Fault

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
SPEC = ImageSpec(8, 8, color="rgb", resize="stretch", kernel="bilinear", antialias=True, background=0)
UNIT = Scaling("unit", (1 / 255,) * 3, (0.0,) * 3)


def test_pixels_by_hand():
    pair = np.array([[10, 20, 30], [40, 50, 60]], np.uint8).reshape(1, 1, 2, 3)
    assert Fault("swapped").pixels(pair).ravel().tolist() == [30, 20, 10, 60, 50, 40]
    assert Fault("inverted").pixels(pair).ravel().tolist() == [245, 235, 225, 215, 205, 195]
    square = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)
    assert Fault("turned").pixels(square).ravel().tolist() == [2, 4, 1, 3]
    white = np.full((1, 8, 8, 1), 255, np.uint8)
    assert Fault("squeezed").pixels(white)[0, :, 0, 0].tolist() == [0, *[255] * 6, 0]


def test_scaling_by_hand():
    standard = Scaling("standardize", (0.5,), (-1.0,))
    assert Fault("scaled_twice").scaling(standard) == Scaling("standardize", (0.25,), (-1.5,))  # 0.5 (0.5 x - 1) - 1
    assert Fault("unscaled").scaling(standard) == Scaling("standardize", (1.0,), (0.0,))


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_is_one_step_and_no_other(name):
    fault = Fault.parse(name)
    answers = np.array([[0.7, 0.2, 0.1]], np.float32)
    changed = [
        not np.array_equal(fault.pixels(IMAGES), IMAGES),
        fault.scaling(UNIT) != UNIT,
        fault.reading(SPEC) != SPEC,
        not np.array_equal(fault.answers(answers), answers),
    ]
    assert sum(changed) == 1
    assert fault.pixels(IMAGES).shape == IMAGES.shape


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"fault must be one of none, scaled_twice, .* got 'upside_down'"):
        Fault.parse("upside_down")
    with pytest.raises(ConfigError, match="needs colour images"):
        Fault("swapped").pixels(IMAGES[..., :1])
    with pytest.raises(ConfigError, match="needs square images"):
        Fault("turned").pixels(IMAGES[:, :4])
