"""Hydra's way to `cnnexp.sweeps`: it takes sweepers from this namespace only, and imports them at every start."""

from collections.abc import Mapping

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class CnnexpSweeper(Sweeper):
    """Runs every combination of values, zipped lists in step; a rerun command resumes the sweep."""

    def __init__(self, params: Mapping[str, str] | None) -> None:
        self.params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.handed_over = (hydra_context, config, launcher)

    def sweep(self, arguments: list[str]) -> None:
        """Execute the sweep that the overrides describe."""
        from cnnexp.sweeps.plugin import sweep

        sweep(*self.handed_over, arguments, params=self.params)


class OptunaSweeper(CnnexpSweeper):
    """Runs promising values next and prunes runs; a rerun command resumes the search."""

    def __init__(
        self, params: Mapping[str, str] | None, sampler: str, n_trials: int, seed: int, storage: str | None
    ) -> None:
        super().__init__(params)
        self.sampler, self.n_trials, self.seed, self.storage = sampler, n_trials, seed, storage

    def sweep(self, arguments: list[str]) -> None:
        """Execute the search that the overrides describe."""
        from cnnexp.sweeps.plugin import search

        search(
            *self.handed_over,
            arguments,
            params=self.params,
            sampler=self.sampler,
            n_trials=self.n_trials,
            seed=self.seed,
            storage=self.storage,
        )
