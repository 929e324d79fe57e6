"""From words to the run they mean, composed when it is its turn: Hydra takes 50 ms for each."""

import copy
import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnnexp.compose import explain, run_name, to_typed
from cnnexp.config import ExperimentConfig, SweepConfig, TrackingConfig
from cnnexp.sweeps.combinations import Combinations, Words


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep, composed."""

    number: int  # from 0, in the order of the sweep
    words: Words
    varied: Mapping[str, str]  # setting -> value, of those that differ between runs
    config: ExperimentConfig
    name: str
    environment: Mapping[str, str]  # hydra.job.env_set


@dataclass(frozen=True, slots=True)
class _Composed:
    task: DictConfig  # what a task function gets
    environment: Mapping[str, str]  # hydra.job.env_set


class Composer:
    """Composes the jobs of one multirun command."""

    def __init__(self, context: HydraContext, config: DictConfig) -> None:
        self._context = context
        self._config = config
        self._shared: dict[Words, _Composed] = {}  # by the words of a job that are no plain values

    @property
    def manners(self) -> tuple[SweepConfig, TrackingConfig]:
        """How the sweep is carried out and where it is recorded, as the words that all runs share have it."""
        sweep, tracking = (OmegaConf.to_object(self._config[name]) for name in ("sweep", "tracking"))
        assert isinstance(sweep, SweepConfig)
        assert isinstance(tracking, TrackingConfig)
        return sweep, tracking

    def job(self, number: int, words: Words, varied: Sequence[str]) -> Job:
        """Compose one job.

        Raises:
            ConfigError: the words contradict each other in this combination.

        """
        plain = [word for word in words if self._is_plain(word, varied)]
        others = tuple(word for word in words if word not in plain)
        try:
            composed = self._composed(others)
            task = self._with_values(composed.task, plain)
        except Exception as error:  # whatever composing raises is about what the user wrote
            raise explain(error, words) from error
        config = to_typed(task)
        return Job(
            number=number,
            words=words,
            varied=_values(words, varied),
            config=config,
            name=config.tracking.run_name or run_name(config, words),
            environment=composed.environment,
        )

    def _is_plain(self, word: str, varied: Sequence[str]) -> bool:
        """Tell whether a word only replaces a number, a text or a truth value, so that it can wait for its turn."""
        key = word.partition("=")[0]
        return key in varied and not key.startswith("hydra.") and _has_value(self._config, key)

    def _composed(self, words: Words) -> _Composed:
        """Compose once what many jobs share: options take Hydra 50 ms, values next to nothing."""
        if words not in self._shared:
            whole = self._context.config_loader.load_sweep_config(self._config, list(words))
            environment = OmegaConf.to_container(whole.hydra.job.env_set)
            assert isinstance(environment, dict)
            self._shared.clear()  # jobs that share it follow one another
            self._shared[words] = _Composed(_task(whole), {str(key): str(value) for key, value in environment.items()})
        return self._shared[words]

    def _with_values(self, task: DictConfig, words: Sequence[str]) -> DictConfig:
        changed = copy.deepcopy(task)
        for override in OverridesParser.create().parse_overrides(list(words)):
            try:
                OmegaConf.update(changed, override.get_key_element(), override.value())
            except OmegaConfBaseException as error:
                raise ConfigCompositionException from error  # as Hydra does
        return changed

    def check(self, meant: Combinations, *, brought: Set[str]) -> None:
        """Compose every value once of the lists that a preset brought; `check_sweep` has done it for the words.

        Raises:
            ConfigError: a value is wrong.

        """
        first = [axis.steps[0] for axis in meant.axes]
        for place, axis in enumerate(meant.axes):
            for step in axis.steps if not brought.isdisjoint(axis.keys) else ():
                words = itertools.chain.from_iterable([*first[:place], step, *first[place + 1 :]])
                self.job(0, (*meant.fixed, *words), meant.varied)


def _task(composed: DictConfig) -> DictConfig:
    """Return what a task function gets: the configuration without Hydra's own part."""
    OmegaConf.set_readonly(composed, False)
    OmegaConf.set_struct(composed, False)
    del composed["hydra"]
    OmegaConf.set_struct(composed, True)
    return composed


def _has_value(config: DictConfig, key: str) -> bool:
    """Tell whether `key` is there and no group, list or mapping."""
    group, _, name = key.rpartition(".")
    node = OmegaConf.select(config, group) if group else config
    if not isinstance(node, DictConfig) or name not in node:
        return False
    return not OmegaConf.is_dict(node._get_node(name)) and not OmegaConf.is_list(node._get_node(name))


def _values(words: Words, varied: Sequence[str]) -> dict[str, str]:
    chosen = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    return {key: chosen[key] for key in varied}
