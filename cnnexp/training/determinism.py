"""TensorFlow as a run needs it: threads, determinism and seeds, fixed before anything is computed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import tensorflow as tf

from cnnexp.errors import ConfigError


def configure_tensorflow(*, threads: int, seed: int) -> None:
    """Fix threads, determinism and every random seed; call before anything else of TensorFlow runs.

    Raises:
        ConfigError: if TensorFlow already runs in this process with another number of threads.

    """
    current = tf.config.threading.get_intra_op_parallelism_threads()
    if current != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise ConfigError(
                f"TensorFlow fixes its threads at the start of a process: this one runs on {current or 'all'}, the run "
                f"asks for training.threads={threads}. Start it in a process of its own."
            ) from error
    _make_deterministic()
    random.seed(seed)  # where Keras takes the seeds of initial weights and of dropout from
    np.random.seed(seed)


@cache
def _make_deterministic() -> None:
    """Fix what is fixed once per process: TensorFlow's own seed must be set, although nothing here draws from it.

    Setting it again for every run would discard all compiled graphs, and tracing them again takes as long as the first
    time.
    """
    tf.random.set_seed(0)
    tf.config.experimental.enable_op_determinism()


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Leave the random numbers that Keras takes seeds from as if nothing had been drawn in the block."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
