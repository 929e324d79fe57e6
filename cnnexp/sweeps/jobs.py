"""From words to the run they mean, composed when it is its turn: Hydra takes 50 ms for each."""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from cnnexp.compose import explain, only_replaces_a_value, run_name, to_typed, with_values
from cnnexp.config import ExperimentConfig, SweepConfig, TrackingConfig
from cnnexp.errors import ConfigError
from cnnexp.records import EpochValues
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
            task = with_values(composed.task, plain)
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
        return word.partition("=")[0] in varied and only_replaces_a_value(word, self._config)

    def _composed(self, words: Words) -> _Composed:
        """Compose once what many jobs share: options take Hydra 50 ms, values next to nothing."""
        if words not in self._shared:
            whole = self._context.config_loader.load_sweep_config(self._config, list(words))
            environment = OmegaConf.to_container(whole.hydra.job.env_set)
            assert isinstance(environment, dict)
            self._shared.clear()  # jobs that share it follow one another
            self._shared[words] = _Composed(_task(whole), {str(key): str(value) for key, value in environment.items()})
        return self._shared[words]

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


def _values(words: Words, varied: Sequence[str]) -> dict[str, str]:
    chosen = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    return {key: chosen[key] for key in varied}


class Grid:
    """A source of runs that has no say in how they go."""

    may_stop = False
    ahead = True

    def __init__(self, composer: Composer, combinations: Combinations, *, first: int = 0) -> None:
        self._composer = composer
        self._combinations = combinations
        self._left = enumerate(combinations, start=first)
        self.refusals: list[str] = []  # why combinations cannot be run, of those that were iterated over

    def next(self) -> Job | None:
        """Return the next run; None: there is none.

        Raises:
            ConfigError: the settings of this one contradict each other; asking again gives the one after it.

        """
        for number, words in self._left:
            return self._composer.job(number, (*self._combinations.fixed, *words), self._combinations.varied)
        return None

    def __iter__(self) -> Iterator[Job]:
        """Yield every run that is left; what cannot be composed is noted among the refusals."""
        while True:
            try:
                job = self.next()
            except ConfigError as error:
                self.refusals.append(str(error))
                continue
            if job is None:
                return
            yield job

    def hopeless(self, number: int, values: EpochValues) -> bool:
        """Stop nothing."""
        return False

    def ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Learn nothing."""
