"""Decides which runs of a search are pruned: stopped early, because they are unlikely to become the best.

Optuna is imported when a study is opened, so that importing this module costs nothing.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import Trial

    from cnnexp.records import EpochValues

REDUCTION = 3  # of successive halving: a third goes on at each rung; Li et al. 2020, arXiv:1810.05934
STARTUP_TRIALS = 5  # runs that finish before any is compared with their median


@dataclass(frozen=True, slots=True)
class StudySpec:
    """What a search optimizes and how it prunes; the same in every process that takes part."""

    storage: str  # path of a journal, or a database URL
    name: str  # of the study in it
    objective: str  # best/val_loss | best/val_accuracy
    pruning: str  # none | asha | hyperband | median | patience
    pruning_start: int  # epochs
    epochs: int  # of a run, at most

    def score(self, values: "EpochValues") -> float:
        """Return what the objective would be if this epoch were the best of its run."""
        return values.val_loss if self.objective == "best/val_loss" else values.val_accuracy

    def better(self, one: float, other: float) -> float:
        """Return the better of two scores."""
        return min(one, other) if self.objective == "best/val_loss" else max(one, other)


def quiet_optuna() -> None:
    """Have Optuna print no progress and no warning that a sampler or a pruner is experimental."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_study(spec: StudySpec, sampler: "BaseSampler") -> "Study":
    """Open the study, or create it; sampler and pruner are not stored in it."""
    return _open_in(_storage(spec.storage), spec, sampler)


def _open_in(storage: "BaseStorage", spec: StudySpec, sampler: "BaseSampler") -> "Study":
    import optuna

    quiet_optuna()
    return optuna.create_study(
        storage=storage,
        study_name=spec.name,
        sampler=sampler,
        pruner=_pruner(spec),
        direction="minimize" if spec.objective == "best/val_loss" else "maximize",
        load_if_exists=True,
    )


def _storage(address: str) -> "BaseStorage":
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    return get_storage(address) if "://" in address else JournalStorage(JournalFileBackend(address))


def _pruner(spec: StudySpec) -> "BasePruner":
    from optuna import pruners

    match spec.pruning:
        case "asha":
            return pruners.SuccessiveHalvingPruner(min_resource=spec.pruning_start, reduction_factor=REDUCTION)
        case "hyperband":
            return pruners.HyperbandPruner(
                min_resource=spec.pruning_start, max_resource=spec.epochs, reduction_factor=REDUCTION
            )
        case "median":
            return pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=spec.pruning_start)
    return pruners.NopPruner()  # patience compares with no other run: see `TrialPruner`


class TrialPruner:
    """Reports the epochs of a run to its study, and decides after each whether to stop the run there."""

    def __init__(self, trial: "Trial", spec: StudySpec) -> None:
        self._trial = trial
        self._spec = spec
        self._best: float | None = None
        self._best_epoch = 0
        self._reported = 0  # last epoch; another attempt at the run repeats the epochs that were reported before
        self._pruned_from: int | None = None  # epoch; None: not to be pruned so far

    def should_prune(self, values: "EpochValues") -> bool:
        """Return whether to stop after an epoch; the run is judged by its best epoch so far, as in the objective."""
        if values.epoch > self._reported:
            score = self._spec.score(values)
            best = score if self._best is None else self._spec.better(self._best, score)
            if best != self._best:
                self._best, self._best_epoch = best, values.epoch
            self._trial.report(best, step=values.epoch)
            self._reported = values.epoch
            if self._pruned_from is None and self._decide():
                self._pruned_from = values.epoch
        return self._pruned_from is not None and values.epoch >= self._pruned_from

    def _decide(self) -> bool:
        if self._spec.pruning == "patience":
            # Optuna's patience compares with earlier values, and a best so far is never worse than those.
            return self._reported - self._best_epoch >= self._spec.pruning_start
        return self._spec.pruning != "none" and self._trial.should_prune()


def join_study(spec: StudySpec, trial: int) -> TrialPruner:
    """Return the pruner of a run in another process than its search; `trial` is the number of the run's trial."""
    from optuna.samplers import RandomSampler
    from optuna.trial import Trial

    storage = _storage(spec.storage)
    study = _open_in(storage, spec, RandomSampler())  # which draws nothing here
    trial_id = storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(spec.name), trial)
    return TrialPruner(Trial(study, trial_id), spec)
