"""What Hydra's plugin for searches calls."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import Override
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.errors import ConfigError
from cnnexp.sweeps.combinations import parse
from cnnexp.sweeps.jobs import Composer
from cnnexp.sweeps.plugin import folder_of, is_ours, plan_of
from cnnexp.sweeps.study_spec import Rules
from cnnexp.sweeps.sweep_records import Plan
from cnnexp.system.store_uri import StoreUri

if TYPE_CHECKING:
    from cnnexp.sweeps.search import Search


def search(
    context: HydraContext,
    config: DictConfig,
    launcher: Launcher,
    words: Sequence[str],
    *,
    params: Mapping[str, str],
    sampler: str,
    n_trials: int,
    seed: int,
    storage: str | None,
) -> None:
    """Search the values that the words leave open, with Optuna.

    Raises:
        CnnexpError: the words are wrong, the search cannot begin, or some of its runs failed.

    """
    composer = Composer(context, config)
    settings, tracking = composer.manners
    chosen = {override.get_key_element().lstrip("+"): override for override in parse(words, params)}
    swept = {key: override for key, override in chosen.items() if override.is_sweep_override()}
    _check(settings, swept, n_trials)
    plan = plan_of(config, _written(swept), tracking)
    search_of = _searches(composer, chosen, swept, sampler=sampler, seed=seed, n_trials=n_trials)

    def begin(study: str) -> "Search":
        rules = Rules(
            storage=storage or _beside(tracking),
            name=study,
            objective=settings.objective,
            pruning=settings.pruning,
            pruning_start=settings.pruning_start,
            epochs=int(config.training.epochs),
        )
        return search_of(rules)

    _carry_out(begin, plan, settings, tracking, launcher, folder=folder_of(config))


def _carry_out(
    begin: "Callable[[str], Search]",
    plan: Plan,
    settings: SweepConfig,
    tracking: TrackingConfig,
    launcher: Launcher,
    *,
    folder: Path,
) -> None:
    """Do the search that `begin` makes of the name of its study: one for each sweep, gone on with as that is."""
    if is_ours(launcher):
        from cnnexp.sweeps import sweep

        with sweep.Sweep(launcher, plan, settings, tracking, folder=folder) as begun:
            source = begin(begun.key)
            begun.carry_out(source, total=source.left)
    else:
        from cnnexp.sweeps import external

        external.search(launcher, begin, plan, settings, tracking)


def _searches(
    composer: Composer,
    chosen: Mapping[str, Override],
    swept: Mapping[str, Override],
    *,
    sampler: str,
    seed: int,
    n_trials: int,
) -> "Callable[[Rules], Search]":
    """Return what makes a search by its rules; all that can be wrong with the words is found out here."""
    try:
        from cnnexp.sweeps.search import Search, require_sampler
        from cnnexp.sweeps.search_space import space
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ConfigError("hydra/sweeper=optuna needs Optuna; install it with: pip install 'cnnexp[optuna]'") from None
    fixed = [str(override.input_line) for key, override in chosen.items() if key not in swept]
    values = space(swept.values())
    require_sampler(sampler, values)
    return partial(Search, composer, fixed, values, sampler=sampler, seed=seed, n_trials=n_trials)


def _check(settings: SweepConfig, swept: Mapping[str, Override], n_trials: int) -> None:
    if not swept:
        raise ConfigError(
            "A search needs settings to choose, such as 'optimizer.learning_rate=tag(log,interval(1e-5,1e-1))' or "
            "training.batch_size=16,32,64; none is open."
        )
    if n_trials < 1:
        raise ConfigError(f"hydra.sweeper.n_trials must be at least 1; got {n_trials}.")
    if settings.zip:
        raise ConfigError("sweep.zip walks lists together, and a search does not walk; take it away.")
    if settings.dry_run:
        raise ConfigError("sweep.dry_run lists runs beforehand, which a search cannot; take it away.")


def _written(swept: Mapping[str, Override]) -> dict[str, str]:
    return {key: str(override.input_line).partition("=")[2] for key, override in swept.items()}


def _beside(tracking: TrackingConfig) -> str:
    """Return the journal beside an SQLite store, else in the folder of the user."""
    database = StoreUri(tracking.uri).database
    folder = Path() if database is None else database.parent
    return str((folder / "optuna.log").absolute())
