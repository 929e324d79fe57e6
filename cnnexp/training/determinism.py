"""TensorFlow as a run needs it: threads, determinism and seeds, fixed before anything is computed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from cnnexp.errors import ConfigError
from cnnexp.system.devices import Device

_PROCESSOR = Device()
_deterministic: list[bool] = []  # whether operations of this process are, once that is fixed


def configure_tensorflow(*, threads: int, seed: int, device: Device = _PROCESSOR, deterministic: bool = True) -> None:
    """Fix threads, device, determinism and every random seed; call before anything else of TensorFlow runs.

    Raises:
        ConfigError: if TensorFlow already runs in this process with another number of threads, or on another device.

    """
    _make_visible(device)
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
    _fix_determinism(deterministic)
    random.seed(seed)  # where Keras takes the seeds of initial weights and of dropout from
    np.random.seed(seed)


def _make_visible(device: Device) -> None:
    """Have TensorFlow place operations on the GPUs of a device alone; it takes memory there as it needs it."""
    found = tf.config.list_physical_devices("GPU")
    made_up = [gpu for gpu in device.gpus if gpu.made_up]
    wanted = [found[gpu.index] for gpu in device.gpus if not gpu.made_up]
    try:
        if len(made_up) > 1:
            _divide_processor(len(made_up))
        if tf.config.get_visible_devices("GPU") != wanted:
            tf.config.set_visible_devices(wanted, "GPU")
    except RuntimeError as error:
        raise ConfigError(
            f"TensorFlow fixes its devices at the start of a process: this one does not compute on {device.name}, as "
            "the run asks. Start it in a process of its own."
        ) from error


def _divide_processor(count: int) -> None:
    """Have TensorFlow take the processor for so many devices, which stand in for GPUs that are made up."""
    (processor,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    if len(tf.config.get_logical_device_configuration(processor) or ()) != count:
        tf.config.set_logical_device_configuration(processor, parts)


def device_names(device: Device) -> list[str]:
    """Return how TensorFlow calls the GPUs of a device that has several; none for one, or for the processor."""
    kind = "CPU" if any(gpu.made_up for gpu in device.gpus) else "GPU"
    return [f"{kind}:{number}" for number in range(len(device.gpus))] if len(device.gpus) > 1 else []


def _fix_determinism(deterministic: bool) -> None:
    """Fix whether operations are deterministic, once per process.

    TensorFlow's own seed must be set, although nothing here draws from it. Setting it again for every run would discard
    all compiled graphs, and tracing them again takes as long as the first time.

    Raises:
        ConfigError: an earlier run of this process has fixed it otherwise.

    """
    if not _deterministic:
        tf.random.set_seed(0)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        _deterministic.append(deterministic)
    if _deterministic != [deterministic]:
        raise ConfigError(
            "Whether TensorFlow is deterministic is fixed at the start of a process; a run with "
            f"training.deterministic={str(deterministic).lower()} needs a process of its own here."
        )


def has_no_deterministic_form(error: Exception) -> bool:
    """Return whether TensorFlow refuses an operation because its device computes it in no fixed order."""
    return isinstance(error, tf.errors.UnimplementedError) and "determinis" in str(error).lower()


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Have GPUs multiply float32 in TF32 within the block where `precision` is ``tf32``; otherwise in all bits."""
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(False)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Leave the random numbers that Keras takes seeds from as if nothing had been drawn in the block."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
