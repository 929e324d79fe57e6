"""The arrays that travel between modules, and the splits that they belong to."""

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # (N, H, W, C), C = 1 or 3, at the model's input size
Labels = NDArray[np.int64]  # (N,), index into the class names
Probabilities = NDArray[np.float32]  # (N, K), rows sum to 1

SPLIT_NAMES = ("train", "validation", "calibration", "test")
# Columns of recorded predictions that say what an image looks like, or where it belongs.
IMAGE_PROPERTIES = ("brightness", "contrast", "sharpness", "width", "height", "group", "cluster")
