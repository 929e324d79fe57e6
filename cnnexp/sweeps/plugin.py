"""What Hydra's plugins call: a sweep of ours under any launcher, and the jobs of another sweeper under ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from cnnexp.config import Override, Setting, SweepConfig, TrackingConfig, all_settings
from cnnexp.errors import ConfigError, SweepError
from cnnexp.sweeps.combinations import combinations, given
from cnnexp.sweeps.jobs import Composer, Grid
from cnnexp.sweeps.results import Result
from cnnexp.sweeps.run_hash import hash_sweep, is_of_one_command
from cnnexp.sweeps.sweep_records import Plan

if TYPE_CHECKING:
    from cnnexp.sweeps.sweep import OwnLauncher


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
    words = [word for word in (*overrides.task, *overrides.hydra) if Override.parse(word).key != "hydra.mode"]
    short = "-".join(key.rpartition(".")[2] for key in varied)
    return Plan(
        name=tracking.run_name or f"sweep-{short}".rstrip("-"),
        key=hash_sweep(words, experiment=tracking.experiment, settings=_settings_of_runs(config), varied=varied),
        words=[word for word in dict.fromkeys(words) if not is_of_one_command(word)],
        varied=varied,
    )


def _settings_of_runs(config: DictConfig) -> str:
    """Return as YAML what all runs have in common and what can matter to them; another path of the data does."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    groups: dict[str, Any] = OmegaConf.to_container(own)  # type: ignore[assignment]
    kept = {group: _that_matter(group, values) for group, values in groups.items()}
    return OmegaConf.to_yaml({group: values for group, values in kept.items() if values not in ({}, None)})


def _that_matter(group: str, values: Any) -> Any:  # noqa: ANN401 - of a group its settings, or one plain value
    """Return those values of a group that matter to a run; `sweep.zip` and its like only say which runs there are."""
    if not isinstance(values, dict):
        return values if _matters(group, values) else None
    return {
        key: value for key, value in values.items() if _matters(group if key == "name" else f"{group}.{key}", value)
    }


def _matters(name: str, value: object) -> bool:
    setting = all_settings().get(name, Setting())
    return setting.affects != "sweep" and setting.in_sweep_hash(value)


def is_ours(launcher: Launcher) -> "TypeGuard[OwnLauncher]":
    """Tell whether a launcher is one of those that come with cnnexp."""
    return type(launcher).__module__.startswith("hydra_plugins.cnnexp_launcher")


def folder_of(config: DictConfig) -> Path:
    """Return where the sweep keeps what its runs print."""
    return Path(str(config.hydra.sweep.dir))
