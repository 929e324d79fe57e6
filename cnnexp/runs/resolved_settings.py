"""Resolved settings: what ``auto`` and settings that depend on the data come to; without Keras.

The numbers of a run depend on device, threads and precision, so `auto` follows from shapes, processor flags and devices
only, never from a timing or from how busy the machine is: the same run gives the same numbers, alone or in a sweep. A
sweep resolves them by the same functions, because they are part of the run hash.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnexp.config import (
    AUTO,
    AugmentationConfig,
    DataConfig,
    ExperimentConfig,
    Extended,
    OptimizerConfig,
    ZooModelConfig,
)
from cnnexp.errors import ConfigError
from cnnexp.records import NO_AUGMENTATION, Augmentation, PretrainedNetwork, Scaling
from cnnexp.runs.environment import environment
from cnnexp.system import ray_cluster, resources
from cnnexp.system.devices import Device
from cnnexp.system.find_devices import devices

if TYPE_CHECKING:
    from cnnexp.datasets import Split, Splits
    from cnnexp.images import ImageSpec
    from cnnexp.portable.card import ChannelStatistics


# Values in the largest feature map of one step: batch × height × width × filters. Below this, an operation is so short
# that waking a second thread costs more than it saves, and so does converting to bfloat16 and back.
SMALL_WORK = 2**19

_USUAL_FILTERS = 32

_CHUNK_PIXELS = 2**18  # of which statistics are computed at once: they stay in the cache of a processor

# Training images whose features one core computes in a minute or two, once. Training a head on them uses one core, so
# that a sweep of heads trains as many at a time as there are cores.
FEW_FEATURES = 2_000

# Instruction sets with native bfloat16 multiply-add; without one it is emulated and slower than float32.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")

BFLOAT16_CAPABILITY = (8, 0)  # CUDA's compute capability from which a GPU has it natively (Ampere); TF32, too

GPU_THREADS = 1  # of the processor beside a GPU: it starts operations; images are gathered in a thread of their own

_PROCESSOR = Device()


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedSettings:
    """The settings of a run as resolved for its data and this machine."""

    threads: int
    precision: str  # float32 | tf32 | bfloat16
    learning_rate: float  # after batch scaling, before the schedule; NaN: it is not found yet
    steps_per_epoch: int
    augmentation: Augmentation
    statistics: "ChannelStatistics"  # of the training images
    scaling: Scaling
    device: Device = _PROCESSOR
    deterministic: bool = True

    @property
    def environment(self) -> dict[str, Any]:
        """What the run is computed with, in full."""
        return environment(
            threads=self.threads, precision=self.precision, device=self.device, deterministic=self.deterministic
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of it: why a GPU that stands here is not used."""
        return () if self.device.note is None else (self.device.note,)


def resolve(
    config: ExperimentConfig, splits: "Splits", *, pretrained: PretrainedNetwork | None = None
) -> ResolvedSettings:
    """Resolve ``auto``, and what depends on the training split; `pretrained` is the network that a run starts from."""
    height, width, _ = splits.spec.shape
    images_per_step, images = config.training.images_per_step, len(splits.train)
    mirrored = config.training.strategy == "mirrored"
    device, cores = Device.choose(config.training.device, devices(), mirrored=mirrored), resources.cores()
    if config.training.strategy == "multi_worker":
        ray_cluster.join(config.training.cluster, of=ray_cluster.RUN)
        nodes = ray_cluster.require_others(device.kind)
        device = dataclasses.replace(device, machines=1 + len(nodes))
        cores = min(cores, *(node.cores for node in nodes))
    threads, precision = resolve_execution(
        config, images=images, height=height, width=width, cores=cores, pretrained=pretrained, device=device
    )
    statistics = channel_statistics(splits.train)
    return ResolvedSettings(
        threads=threads,
        precision=precision,
        learning_rate=scaled_learning_rate(config.optimizer, batch_size=images_per_step),
        steps_per_epoch=math.ceil(images / images_per_step),
        augmentation=augmentation_of(config, splits.spec),
        statistics=statistics,
        scaling=fit_scaling(config.data.scaling, statistics) if pretrained is None else pretrained.scaling,
        device=device,
        deterministic=config.training.deterministic,
    )


def resolve_execution(
    config: ExperimentConfig,
    *,
    images: int,
    height: int,
    width: int,
    cores: int,
    pretrained: PretrainedNetwork | None = None,
    device: Device = _PROCESSOR,
) -> tuple[int, str]:
    """Return the threads and the precision, ``float32``, ``tf32`` or ``bfloat16``, that a run computes with.

    Args:
        config: Both may be ``auto``, which goes by the size of the largest feature map of one step.
        images: The number of training images.
        height: Of the images as the network takes them, in pixels.
        width: The same.
        cores: The number of cores that one run may use.
        pretrained: The network that the run starts from, if any.
        device: What the run computes on.

    Raises:
        ConfigError: the device does not have the precision.

    """
    work = int(min(config.training.batch_size, images) * height * width * _values_per_pixel(config, pretrained))
    if config.training.freeze == "backbone":  # the head is trained on features, which are always float32
        few = images <= FEW_FEATURES
        return _resolve_threads(config.training.threads, device, work=0 if few else work, cores=cores), "float32"
    threads = _resolve_threads(config.training.threads, device, work=work, cores=cores)
    return threads, resolve_precision(config.training.precision, work=work, device=device)


def _resolve_threads(threads: int | str, device: Device, *, work: int, cores: int) -> int:
    return resolve_threads(threads, work=work, cores=GPU_THREADS if device.gpus else cores)


def _values_per_pixel(config: ExperimentConfig, pretrained: PretrainedNetwork | None) -> float:
    """Return the values of the network's largest feature map, by pixels of the image."""
    if pretrained is not None:
        return pretrained.values_per_pixel
    # Filters of the first block, which shrinks no image; of a network that does not say, as the reference network has.
    return config.model.width if isinstance(config.model, ZooModelConfig) else _USUAL_FILTERS


def resolve_threads(threads: int | str, *, work: int, cores: int) -> int:
    """Return the number of threads to compute with: as configured, or for ``auto`` one for small work, else `cores`.

    `work` is the values in the largest feature map of one step; `cores` are all that one run may use.
    """
    if isinstance(threads, int):
        return threads
    return 1 if work < SMALL_WORK else cores


def resolve_precision(precision: str, *, work: int, device: Device = _PROCESSOR) -> str:
    """Return ``float32``, ``tf32`` or ``bfloat16``; ``auto``: bfloat16 for large work on a device that has it natively.

    Raises:
        ConfigError: ``tf32`` on a device that does not have it.

    """
    if precision == "tf32" and not _has_tensor_cores(device):
        where = f"the {device.name}" if device.gpus else "the processor"
        raise ConfigError(
            "training.precision=tf32 needs a GPU of compute capability 8.0 or higher; the run would train on "
            f"{where}. Choose float32, bfloat16 or auto."
        )
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) and work >= SMALL_WORK else "float32"


def has_bfloat16(device: Device) -> bool:
    """Return whether a device has bfloat16 natively."""
    if device.gpus:
        return _has_tensor_cores(device)
    return any(flag in resources.processor_flags() for flag in BFLOAT16_FLAGS)


def _has_tensor_cores(device: Device) -> bool:
    """Return whether all GPUs of a device multiply in bfloat16 and TF32."""
    known = [gpu.capability for gpu in device.gpus]
    return bool(known) and all(one is not None and one >= BFLOAT16_CAPABILITY for one in known)


def scaled_learning_rate(optimizer: OptimizerConfig, *, batch_size: int) -> float:
    """Return the learning rate for `batch_size` under the optimizer's scaling rule; NaN for ``auto``."""
    if optimizer.learning_rate == AUTO:
        return math.nan
    return float(optimizer.learning_rate) * batch_factor(optimizer, batch_size=batch_size)


def batch_factor(optimizer: OptimizerConfig, *, batch_size: int) -> float:
    """Return what the learning rate is multiplied by for `batch_size`.

    Linear after Goyal et al. 2017 (arXiv:1706.02677), square root after Krizhevsky 2014 (arXiv:1404.5997).
    """
    ratio = batch_size / optimizer.reference_batch_size
    exponent = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}[optimizer.batch_scaling]
    return float(ratio**exponent)


def augmentation_of(config: ExperimentConfig, spec: "ImageSpec") -> Augmentation:
    """Return that of a run; `spec` is that of the network's images."""
    if config.training.freeze == "backbone":  # the head is trained on features of the images as they are
        return NO_AUGMENTATION
    return resolve_augmentation(config.augmentation, config.data, spec)


def unused_augmentation(config: ExperimentConfig, spec: "ImageSpec") -> tuple[str, ...]:
    """Return a note where a run does not augment images although that is set."""
    if augmentation_of(config, spec) or not resolve_augmentation(config.augmentation, config.data, spec):
        return ()
    return (
        "Images are not augmented with training.freeze=backbone: the head is trained on features of the images as they "
        "are, computed once.",
    )


def resolve_augmentation(config: AugmentationConfig, data: DataConfig, spec: "ImageSpec") -> Augmentation:
    """Resolve what depends on the data; `spec` is that of the network's images."""
    names = {field.name for field in dataclasses.fields(AugmentationConfig)} - {"name", "flip", "crop_from"}
    others = {name: getattr(config, name) for name in names}
    resolved = {
        "flip": config.flip in ("always", "alternate")
        or (config.flip == "auto" and data.mirror and config.name != "none"),
        "alternates": config.flip == "alternate",
        "size": (spec.height, spec.width) if config.crop_from > 1 else None,
        "policy_jitter": data.jitter if config.policy_jitter is None else config.policy_jitter,
    }
    colorless = {"saturation": 0.0, "hue": 0.0} if spec.color == "grey" else {}
    own = config if isinstance(config, Extended) else None
    return Augmentation(**(others | resolved | colorless), own=own)


def channel_statistics(train: "Split") -> "ChannelStatistics":
    """Return mean and standard deviation of each channel over all pixels of `train`, read in chunks; sums are exact."""
    from cnnexp.portable.card import ChannelStatistics  # imports Pillow, which hashing a run does not need

    channels = train.images.shape[-1]
    total, squares = np.zeros(channels), np.zeros(channels)
    chunk = max(1, _CHUNK_PIXELS // math.prod(train.images.shape[1:3]))
    for start in range(0, len(train), chunk):
        images = train.images[train.rows[start : start + chunk]]
        for channel in range(channels):
            pixels = np.ascontiguousarray(images[..., channel])
            total[channel] += pixels.sum(dtype=np.uint64)
            squares[channel] += np.square(pixels.astype(np.uint16)).sum(dtype=np.uint64)  # 255² is below 2¹⁶
    count = len(train) * np.prod(train.images.shape[1:3])
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    return ChannelStatistics(mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


def fit_scaling(rule: str, statistics: "ChannelStatistics") -> Scaling:
    """Return the model's first layer: ``unit`` maps 0..255 to 0..1, ``standardize`` to mean 0 and deviation 1."""
    if rule == "unit":
        channels = len(statistics.mean)
        return Scaling(rule, (1 / 255,) * channels, (0.0,) * channels)
    deviation = [max(value, 1.0) for value in statistics.deviation]  # or a constant channel would explode
    scale = tuple(1 / value for value in deviation)
    offset = tuple(-mean / value for mean, value in zip(statistics.mean, deviation, strict=True))
    return Scaling(rule, scale, offset)
