"""The types that YAML files are checked against, stored where a file's defaults list names them.

A file of a group whose options have different fields begins with ``defaults: [/schema/optimizer/sgd@_here_]``.
The other groups (regularization, augmentation, training, tracking) get their one type from `ExperimentConfig`.
"""

from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from cnnexp import config
from cnnexp.config import augmentation, defaults
from cnnexp.config.defaults import CONF
from cnnexp.config.extended import TABLE, all_added
from cnnexp.extensions.config_class import own_defaults

ROOT = config.ExperimentConfig
VARIANTS = config.VARIANTS
_ADDED = "extend"  # marks what is stored of users


def register() -> None:
    """Store every schema under ``schema/<group>/<name>``, and the whole under ``schema/experiment``.

    ``${variable:NAME,VALUE}`` in a file is read by `config.defaults.variable`; ``${rotation_within:JITTER}`` and
    ``${crop_within:JITTER}`` by `config.augmentation`.
    """
    OmegaConf.register_new_resolver("variable", defaults.variable, replace=True)
    OmegaConf.register_new_resolver("rotation_within", augmentation.rotation_within, replace=True)
    OmegaConf.register_new_resolver("crop_within", augmentation.crop_within, replace=True)
    store = ConfigStore.instance()
    for group, options in VARIANTS.items():
        for name, variant in options.items():
            store.store(group=f"schema/{group}", name=name, node=variant)
    store.store(group="schema", name="experiment", node=_root())
    store.store(group="schema/launcher", name="slurm", node=config.SlurmConfig)


def register_added() -> None:
    """Store the options that users have added as if they were files of ``conf/``, and forget earlier ones."""
    store = ConfigStore.instance()
    _forget(store.repo)
    for extension in all_added():
        group, name = extension.group, extension.name
        store.store(group=f"schema/{group}", name=name, node=TABLE[group][name], provider=_ADDED)
        places = [f"/schema/{group}/{name}@_here_", *_shared(group), "_self_"]
        node = {"defaults": places, "name": name, **own_defaults(extension)}
        store.store(group=group, name=name, node=node, provider=_ADDED)


def _forget(folder: dict[str, Any]) -> None:
    for name, node in list(folder.items()):
        if isinstance(node, dict):
            _forget(node)
        elif node.provider == _ADDED:
            del folder[name]


def _shared(group: str) -> list[str]:
    """Return where a group has the values of the settings that all its options have."""
    if (CONF / "shared" / f"{group}.yaml").is_file():
        return [f"/shared/{group}@_here_"]
    return [f"/{group}/none@_here_"] if (CONF / group / "none.yaml").is_file() else []


def _root() -> object:
    # While Hydra merges, OmegaConf 2.3 fails with an AssertionError on a union (training.threads, sweep.workers) inside
    # a nested type that is still missing; a type that is expanded beforehand is merged without that step.
    expanded = {
        "optimizer": config.OptimizerConfig,
        "training": config.TrainingConfig,
        "sweep": config.SweepConfig,
    }
    return OmegaConf.merge(
        OmegaConf.structured(ROOT), {name: OmegaConf.structured(owner) for name, owner in expanded.items()}
    )
