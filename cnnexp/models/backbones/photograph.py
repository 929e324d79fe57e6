"""The photograph by which weights are proven."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def middle_of(name: str, *, side: int) -> NDArray[np.uint8]:
    """Return the middle of one of scikit-learn's pictures (side, side, 3): china.jpg, a palace, or flower.jpg."""
    from sklearn.datasets import load_sample_image  # imports what only this needs

    whole = Image.fromarray(load_sample_image(name))
    width, height = whole.size
    left = (width - height) // 2
    middle = whole.crop((left, 0, left + height, height)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(middle)
