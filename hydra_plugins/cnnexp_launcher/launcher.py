"""Hydra's way to `cnnexp.sweeps`: it takes launchers from this namespace only, and imports them at every start."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from cnnexp.sweeps.executors.protocol import Workforce


class CnnexpLauncher(Launcher):
    """Runs in processes of this machine, as many at a time as the cores hold."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.context, self.config, self.task_function = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Carry out the jobs of another sweeper, all of them before this returns."""
        from cnnexp.sweeps.plugin import launch

        return launch(self, self.context, self.config, job_overrides, initial_job_idx)

    def workers(self, *, limit: int | None, say: Callable[[str], None]) -> "Workforce":
        """Return processes of this machine, the warm one already starting."""
        from cnnexp.sweeps.executors import forkserver
        from cnnexp.sweeps.executors.process_executor import Workers
        from cnnexp.system import resources

        forkserver.start()
        return Workers(cores=resources.cores(), limit=limit)


class RayLauncher(CnnexpLauncher):
    """Runs in processes on the nodes of a Ray cluster, as many at a time as Ray finds places for."""

    def __init__(self, address: str) -> None:
        self.address = address

    def workers(self, *, limit: int | None, say: Callable[[str], None]) -> "Workforce":
        """Return seats of the cluster, which is joined."""
        from cnnexp.sweeps.executors import ray_cluster
        from cnnexp.sweeps.executors.ray_executor import Seats

        ray_cluster.join(self.address)
        return Seats(limit=limit, say=say)
