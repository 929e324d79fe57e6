"""A search with Optuna: which run comes next, and which is hopeless."""

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from cnnexp.errors import ConfigError
from cnnexp.records import EpochValues
from cnnexp.sweeps.jobs import Composer, Job
from cnnexp.sweeps.study_spec import Rules

REDUCTION = 3  # of successive halving: a third goes on at each rung; Li et al. 2020, arXiv:1810.05934
STARTUP_TRIALS = 5  # runs that finish before any is compared with their median

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_study(rules: Rules, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Open the study, or begin it."""
    return optuna.create_study(
        storage=_storage(rules.storage),
        study_name=rules.name,
        sampler=sampler,
        pruner=_pruner(rules),
        direction="minimize" if rules.objective == "best/val_loss" else "maximize",
        load_if_exists=True,
    )


def _storage(address: str) -> str | BaseStorage:
    return address if "://" in address else JournalStorage(JournalFileBackend(address))


def _pruner(rules: Rules) -> optuna.pruners.BasePruner:
    match rules.pruning:
        case "asha":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=rules.pruning_start, reduction_factor=REDUCTION)
        case "hyperband":
            return optuna.pruners.HyperbandPruner(
                min_resource=rules.pruning_start, max_resource=rules.epochs, reduction_factor=REDUCTION
            )
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=rules.pruning_start)
    return optuna.pruners.NopPruner()  # patience needs no other run: see `Judge`


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    match name:
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
        case "tpe":  # constant liar: runs that are going on count as bad, so that those beside them look elsewhere
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True)
        case "grid":  # every trial is put in line beforehand: Optuna's own sampler ends a study that asks and tells
            return optuna.samplers.RandomSampler(seed=seed)
    raise ConfigError(f"hydra.sweeper.sampler must be one of random, tpe, grid; got {name!r}.")


def _grid(space: Mapping[str, BaseDistribution]) -> list[dict[str, str | float]]:
    """Return every combination of values.

    Raises:
        ConfigError: a setting has more values than can be tried.

    """
    steps = [_steps(key, distribution) for key, distribution in space.items()]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*steps)]


def _steps(key: str, distribution: BaseDistribution) -> Sequence[str | float]:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return [choice for choice in choices if isinstance(choice, str)]
        case IntDistribution(low=low, high=high, step=step, log=False):
            return range(low, high + 1, step)
        case FloatDistribution(low=low, high=high, step=float(step)):
            return [low + number * step for number in range(round((high - low) / step) + 1)]
    raise ConfigError(f"hydra.sweeper.sampler=grid needs values one by one; {key} is an interval, not A,B,C.")


def require_sampler(name: str, space: Mapping[str, BaseDistribution]) -> None:
    """Raise ConfigError unless there is such a sampler, and it can draw from the space."""
    _sampler(name, seed=0)
    if name == "grid":
        _grid(space)


class Judge:
    """Reports a run's epochs to its study and says when to stop."""

    def __init__(self, trial: Trial, rules: Rules) -> None:
        self._trial = trial
        self._rules = rules
        self._best: float | None = None
        self._best_epoch = 0
        self._reported = 0  # the last epoch; a run that is tried again repeats what it has reported
        self._hopeless_from: int | None = None  # epoch; None: it was never told to stop

    def hopeless(self, values: EpochValues) -> bool:
        """Tell after an epoch whether the run should stop; what is judged is its best so far, as in the objective."""
        if values.epoch > self._reported:
            score = self._rules.score(values)
            best = score if self._best is None else self._rules.better(self._best, score)
            if best != self._best:
                self._best, self._best_epoch = best, values.epoch
            self._trial.report(best, step=values.epoch)
            self._reported = values.epoch
            if self._hopeless_from is None and self._should_stop():
                self._hopeless_from = values.epoch
        return self._hopeless_from is not None and values.epoch >= self._hopeless_from

    def _should_stop(self) -> bool:
        if self._rules.pruning == "patience":
            # Optuna's own compares with the values before, and a best so far is never worse than those.
            return self._reported - self._best_epoch >= self._rules.pruning_start
        return self._rules.pruning != "none" and self._trial.should_prune()


class Search:
    """A source of runs: trials of a study."""

    @property
    def ahead(self) -> bool:
        """Whether what comes next is known: that nothing does."""
        return self.left < 1

    def __init__(
        self,
        composer: Composer,
        fixed: Sequence[str],
        space: Mapping[str, BaseDistribution],
        rules: Rules,
        *,
        sampler: str,
        seed: int,
        n_trials: int,
    ) -> None:
        self._composer = composer
        self._fixed = tuple(fixed)
        self._space = dict(space)
        self.rules = rules
        self.may_stop = rules.pruning != "none"
        self._study = open_study(rules, _sampler(sampler, seed))
        if known := len(self._study.trials):  # or a search that goes on would draw what it has drawn before
            self._study.sampler = _sampler(sampler, seed + known)
        combinations = _grid(space) if sampler == "grid" else []
        for params in combinations:
            self._study.enqueue_trial(params, skip_if_exists=True)
        self.left = (len(combinations) or n_trials) - self._finished()
        self._again()
        self._trials: dict[int, Trial] = {}
        self._judges: dict[int, Judge] = {}

    def _finished(self) -> int:
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))

    def _again(self) -> None:
        """Put first in line what was begun and not finished: a killed sweep leaves trials RUNNING, or FAILED."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
        trials = self._study.get_trials(deepcopy=False)
        done = [trial.params for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        done += [trial.system_attrs["fixed_params"] for trial in trials if trial.state is TrialState.WAITING]
        for trial in trials:
            if trial.state is TrialState.FAIL and trial.params and trial.params not in done:
                done.append(trial.params)
                self._study.enqueue_trial(trial.params, skip_if_exists=False)

    def next(self) -> Job | None:
        """Return the next run; None: all have begun.

        Raises:
            ConfigError: the settings of this one contradict each other; asking again gives the one after it.

        """
        if self.left < 1:
            return None
        self.left -= 1
        trial = self._study.ask(self._space)
        words = [f"{key}={_text(value)}" for key, value in trial.params.items()]
        try:
            job = self._composer.job(trial.number, (*self._fixed, *words), [key.lstrip("+") for key in trial.params])
        except ConfigError:
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        self._trials[job.number] = trial
        self._judges[job.number] = Judge(trial, self.rules)
        return job

    def hopeless(self, number: int, values: EpochValues) -> bool:
        """Report an epoch; tell whether the run should stop."""
        return self._judges[number].hopeless(values)

    def ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Tell the study how a run ended."""
        trial = self._trials.pop(number)
        del self._judges[number]
        if metrics is None:
            self._study.tell(trial, state=TrialState.FAIL)
        elif pruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, metrics[self.rules.objective])


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def joined_trial(rules: Rules, number: int) -> Callable[[EpochValues], bool]:
    """Return what a run of another process asks after each epoch: its trial in the shared study."""
    study = open_study(
        rules, optuna.samplers.RandomSampler()
    )  # the pruner is not kept in the study, and nothing is drawn
    trial_id = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    return Judge(Trial(study, trial_id), rules).hopeless
