"""A search with Optuna: decides which run comes next."""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import Trial, TrialState

from cnnexp.config import Override
from cnnexp.errors import ConfigError
from cnnexp.records import EpochValues
from cnnexp.sweeps.jobs import Composer, Job
from cnnexp.sweeps.pruning import StudySpec, TrialPruner, open_study, quiet_optuna
from cnnexp.sweeps.search_space import choice_of, grid

_ENQUEUED = "enqueued"  # user attribute of a trial that was put in line: its parameters, as long as it has no others

quiet_optuna()


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    match name:
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
        case "tpe":  # constant liar: running trials count as bad, so that trials beside them try other values
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True)
        case "grid":  # every trial is enqueued beforehand: Optuna's grid sampler stops a study that uses ask and tell
            return optuna.samplers.RandomSampler(seed=seed)
    raise ConfigError(f"hydra.sweeper.sampler must be one of random, tpe, grid; got {name!r}.")


def require_sampler(name: str, space: Mapping[str, BaseDistribution]) -> None:
    """Raise ConfigError unless there is such a sampler, and it can draw from the space."""
    _sampler(name, seed=0)
    if name == "grid":
        grid(space)


class Search:
    """The trials of a study, as a `JobSource`.

    A study that exists is continued: trials that were begun and not finished come first.
    """

    def __init__(
        self,
        composer: Composer,
        fixed: Sequence[str],
        space: Mapping[str, BaseDistribution],
        spec: StudySpec,
        *,
        study: optuna.Study,
        left: int,
    ) -> None:
        self._composer = composer
        self._fixed = tuple(fixed)
        self._space = dict(space)
        self._study = study
        self.spec = spec
        self.prunes = spec.pruning != "none"
        self.left = left  # trials that are still to begin
        self._trials: dict[int, Trial] = {}
        self._pruners: dict[int, TrialPruner] = {}

    @classmethod
    def begin(
        cls,
        composer: Composer,
        fixed: Sequence[str],
        space: Mapping[str, BaseDistribution],
        spec: StudySpec,
        *,
        sampler: str,
        seed: int,
        n_trials: int,
    ) -> "Search":
        """Open the study and put trials in line; `fixed` are the overrides that all runs share.

        A new study begins with the settings as they are without it, as far as the space has them: whoever searches
        wants to know what is better than these, and they are no bad beginning.
        """
        study = open_study(spec, _sampler(sampler, seed))
        if known := len(study.trials):  # or a search that is continued would draw what it has drawn before
            study.sampler = _sampler(sampler, seed + known)
        combinations = grid(space) if sampler == "grid" else []
        if not known and sampler != "grid" and (usual := _usual(composer, fixed, space)):
            study.enqueue_trial(usual, user_attrs={_ENQUEUED: usual})
        for params in combinations:
            study.enqueue_trial(params, user_attrs={_ENQUEUED: params}, skip_if_exists=True)
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        _enqueue_unfinished(study)
        left = (len(combinations) or n_trials) - len(finished)
        return cls(composer, fixed, space, spec, study=study, left=left)

    @property
    def independent(self) -> bool:
        """Whether the next job does not depend on how runs go; true when there is no other."""
        return self.left < 1

    def next_job(self) -> Job | None:
        """Return the next job; None: all have begun.

        Raises:
            ConfigError: the settings of this job contradict each other; the next call returns the job after it.

        """
        if self.left < 1:
            return None
        self.left -= 1
        trial = self._study.ask(self._space)
        drawn = [f"{key}={_text(value)}" for key, value in trial.params.items()]
        varied = [Override.parse(key).key for key in trial.params]
        try:
            job = self._composer.compose(trial.number, (*self._fixed, *drawn), varied)
        except ConfigError:
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        self._trials[job.number] = trial
        self._pruners[job.number] = TrialPruner(trial, self.spec)
        return job

    def should_prune(self, number: int, values: EpochValues) -> bool:
        """Report an epoch of a run; return whether to stop the run there."""
        return self._pruners[number].should_prune(values)

    def run_ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Tell the study how a run ended."""
        trial = self._trials.pop(number)
        del self._pruners[number]
        if metrics is None:
            self._study.tell(trial, state=TrialState.FAIL)
        elif pruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, metrics[self.spec.objective])


def _usual(composer: Composer, fixed: Sequence[str], space: Mapping[str, BaseDistribution]) -> dict[str, str | float]:
    """Return what the settings of the space are without the search, of those whose value is in it."""
    values = {key: composer.value_of(Override.parse(key).key, tuple(fixed)) for key in space}
    chosen = {key: choice_of(space[key], value) for key, value in values.items()}
    return {key: value for key, value in chosen.items() if value is not None}


def _enqueue_unfinished(study: optuna.Study) -> None:
    """Put first in line what was begun and not finished: a killed sweep leaves trials RUNNING, or FAILED."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    settled = [trial.params for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    settled += [trial.user_attrs.get(_ENQUEUED, {}) for trial in trials if trial.state is TrialState.WAITING]
    for trial in trials:
        if trial.state is TrialState.FAIL and trial.params and trial.params not in settled:
            settled.append(trial.params)
            study.enqueue_trial(trial.params, user_attrs={_ENQUEUED: trial.params})


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
