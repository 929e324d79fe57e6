"""What Hydra's plugins call: a sweep or a search under any launcher, and the jobs of another sweeper under ours."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from hydra.core.override_parser.types import Override as ParsedOverride
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from cnnexp.config import SweepConfig, TrackingConfig, values_of
from cnnexp.errors import ConfigError, SweepError
from cnnexp.sweeps.combinations import combinations, from_jobs, parse
from cnnexp.sweeps.jobs import Composer, Grid
from cnnexp.sweeps.pruning import StudySpec
from cnnexp.sweeps.results import Result
from cnnexp.sweeps.sweep_records import sweep_spec
from cnnexp.system.store_uri import StoreUri

if TYPE_CHECKING:
    from cnnexp.sweeps.search import Search
    from cnnexp.sweeps.sweep import ExecutorLauncher
    from hydra_plugins.cnnexp_launcher.launcher import SlurmLauncher


def sweep(
    context: HydraContext,
    config: DictConfig,
    launcher: Launcher,
    overrides: Sequence[str],
    *,
    params: Mapping[str, str],
) -> None:
    """Execute every combination that is not finished yet.

    Raises:
        CnnexpError: the overrides are wrong, the sweep cannot begin, or some of its runs failed.

    """
    composer = Composer(context, config)
    settings, tracking = composer.execution_settings
    _refuse_pruning(settings)
    runs = combinations(overrides, params=params, zipped=settings.zip)
    spec = sweep_spec(config, runs.values, tracking)
    grid = Grid(composer, runs)
    if settings.dry_run:
        from cnnexp.sweeps import dry_run

        composer.check(runs, preset=params.keys())
        if not _is_slurm(launcher):
            dry_run.show(grid, spec, settings, tracking, total=len(runs))
        else:
            from cnnexp.sweeps.slurm import submit

            slurm = launcher.settings
            allocation = slurm.cpus, submit.devices_of(slurm)
            dry_run.show(grid, spec, settings, tracking, total=len(runs), allocation=allocation)
            submit.show(slurm, settings, name=spec.name, folder=_folder(config).absolute(), total=len(runs))
    elif _is_slurm(launcher):
        from cnnexp.sweeps.slurm import submit

        composer.check(runs, preset=params.keys())
        submit.run(launcher.settings, grid, spec, settings, tracking, _folder(config).absolute())
    elif _is_ours(launcher):
        from cnnexp.sweeps.sweep import Sweep

        with Sweep.begin(launcher, spec, settings, tracking, _folder(config)) as begun:
            composer.check(runs, preset=params.keys())  # while the fork server imports TensorFlow
            begun.run(grid, total=len(runs))
    else:
        from cnnexp.sweeps import external

        external.run_grid(launcher, grid, spec, settings, tracking)


def search(
    context: HydraContext,
    config: DictConfig,
    launcher: Launcher,
    overrides: Sequence[str],
    *,
    params: Mapping[str, str],
    sampler: str,
    n_trials: int,
    seed: int,
    storage: str | None,
) -> None:
    """Search the values that the overrides leave open, with Optuna; one study for each sweep, continued with it.

    Raises:
        CnnexpError: the overrides are wrong, the search cannot begin, or some of its runs failed.

    """
    composer = Composer(context, config)
    settings, tracking = composer.execution_settings
    parsed = {override.key_or_group: override for override in parse(overrides, params)}
    lists = {key: override for key, override in parsed.items() if override.is_sweep_override()}
    if _is_slurm(launcher):
        raise ConfigError(
            "hydra/sweeper=optuna chooses each run by those before it, and hydra/launcher=slurm queues all runs at "
            "once. Search within one allocation, with hydra/launcher left out, or on several nodes: hydra/launcher=ray."
        )
    _check_search(settings, lists, n_trials)
    _refuse_pruned_folds(settings, config.data)
    spec = sweep_spec(config, values_of([str(override.input_line) for override in lists.values()]), tracking)
    fixed = [str(override.input_line) for key, override in parsed.items() if key not in lists]
    begin_with = _search_maker(composer, fixed, lists, sampler=sampler, seed=seed, n_trials=n_trials)

    def begin(study: str) -> "Search":
        return begin_with(
            StudySpec(
                storage=storage or _journal(tracking),
                name=study,
                objective=settings.objective,
                pruning=settings.pruning,
                pruning_start=settings.pruning_start,
                epochs=int(config.training.head_epochs + config.training.epochs),
            )
        )

    if _is_ours(launcher):
        from cnnexp.sweeps.sweep import Sweep

        with Sweep.begin(launcher, spec, settings, tracking, _folder(config)) as begun:
            source = begin(begun.key)
            begun.run(source, total=source.left)
    else:
        from cnnexp.sweeps import external

        external.run_search(launcher, begin, spec, settings, tracking)


def launch(
    launcher: "ExecutorLauncher",
    context: HydraContext,
    config: DictConfig,
    jobs: Sequence[Sequence[str]],
    initial_job_idx: int,
) -> Sequence[JobReturn]:
    """Execute the jobs of another sweeper and return, for each, its objective or why it failed."""
    from cnnexp.sweeps.sweep import Sweep

    composer = Composer(context, config)
    settings, tracking = composer.execution_settings
    _refuse_pruning(settings)
    settings.refuse_lists()
    runs = from_jobs(jobs)
    spec = sweep_spec(config, runs.values, tracking)
    with Sweep.begin(launcher, spec, settings, tracking, _folder(config)) as begun:
        results = begun.run(Grid(composer, runs, first=initial_job_idx), total=len(jobs), failures_raise=False)
    found = {result.number: result for result in results.all}
    return [_job_return(job, found.get(number), settings) for number, job in enumerate(jobs, start=initial_job_idx)]


def _job_return(overrides: Sequence[str], result: Result | None, settings: SweepConfig) -> JobReturn:
    if result is not None and settings.objective in result.metrics:
        returned = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
        returned.return_value = result.metrics[settings.objective]
        return returned
    returned = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    reason = "It was not started, or is the same as another run." if result is None else result.reason
    returned.return_value = SweepError(reason)
    return returned


def _search_maker(
    composer: Composer,
    fixed: Sequence[str],
    lists: Mapping[str, ParsedOverride],
    *,
    sampler: str,
    seed: int,
    n_trials: int,
) -> "Callable[[StudySpec], Search]":
    """Return what begins a search; everything that can be wrong with the overrides is found out here."""
    try:
        from cnnexp.sweeps.search import Search, require_sampler
        from cnnexp.sweeps.search_space import space
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ConfigError("hydra/sweeper=optuna needs Optuna; install it with: pip install 'cnnexp[optuna]'") from None
    values = space(lists.values())
    require_sampler(sampler, values)
    return partial(Search.begin, composer, fixed, values, sampler=sampler, seed=seed, n_trials=n_trials)


def _refuse_pruning(settings: SweepConfig) -> None:
    if settings.pruning != "none":
        raise ConfigError(
            f"sweep.pruning={settings.pruning} stops runs of a search, and this sweep is not a search; "
            "add hydra/sweeper=optuna, with hydra.sweeper.sampler=grid for every combination."
        )


def _refuse_pruned_folds(settings: SweepConfig, data: DictConfig) -> None:
    if settings.pruning != "none" and data.folds is not None and data.fold is None:
        raise ConfigError(
            f"sweep.pruning={settings.pruning} compares runs epoch by epoch, and a run of data.folds={data.folds} is "
            "several; leave out one of them."
        )


def _check_search(settings: SweepConfig, lists: Mapping[str, ParsedOverride], n_trials: int) -> None:
    if not lists:
        raise ConfigError(
            "A search needs settings to choose, such as 'optimizer.learning_rate=tag(log,interval(1e-5,1e-1))' or "
            "training.batch_size=16,32,64; none is open."
        )
    if n_trials < 1:
        raise ConfigError(f"hydra.sweeper.n_trials must be at least 1; got {n_trials}.")
    if settings.zip:
        raise ConfigError("sweep.zip combines lists, which a search does not use; leave it out.")
    if settings.dry_run:
        raise ConfigError("sweep.dry_run lists runs beforehand, which a search cannot; leave it out.")


def _journal(tracking: TrackingConfig) -> str:
    """Return the study's journal: beside an SQLite store, otherwise in the current folder."""
    database = StoreUri(tracking.uri).database
    folder = Path() if database is None else database.parent
    return str((folder / "optuna.log").absolute())


def _is_ours(launcher: Launcher) -> "TypeGuard[ExecutorLauncher]":
    """Return whether a launcher is one of those that come with cnnexp."""
    return type(launcher).__module__.startswith("hydra_plugins.cnnexp_launcher") and not _is_slurm(launcher)


def _is_slurm(launcher: Launcher) -> "TypeGuard[SlurmLauncher]":
    """Return whether a launcher is the one of Slurm."""
    return type(launcher).__name__ == "SlurmLauncher"


def _folder(config: DictConfig) -> Path:
    """Return where the sweep keeps what its runs print."""
    return Path(str(config.hydra.sweep.dir))
