"""Hydra's way to `cnnexp.sweeps`: it takes launchers from this namespace only, and imports them at every start."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class CnnexpLauncher(Launcher):
    """A process a run, as many at a time as the cores hold."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.context, self.config, self.task_function = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Carry out the jobs of another sweeper, all of them before this returns."""
        from cnnexp.sweeps.hydra_jobs import launch

        return launch(self.context, self.config, job_overrides, initial_job_idx)
