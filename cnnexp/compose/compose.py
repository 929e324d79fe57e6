"""Compose with Hydra's own machinery, then convert to dataclasses once."""

import copy
import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnnexp.compose.refusals import explain, no_folder, set_by_option, unknown_setting, without_schema
from cnnexp.compose.schemas import CONF, ROOT, VARIANTS, register
from cnnexp.config import PATHS, ExperimentConfig, names_affecting
from cnnexp.errors import ConfigError

register()

_PLACE = re.compile(r"([=,])(~(?:/[^,]*)?)(?=,|$)")  # one of several, in a sweep


def compose_config(overrides: Sequence[str], *, config_dir: Path | None = None) -> ExperimentConfig:
    """Compose one configuration as the command line does.

    Args:
        overrides: words such as ``model=regularized`` and ``training.epochs=5``.
        config_dir: a folder of further YAML files, as ``--config-dir``.

    Raises:
        ConfigError: a word or a file is wrong; one line says which, what is allowed and what was probably meant.

    """
    return to_typed(compose_untyped(overrides, config_dir=config_dir))


def compose_untyped(overrides: Sequence[str], *, config_dir: Path | None) -> DictConfig:
    """Compose as :func:`compose_config`, before values are checked beyond their types.

    Raises:
        ConfigError: a word or a file is wrong.

    """
    overrides = quote_home(overrides)
    check_words(overrides)
    words = [*overrides, *_search_path(config_dir)]
    try:
        with hydra.initialize_config_dir(str(CONF), job_name="cnnexp", version_base="1.3"):
            return hydra.compose("config", overrides=words)
    except Exception as error:  # whatever composing raises is about what the user wrote
        raise explain(error, overrides) from error


def to_yaml(config: ExperimentConfig) -> str:
    """Return the whole configuration as YAML; ``config.yaml`` of a run."""
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))


def check_words(overrides: Sequence[str]) -> None:
    """Refuse words that Hydra would take although they say something untrue.

    Raises:
        ConfigError: the name of an option is replaced without the option.

    """
    for word in overrides:
        key, _, value = word.lstrip("+").partition("=")
        group, _, name = key.partition(".")
        if name == "name" and group in {field.name for field in fields(ROOT)}:
            raise set_by_option(group, value)


def quote_home(words: Sequence[str]) -> list[str]:
    """Quote places such as ``data.path=~/photos``, which no shell expands there and Hydra's grammar has no ~ for."""
    paths = names_affecting(*PATHS)
    return [_PLACE.sub(_quoted, word) if word.lstrip("+").partition("=")[0] in paths else word for word in words]


def _quoted(place: re.Match[str]) -> str:
    return place[1] + "'" + place[2].replace("'", "\\'") + "'"


def _search_path(config_dir: Path | None) -> Iterator[str]:
    if config_dir is None:
        return
    if not config_dir.is_dir():
        raise no_folder(config_dir)
    quoted = str(config_dir.absolute()).replace("\\", "\\\\").replace("'", "\\'")
    yield f"hydra.searchpath=['file://{quoted}']"


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
    try:
        config = OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise explain(error) from error
    assert isinstance(config, ExperimentConfig)
    return config


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
        if group in VARIANTS and OmegaConf.get_type(node) not in VARIANTS[group].values():
            raise without_schema(group)


def _groups(cfg: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    for key in map(str, cfg):
        node = None if OmegaConf.is_missing(cfg, key) else cfg._get_node(key)
        if isinstance(node, DictConfig):
            yield key, node


def only_replaces_a_value(word: str, config: DictConfig) -> bool:
    """Tell whether a word sets a number, a text or a truth value that is there, which chooses nothing else."""
    key = word.partition("=")[0]
    group, _, name = key.rpartition(".")
    if group.partition(".")[0] == "hydra":
        return False
    node = OmegaConf.select(config, group) if group else config
    if not isinstance(node, DictConfig) or name not in node:
        return False
    return not OmegaConf.is_dict(node._get_node(name)) and not OmegaConf.is_list(node._get_node(name))


def with_values(config: DictConfig, words: Sequence[str]) -> DictConfig:
    """Return a copy in which the words have replaced values.

    Raises:
        ConfigCompositionException: as Hydra does, where one does not fit.

    """
    changed = copy.deepcopy(config)
    for override in OverridesParser.create().parse_overrides(list(words)):
        try:
            OmegaConf.update(changed, override.get_key_element(), override.value())
        except OmegaConfBaseException as error:
            raise ConfigCompositionException from error
    return changed
