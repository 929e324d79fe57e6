"""``training.accumulate=auto``: a step's images are divided into as few parts as memory needs, found by trying.

From then on the run is as if a hand had set these parts. They all have as many images, so that a step has as many as
were asked for, and the numbers are those of the whole batch up to rounding, see `training.accumulation`.
"""

import dataclasses
from collections.abc import Callable

from cnnexp.config import AUTO, ExperimentConfig
from cnnexp.errors import MemoryShortageError
from cnnexp.records import FoundAccumulation
from cnnexp.runs.batch_trials import divisors, largest_that_fits
from cnnexp.training import Checkpoint, SavedState

_STAGE = "accumulation"  # its name in the checkpoint


def find_accumulation(
    config: ExperimentConfig, checkpoint: Checkpoint, on_progress: Callable[[str, int, int], None]
) -> FoundAccumulation | None:
    """Find the parts; None: they are set. The checkpoint keeps them, because the numbers of its states are of them.

    Raises:
        MemoryShortageError: there is no memory for a single image at a time.

    """
    if config.training.accumulate != AUTO:
        return None
    if (saved := checkpoint.load(_STAGE)) is not None:
        return FoundAccumulation(**saved.numbers)
    checkpoint.restart()
    on_progress("trying what fits into memory", 0, 1)
    found = _find(config)
    on_progress("trying what fits into memory", 1, 1)
    checkpoint.save(_STAGE, lambda: SavedState(dataclasses.asdict(found), []))
    return found


def _find(config: ExperimentConfig) -> FoundAccumulation:
    images = config.training.images_per_step
    whole = FoundAccumulation(images, 1, None)
    if config.training.freeze == "backbone" or largest_that_fits(config, [images]) in (images, None):
        return whole  # a head alone takes next to nothing
    *smaller, _ = sizes = divisors(images)
    fitting = largest_that_fits(config, smaller) if smaller else 0
    if fitting is None:
        return whole
    if fitting == 0:
        raise MemoryShortageError(
            f"There must be memory for the gradient of one image at a time; there is not, with data.size as it is and "
            f"model={config.model.name}. Try smaller images, a smaller network, or a machine with more memory."
        )
    return FoundAccumulation(fitting, images // fitting, sizes[sizes.index(fitting) + 1])


def with_accumulation(config: ExperimentConfig, found: FoundAccumulation | None) -> ExperimentConfig:
    """Return the configuration with the parts that were found."""
    if found is None:
        return config
    training = dataclasses.replace(config.training, batch_size=found.batch_size, accumulate=found.accumulate)
    return dataclasses.replace(config, training=training)


def accumulation_notes(found: FoundAccumulation | None) -> tuple[str, ...]:
    """Return what is to be said of parts that were found."""
    if found is None or found.too_large is None:
        return ()
    images = found.batch_size * found.accumulate
    return (
        f"A step of {images} images is made in {found.accumulate} parts of {found.batch_size}, which fit into memory; "
        f"{found.too_large} at a time do not. Both was tried.",
    )
