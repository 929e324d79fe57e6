"""What Hydra's plugins call: a sweep of ours under any launcher, and the jobs of another sweeper under ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from cnnexp.compose import INCONSEQUENTIAL
from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.errors import ConfigError, SweepError
from cnnexp.sweeps.combinations import combinations, given
from cnnexp.sweeps.jobs import Composer, Grid
from cnnexp.sweeps.results import Result
from cnnexp.sweeps.run_hash import OF_ONE_COMMAND, is_manner, sweep_identity
from cnnexp.sweeps.sweep_records import Plan

if TYPE_CHECKING:
    from cnnexp.sweeps.sweep import OwnLauncher

_NO_SETTINGS = ("hydra", "tracking", "sweep")  # groups that say where a run is recorded and how a sweep is done


def sweep(
    context: HydraContext, config: DictConfig, launcher: Launcher, words: Sequence[str], *, params: Mapping[str, str]
) -> None:
    """Carry out every combination that is not finished yet.

    Raises:
        CnnexpError: the words are wrong, the sweep cannot begin, or some of its runs failed.

    """
    composer = Composer(context, config)
    settings, tracking = composer.manners
    _refuse_pruning(settings)
    meant = combinations(words, params=params, zipped=settings.zip)
    plan = plan_of(config, meant.values, tracking)
    grid = Grid(composer, meant)
    if settings.dry_run:
        from cnnexp.sweeps import dry_run

        composer.check(meant, brought=params.keys())
        dry_run.show(grid, plan, settings, tracking, total=len(meant))
    elif is_ours(launcher):
        from cnnexp.sweeps import sweep as local

        with local.Sweep(launcher, plan, settings, tracking, folder=folder_of(config)) as begun:
            composer.check(meant, brought=params.keys())  # while TensorFlow is imported elsewhere
            begun.carry_out(grid, total=len(meant))
    else:
        from cnnexp.sweeps import external

        external.carry_out(launcher, grid, plan, settings, tracking)


def launch(
    launcher: "OwnLauncher",
    context: HydraContext,
    config: DictConfig,
    jobs: Sequence[Sequence[str]],
    initial_job_idx: int,
) -> Sequence[JobReturn]:
    """Carry out the jobs of another sweeper and return, for each, its objective or why it failed."""
    from cnnexp.sweeps import sweep as local

    composer = Composer(context, config)
    settings, tracking = composer.manners
    _refuse_pruning(settings)
    settings.refuse_lists()
    meant = given(jobs)
    plan = plan_of(config, meant.values, tracking)
    with local.Sweep(launcher, plan, settings, tracking, folder=folder_of(config)) as begun:
        results = begun.carry_out(Grid(composer, meant, first=initial_job_idx), total=len(jobs), failures_raise=False)
    found = {result.number: result for result in results.all}
    return [_job_return(words, found.get(number), settings) for number, words in enumerate(jobs, start=initial_job_idx)]


def _job_return(words: Sequence[str], result: Result | None, settings: SweepConfig) -> JobReturn:
    if result is not None and settings.objective in result.metrics:
        return JobReturn(
            overrides=list(words), status=JobStatus.COMPLETED, _return_value=result.metrics[settings.objective]
        )
    reason = "It was not begun, or is the same as another run." if result is None else result.reason
    return JobReturn(overrides=list(words), status=JobStatus.FAILED, _return_value=SweepError(reason))


def _refuse_pruning(settings: SweepConfig) -> None:
    if settings.pruning != "none":
        raise ConfigError(
            f"sweep.pruning={settings.pruning} stops runs of a search, and this is none; add hydra/sweeper=optuna, "
            "with hydra.sweeper.sampler=grid for every combination."
        )


def plan_of(config: DictConfig, varied: Mapping[str, str], tracking: TrackingConfig) -> Plan:
    """Return what the words of the command make of the sweep."""
    overrides = config.hydra.overrides
    words = [word for word in (*overrides.task, *overrides.hydra) if not word.startswith("hydra.mode=")]
    short = "-".join(key.rpartition(".")[2] for key in varied)
    return Plan(
        name=tracking.run_name or f"sweep-{short}".rstrip("-"),
        key=sweep_identity(words, experiment=tracking.experiment, settings=_settings(config), varied=varied),
        words=[word for word in dict.fromkeys(words) if not is_manner(word, OF_ONE_COMMAND)],
        varied=varied,
    )


def _settings(config: DictConfig) -> str:
    """Return what all runs have in common and what can matter to them; data in another place are another sweep's."""
    common = OmegaConf.masked_copy(config, [str(key) for key in config if key not in _NO_SETTINGS])
    groups: dict[str, Any] = OmegaConf.to_container(common)  # type: ignore[assignment]
    for setting in INCONSEQUENTIAL:
        group, _, name = setting.partition(".")
        groups[group].pop(name, None)
    return OmegaConf.to_yaml(groups)


def is_ours(launcher: Launcher) -> "TypeGuard[OwnLauncher]":
    """Tell whether a launcher is one of those that come with cnnexp."""
    return type(launcher).__module__.startswith("hydra_plugins.cnnexp_launcher")


def folder_of(config: DictConfig) -> Path:
    """Return where the sweep keeps what its runs print."""
    return Path(str(config.hydra.sweep.dir))
