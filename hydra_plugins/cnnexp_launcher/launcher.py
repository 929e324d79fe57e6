"""Hydra's way to `cnnexp.sweeps`: it takes launchers from this namespace only, and imports them at every start."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from cnnexp.sweeps.executors.protocol import Executor


class CnnexpLauncher(Launcher):
    """Executes runs in processes of this machine, as many at a time as fit its cores."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.context, self.config, self.task_function = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Execute the jobs of another sweeper; return when all of them have ended."""
        from cnnexp.sweeps.plugin import launch

        return launch(self, self.context, self.config, job_overrides, initial_job_idx)

    def executor(self, *, limit: int | None, per_gpu: int | None, notify: Callable[[str], None]) -> "Executor":
        """Return an executor on this machine; its fork server is started already."""
        from cnnexp.sweeps.executors import forkserver
        from cnnexp.sweeps.executors.process_executor import ProcessExecutor
        from cnnexp.system import resources
        from cnnexp.system.find_devices import devices

        forkserver.start()
        return ProcessExecutor(cores=resources.cores(), limit=limit, devices=devices(), per_gpu=per_gpu)


class RayLauncher(CnnexpLauncher):
    """Executes runs on the nodes of a Ray cluster, as many at a time as Ray finds places for."""

    def __init__(self, address: str) -> None:
        self.address = address

    def executor(self, *, limit: int | None, per_gpu: int | None, notify: Callable[[str], None]) -> "Executor":
        """Join the cluster and return an executor on it."""
        from cnnexp.sweeps.executors.ray_executor import RayExecutor
        from cnnexp.system import ray_cluster

        ray_cluster.join(self.address)
        return RayExecutor(limit=limit, per_gpu=per_gpu, notify=notify)


class SlurmLauncher(Launcher):
    """Executes runs as a job array of Slurm, which goes on without the process that began it."""

    def __init__(self, **_settings: object) -> None:
        """Leave the settings to `setup`, which has their type."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the settings from what Hydra hands over."""
        from cnnexp.compose import slurm_settings

        self.settings = slurm_settings(config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Refuse the jobs of another sweeper, which waits for what they return."""
        from cnnexp.errors import ConfigError

        raise ConfigError(
            "hydra/launcher=slurm carries out sweeps of cnnexp's own sweeper, hydra/sweeper=cnnexp; another one waits "
            "for each run. Leave hydra/sweeper out, or take hydra/launcher=ray."
        )
