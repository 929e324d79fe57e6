"""Random changes of training images: drawn for a batch, then made; NumPy and Pillow alone, no TensorFlow.

What is drawn is a function of (seed, epoch, batch), and each kind of change draws from numbers of its own, so switching
one on leaves the others as they were. All geometric changes of an image become one map and one resampling, all changes
of its colours one matrix. `benchmarks/augmentation.py` measures what each costs.
"""

from cnnexp.augmentation.batch import augment_batch, augment_one
from cnnexp.augmentation.geometry import draw_maps
from cnnexp.augmentation.streams import Batch

__all__ = ["Batch", "augment_batch", "augment_one", "draw_maps"]
