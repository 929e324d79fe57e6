"""The types that YAML files are checked against, stored where a file's defaults list names them.

A file of a group whose options have different fields begins with ``defaults: [/schema/optimizer/sgd@_here_]``.
The other groups (regularization, augmentation, training, tracking) get their one type from `ExperimentConfig`.
"""

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from cnnexp import config
from cnnexp.config import defaults

ROOT = config.ExperimentConfig
VARIANTS = config.VARIANTS


def register() -> None:
    """Store every schema under ``schema/<group>/<name>``, and the whole under ``schema/experiment``.

    ``${variable:NAME,VALUE}`` in a file is read by `config.defaults.variable`.
    """
    OmegaConf.register_new_resolver("variable", defaults.variable, replace=True)
    store = ConfigStore.instance()
    for group, variants in VARIANTS.items():
        for name, variant in variants.items():
            store.store(group=f"schema/{group}", name=name, node=variant)
    store.store(group="schema", name="experiment", node=_root())


def _root() -> object:
    # While Hydra merges, OmegaConf 2.3 fails with an AssertionError on a union (training.threads, sweep.workers) inside
    # a nested type that is still missing; a type that is expanded beforehand is merged without that step.
    expanded = {"training": config.TrainingConfig, "sweep": config.SweepConfig}
    return OmegaConf.merge(
        OmegaConf.structured(ROOT), {name: OmegaConf.structured(owner) for name, owner in expanded.items()}
    )
