"""The jobs of a sweep: where they come from, and how overrides become the configuration of a run.

A job is composed when its turn comes: Hydra takes 50 ms for each.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from cnnexp.compose import explain, replaces_one_value, run_command, run_name, to_typed, with_values
from cnnexp.config import ExperimentConfig, Override, SweepConfig, TrackingConfig, values_of
from cnnexp.config.shown_values import label_of
from cnnexp.errors import ConfigError
from cnnexp.records import EpochValues, RunCommand
from cnnexp.sweeps.combinations import Combinations, Overrides


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep, composed."""

    number: int  # from 0, in the order of the sweep
    overrides: Overrides
    varied: Mapping[str, str]  # setting -> value, of those that differ between runs
    config: ExperimentConfig
    name: str
    label: str  # what tells it from the other runs of its sweep: "lr 0.003, seed 1"
    environment: Mapping[str, str]  # hydra.job.env_set
    fold: int | None = None  # of a run of folds: which of them this is, from 1

    @property
    def key(self) -> tuple[int, int]:
        """Tells it from all others of the sweep."""
        return self.number, self.fold or 0

    @property
    def trainings(self) -> int:
        """How many networks it trains: one, or of a run of folds one a fold and the final one."""
        data = self.config.data
        return data.folds + 1 if data.has_folds and data.folds is not None else 1

    def of_fold(self, fold: int) -> "Job":
        """Return the job of one fold of a run of folds."""
        return replace(
            self,
            overrides=(*_without(self.overrides, "data.final"), f"data.fold={fold}"),
            varied={"data.fold": str(fold)},
            config=replace(
                self.config,
                data=replace(self.config.data, fold=fold, final="refit"),
                tracking=replace(self.config.tracking, models="all"),  # the run of folds is made from them
            ),
            name=f"{self.name}-fold{fold}",
            label=f"{self.label}, fold {fold}",
            fold=fold,
        )

    @property
    def command(self) -> RunCommand:
        """What it was asked for, as a run of its own."""
        return run_command(self.config, self.overrides)


class JobSource(Protocol):
    """Where the jobs of a sweep come from: a `Grid`, or a `Search` that learns from how their runs go."""

    prunes: bool  # `should_prune` may return true

    @property
    def independent(self) -> bool:
        """Whether the next job does not depend on how the runs before it go, so that it can be composed early."""

    def next_job(self) -> Job | None:
        """Return the next job; None: there is none, or none until another run has ended.

        Raises:
            ConfigError: the settings of this job contradict each other; the next call returns the job after it.

        """

    def should_prune(self, number: int, values: EpochValues) -> bool:
        """Note an epoch of a run; return whether to stop the run there."""

    def run_ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Note how a run ended; `metrics` is None where it failed or was killed."""


class Grid:
    """Every combination, in order; a `JobSource` that learns nothing."""

    prunes = False
    independent = True

    def __init__(self, composer: "Composer", combinations: Combinations, *, first: int = 0) -> None:
        self._composer = composer
        self._combinations = combinations
        self._left = enumerate(combinations, start=first)
        self.refusals: list[str] = []  # why combinations cannot be composed, of those that were iterated over

    def next_job(self) -> Job | None:
        """Return the next job; None: there is none.

        Raises:
            ConfigError: the settings of this job contradict each other; the next call returns the job after it.

        """
        for number, overrides in self._left:
            return self._composer.compose(number, (*self._combinations.fixed, *overrides), self._combinations.varied)
        return None

    def __iter__(self) -> Iterator[Job]:
        """Yield every job that is left; combinations that cannot be composed are added to `refusals`."""
        while True:
            try:
                job = self.next_job()
            except ConfigError as error:
                self.refusals.append(str(error))
                continue
            if job is None:
                return
            yield job

    def should_prune(self, number: int, values: EpochValues) -> bool:
        """Prune nothing."""
        return False

    def run_ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Learn nothing."""


class OneJob:
    """A single job, composed already; a `JobSource`."""

    prunes = False
    independent = True

    def __init__(self, job: Job) -> None:
        self._left = [job]

    def next_job(self) -> Job | None:
        """Return the job, once."""
        return self._left.pop() if self._left else None

    def should_prune(self, number: int, values: EpochValues) -> bool:
        """Prune nothing."""
        return False

    def run_ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Learn nothing."""


@dataclass(frozen=True, slots=True)
class _Composed:
    task: DictConfig  # what a task function gets
    environment: Mapping[str, str]  # hydra.job.env_set


class Composer:
    """Composes the jobs of one multirun command."""

    def __init__(self, context: HydraContext, config: DictConfig) -> None:
        self._context = context
        self._config = config
        self._shared: dict[Overrides, _Composed] = {}  # by the overrides of a job that do more than replace a value

    @property
    def execution_settings(self) -> tuple[SweepConfig, TrackingConfig]:
        """How the sweep is executed and where it is recorded, by the overrides that all runs share."""
        sweep, tracking = (OmegaConf.to_object(self._config[name]) for name in ("sweep", "tracking"))
        assert isinstance(sweep, SweepConfig)
        assert isinstance(tracking, TrackingConfig)
        return sweep, tracking

    def compose(self, number: int, overrides: Overrides, varied: Sequence[str]) -> Job:
        """Compose one job.

        Raises:
            ConfigError: the overrides contradict each other in this combination.

        """
        replaced = [override for override in overrides if self._is_value(override, varied)]
        others = tuple(override for override in overrides if override not in replaced)
        try:
            composed = self._composed(others)
            task = with_values(composed.task, replaced)
        except Exception as error:  # whatever composing raises is about what the user wrote
            raise explain(error, overrides) from error
        config = to_typed(task)
        name = config.tracking.run_name or run_name(config, overrides)
        values = _values(overrides, varied)
        return Job(
            number=number,
            overrides=overrides,
            varied=values,
            config=config,
            name=name,
            label=label_of(values) or name,
            environment=composed.environment,
        )

    def value_of(self, key: str, overrides: Overrides) -> object:
        """Return the value that a setting has with these overrides; of a group its chosen option; None: it has none."""
        value = OmegaConf.select(self._composed(overrides).task, key)
        return value.get("name") if isinstance(value, DictConfig) else value

    def _is_value(self, override: str, varied: Sequence[str]) -> bool:
        """Return whether an override only replaces a number, a text or a truth value, which needs no Hydra."""
        return Override.parse(override).key in varied and replaces_one_value(override, self._config)

    def _composed(self, overrides: Overrides) -> _Composed:
        """Compose once what many jobs share: options take Hydra 50 ms, values next to nothing."""
        if overrides not in self._shared:
            whole = self._context.config_loader.load_sweep_config(self._config, list(overrides))
            environment = OmegaConf.to_container(whole.hydra.job.env_set)
            assert isinstance(environment, dict)
            self._shared.clear()  # jobs that share it follow one another
            self._shared[overrides] = _Composed(
                _task(whole), {str(key): str(value) for key, value in environment.items()}
            )
        return self._shared[overrides]

    def check(self, combinations: Combinations, *, preset: Set[str]) -> None:
        """Compose every value once of the settings in `preset`; `check_sweep` has done it for the command line.

        Raises:
            ConfigError: a value is wrong.

        """
        first = [axis.steps[0] for axis in combinations.axes]
        for place, axis in enumerate(combinations.axes):
            for step in axis.steps if not preset.isdisjoint(axis.keys) else ():
                overrides = itertools.chain.from_iterable([*first[:place], step, *first[place + 1 :]])
                self.compose(0, (*combinations.fixed, *overrides), combinations.varied)


def _without(overrides: Overrides, key: str) -> Overrides:
    return tuple(text for text in overrides if Override.parse(text).key != key)


def _task(composed: DictConfig) -> DictConfig:
    """Return what a task function gets: the configuration without Hydra's own part."""
    OmegaConf.set_readonly(composed, False)
    OmegaConf.set_struct(composed, False)
    del composed["hydra"]
    OmegaConf.set_struct(composed, True)
    return composed


def _values(overrides: Overrides, varied: Sequence[str]) -> dict[str, str]:
    chosen = values_of(overrides)
    return {key: chosen[key] for key in varied}
