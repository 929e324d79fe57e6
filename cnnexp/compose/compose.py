"""Compose with Hydra's own machinery, then convert to dataclasses once."""

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_origin

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnnexp.compose.quote_texts import quote_texts
from cnnexp.compose.refusals import explain, no_folder, set_by_option, unknown_setting, without_schema
from cnnexp.compose.schemas import ROOT, VARIANTS, register, register_added
from cnnexp.config import ExperimentConfig, Override, SlurmConfig, as_number, numbers_or_words, variants
from cnnexp.config.defaults import CONF
from cnnexp.errors import ConfigError
from cnnexp.system.files import is_folder

register()


def compose_config(overrides: Sequence[str], *, config_dir: Path | None = None) -> ExperimentConfig:
    """Compose one configuration as the command line does.

    Args:
        overrides: such as ``model=regularized`` and ``training.epochs=5``.
        config_dir: a folder of further YAML files, as ``--config-dir``.

    Raises:
        ConfigError: an override or a file is wrong; one line says which, what is allowed and what was probably meant.

    """
    return to_typed(compose_untyped(overrides, config_dir=config_dir))


def compose_untyped(overrides: Sequence[str], *, config_dir: Path | None) -> DictConfig:
    """Compose as :func:`compose_config`, before values are checked beyond their types.

    Raises:
        ConfigError: an override or a file is wrong.

    """
    register_added()
    overrides = quote_texts(overrides)
    check_overrides(overrides)
    try:
        with _hydra():
            return hydra.compose("config", overrides=[*overrides, *_search_path(config_dir)])
    except Exception as error:  # whatever composing raises is about what the user wrote
        raise explain(error, overrides) from error


def _hydra() -> AbstractContextManager[None]:
    """Return a block in which Hydra can compose; where Hydra runs the command it already can, and refuses a second."""
    if GlobalHydra().is_initialized():
        return nullcontext()
    return hydra.initialize_config_dir(str(CONF), job_name="cnnexp", version_base="1.3")


def to_yaml(config: ExperimentConfig) -> str:
    """Return the whole configuration as YAML; ``config.yaml`` of a run, whose paths mean the same from any folder."""
    located = dataclasses.replace(config, data=config.data.with_absolute_paths())
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(located)))


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuse overrides that Hydra accepts although they would make the record of the run untrue.

    Raises:
        ConfigError: the name of an option is replaced without the option.

    """
    names = {f"{field.name}.name": field.name for field in fields(ROOT)}
    for override in map(Override.parse, overrides):
        if override.key in names:
            raise set_by_option(names[override.key], override.value or "")


def _search_path(config_dir: Path | None) -> Iterator[str]:
    if config_dir is None:
        return
    if not is_folder(config_dir):
        raise no_folder(config_dir)
    yield str(Override.setting("hydra.searchpath", [f"file://{config_dir.absolute()}"]))


def to_typed(cfg: DictConfig) -> ExperimentConfig:
    """Convert what Hydra composed to dataclasses, which check their values on the way.

    Raises:
        ConfigError: a setting is unknown, missing, out of range, or contradicts another.

    """
    if OmegaConf.get_type(cfg) is not ROOT:
        raise ConfigError(
            "The main YAML file must begin with the default /schema/experiment@_global_, as conf/config.yaml does."
        )
    _refuse_forced(cfg)
    _refuse_untyped(cfg)
    _convert_numbers(cfg)
    try:
        config = OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise explain(error) from error
    assert isinstance(config, ExperimentConfig)
    return config


def slurm_settings(cfg: DictConfig) -> SlurmConfig:
    """Return what `hydra/launcher=slurm` asks Slurm for; `cfg` is as Hydra hands it to a launcher.

    Raises:
        ConfigError: a value is out of range.

    """
    try:
        settings = OmegaConf.to_object(cfg.hydra.launcher)
    except OmegaConfBaseException as error:
        raise explain(error) from error
    assert isinstance(settings, SlurmConfig)
    return settings


def _refuse_forced(cfg: DictConfig) -> None:
    """Refuse what ``+key=value`` forced in: there is no field to keep it."""
    for prefix, node in (("", cfg), *((f"{group}.", node) for group, node in _groups(cfg))):
        owner = OmegaConf.get_type(node)
        known = {field.name for field in fields(owner)} if is_dataclass(owner) else set()
        for key in map(str, node):
            if key not in known:
                raise unknown_setting(f"{prefix}{key}", node)


def _refuse_untyped(cfg: DictConfig) -> None:
    """Refuse a group that only has the base type: its YAML file named no schema, so nothing was checked."""
    for group, node in _groups(cfg):
        if group in VARIANTS and OmegaConf.get_type(node) not in variants(group).values():
            raise without_schema(group)


def _convert_numbers(cfg: DictConfig) -> None:
    """Convert, in place, the numbers that OmegaConf leaves as they came."""
    for name in numbers_or_words():
        value = OmegaConf.select(cfg, name)
        if (number := as_number(name, value)) is not value:
            OmegaConf.update(cfg, name, number)


def _groups(cfg: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    for key in map(str, cfg):
        if OmegaConf.is_missing(cfg, key) or OmegaConf.is_interpolation(cfg, key):
            continue
        if isinstance(node := cfg[key], DictConfig):
            yield key, node


def replaces_one_value(text: str, config: DictConfig) -> bool:
    """Tell whether an override sets a number, a text or a truth value that is there, which chooses nothing else."""
    override = Override.parse(text)
    group, _, name = override.key.rpartition(".")
    if override.prefix or override.value is None:
        return False
    node = OmegaConf.select(config, group) if group else config
    owner = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    return is_dataclass(owner) and any(field.name == name and _is_scalar(field.type) for field in fields(owner))


def _is_scalar(annotation: object) -> bool:
    kinds = get_args(annotation) or (annotation,)
    return not any(is_dataclass(kind) or get_origin(kind) is list for kind in (annotation, *kinds))


def with_values(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return a copy in which overrides have replaced values; composing from the files takes ten times as long.

    Raises:
        ConfigCompositionException: as Hydra does, where one does not fit.

    """
    changed = copy.deepcopy(config)
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        try:
            OmegaConf.update(changed, override.key_or_group, override.value())
        except OmegaConfBaseException as error:
            raise ConfigCompositionException from error
    return changed
