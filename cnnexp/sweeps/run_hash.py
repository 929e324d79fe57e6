"""When two runs are the same run, and two sweeps the same sweep; what counts each setting says in its own field."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cnnexp.config import DataConfig, ExperimentConfig, Override, Setting, all_settings, names_affecting
from cnnexp.config.columns import extensions_of, values
from cnnexp.records import DatasetInfo, PretrainedNetwork
from cnnexp.runs.resolved_settings import resolve_execution
from cnnexp.system.devices import Device, Devices

# Hydra's own settings that change how and where a sweep is carried out, not which runs it has.
_HYDRA_EXECUTION = ("hydra.sweep", "hydra.launcher", "hydra/launcher", "hydra.sweeper.n_trials", "hydra.verbose")
_SHAPING = ("data", "model", "training", "augmentation")  # groups that memory depends on
_HYDRA_COMMAND = ("hydra.sweep",)  # the folder is named by the time of the command


def resolve(
    config: ExperimentConfig,
    info: DatasetInfo,
    *,
    cores: int,
    devices: Devices,
    pretrained: PretrainedNetwork | None = None,
) -> ExperimentConfig:
    """Return the configuration with device, threads and precision decided.

    `cores` are all there are for one run, and `devices` all there are for the sweep.

    Raises:
        ConfigError: there is no such device, or it does not have the precision.

    """
    config.training.refuse_several_machines()
    device = Device.choose(config.training.device, devices, mirrored=config.training.strategy == "mirrored")
    threads, precision = resolve_execution(
        config,
        images=_training_images(config.data, info),
        height=info.height,
        width=info.width,
        cores=cores,
        pretrained=pretrained,
        device=device,
    )
    used = dataclasses.replace(config.training, threads=threads, precision=precision, device=device.kind)
    return dataclasses.replace(config, training=used)


def _training_images(data: DataConfig, info: DatasetInfo) -> int:
    """Return how many images a run trains on."""
    if data.imbalance is None:
        images = sum(info.class_counts)
        return images if data.limit is None else min(images, data.limit)
    from cnnexp.datasets import subsampling  # NumPy, for which no other sweep has to wait

    return subsampling.images_left(info.class_counts, limit=data.limit, imbalance=data.imbalance)


def hash_run(config: ExperimentConfig, info: DatasetInfo, *, pretrained: PretrainedNetwork | None = None) -> str:
    """Return a hash of all that can change the result of a run; 32 hexadecimal digits.

    `config` is a resolved one, see :func:`resolve`. The data count by their digest, wherever they are read from,
    and so do the weights that the run starts from.
    """
    settings = {name: value for name, setting, value in values(config) if setting.in_run_hash(value)}
    code = {str(one): one.code.digest for one in extensions_of(config)}
    weights = {} if pretrained is None else {"weights": pretrained.digest}
    return _hash({"settings": settings, "data": info.digest, **weights, **({"code": code} if code else {})})


def memory_form(config: ExperimentConfig) -> dict[str, Any]:
    """Return what runs over the same data have in common that take as much memory of a device."""
    settings = {name: value for name, setting, value in values(config) if setting.in_run_hash(value)}
    return {
        name: value for name, value in settings.items() if name.partition(".")[0] in _SHAPING or name == "optimizer"
    }


def hash_sweep(overrides: Sequence[str], *, experiment: str, settings: str, varied: Mapping[str, str]) -> str:
    """Return a hash of what a sweep is, whatever the order of its overrides and how it is carried out.

    `settings` is what the overrides come to and `varied` the lists among them: a preset that was edited since is
    another sweep, though its overrides are the same. An override that is given twice counts once.
    """
    return _hash([experiment, settings, dict(varied), *sorted({text for text in overrides if _in_sweep_hash(text)})])


def _in_sweep_hash(text: str) -> bool:
    override = Override.parse(text)
    setting = all_settings().get(override.key, Setting())
    return setting.in_sweep_hash(override.value) and not _is_one_of(override, _HYDRA_EXECUTION)


def is_of_one_command(text: str) -> bool:
    """Tell whether an override is for its command alone, so that one that resumes the sweep does not repeat it."""
    return _is_one_of(Override.parse(text), (*names_affecting("command"), *_HYDRA_COMMAND))


def _is_one_of(override: Override, names: Sequence[str]) -> bool:
    return any(override.key == name or override.key.startswith(f"{name}.") for name in names)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
