"""Larger training images for a run that crops from them."""

from collections.abc import Callable
from functools import partial

from cnnexp.config import DataConfig, ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.datasets.larger_images import about_larger, with_larger


def with_images_to_crop(
    splits: Splits, config: ExperimentConfig, data: DataConfig, *, on_progress: Callable[[str, int, int], None]
) -> Splits:
    """Return the splits, with larger training images where `augmentation.crop_from` wants them.

    What they take on disk is part of the stage that `on_progress` is called with. All other images, and the size of
    the network's, stay as they are.

    Raises:
        DataError: the cache folder is full.

    """
    factor = config.augmentation.crop_from
    if factor == 1 or config.training.freeze == "backbone":  # then none are cropped
        return splits
    return with_larger(splits, data, factor=factor, on_progress=partial(on_progress, about_larger(splits, factor)))
