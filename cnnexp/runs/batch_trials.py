"""How many images fit into memory at a time: tried in a process of its own, which may die of it.

Where memory runs out, TensorFlow raises an error, a library aborts or crashes the process, or the kernel kills it.
Whichever it is, the sizes that the process reported before are those that fit.
"""

import dataclasses
import pickle
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from cnnexp.config import AUTO, ExperimentConfig
from cnnexp.system import own_process

NO_SHORTAGE = 3  # exit code: it could not be tried, for another reason than memory
_PATIENCE = 1800.0  # seconds; a machine that swaps for so long has no memory for this
_ANY_RATE = 1e-6  # trained weights are thrown away


def divisors(images: int) -> list[int]:
    """Return the sizes of which a whole number makes `images`, ascending: with them a step has as many as before."""
    return [size for size in range(1, images + 1) if images % size == 0]


def largest_that_fits(config: ExperimentConfig, sizes: Sequence[int]) -> int | None:
    """Return the largest of `sizes` (images, ascending) whose gradient fits into memory at a time in this training.

    They are tried until one does not. 0: not even the first; None: it cannot be tried.
    """
    process = subprocess.Popen(
        own_process.command_of("cnnexp.runs.batch_trial"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=own_process.variables(),
        start_new_session=True,  # Ctrl-C is meant for this process; the other one ends with it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(pickle.dumps((_tried(config), list(sizes))))
        process.stdin.flush()
        process.wait(_PATIENCE)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        pass
    finally:
        process.kill()
        reported = process.stdout.read().split()
        code = process.wait()
        process.stdout.close()
        with suppress(BrokenPipeError):  # it ended before it had read everything
            process.stdin.close()
    if code == NO_SHORTAGE:
        return None
    return max(map(int, reported), default=0)


def _tried(config: ExperimentConfig) -> ExperimentConfig:
    """Return the configuration of the training that is tried: nothing in it remains to be found."""
    training, optimizer, data = config.training, config.optimizer, config.data
    if training.accumulate == AUTO:
        training = dataclasses.replace(training, accumulate=1)
    if training.strategy == "multi_worker":  # whose machines have the parts of a batch that this one has
        training = dataclasses.replace(training, strategy="none")
    if optimizer.learning_rate == AUTO:
        optimizer = dataclasses.replace(optimizer, learning_rate=_ANY_RATE)
    if data.has_folds and data.fold is None:
        data = dataclasses.replace(data, fold=1, final="refit")
    return dataclasses.replace(config, training=training, optimizer=optimizer, data=data)
