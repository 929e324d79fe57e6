from cnnexp.config.setting import one_of, setting, settings, within
from cnnexp.errors import ConfigError


@settings
class SweepConfig:
    """How the runs of a sweep are carried out; nothing here changes what one of them learns."""

    workers: int | str = setting(affects="execution")  # runs at a time; auto: as many as the cores hold
    per_gpu: int | str = setting(affects="execution", neutral="auto")  # runs that share a GPU; auto: as many as fit
    retries: int = setting(affects="execution")  # for a run that was killed, ran out of memory or took too long
    time_limit: float | None = setting(affects="execution")  # seconds one attempt may take; None: as long as it needs
    zip: list[str] = setting(affects="sweep")  # settings whose lists are walked together instead of combined
    resume: str = setting(affects="command")  # auto: resume the newest equal sweep; never; or its parent run's id
    dry_run: bool = setting(affects="command")  # print the runs instead of doing them
    objective: str = setting(affects="sweep")  # what a search improves: a metric of the validation split
    pruning: str = setting(affects="sweep")  # none | asha | hyperband | median | patience
    pruning_start: int = setting(affects="sweep")  # epochs before a run may stop; patience: without improvement

    def __post_init__(self) -> None:
        if isinstance(self.workers, str):
            if self.workers != "auto":
                raise ConfigError(f"sweep.workers must be auto or a whole number from 1; got {self.workers!r}.")
        else:
            within("sweep.workers", self.workers, 1, 1024)
        if isinstance(self.per_gpu, str):
            if self.per_gpu != "auto":
                raise ConfigError(f"sweep.per_gpu must be auto or a whole number from 1; got {self.per_gpu!r}.")
        else:
            within("sweep.per_gpu", self.per_gpu, 1, 64)
        within("sweep.retries", self.retries, 0, 100)
        within("sweep.time_limit", self.time_limit, 0, above=True)
        one_of("sweep.objective", self.objective, ("best/val_loss", "best/val_accuracy"))
        one_of("sweep.pruning", self.pruning, ("none", "asha", "hyperband", "median", "patience"))
        within("sweep.pruning_start", self.pruning_start, 1)

    def refuse_lists(self) -> None:
        """Refuse settings about lists of values in a single run and under sweepers that are not cnnexp's.

        Raises:
            ConfigError: `dry_run` or `zip` is set.

        """
        for name, asked in (("sweep.dry_run", self.dry_run), ("sweep.zip", bool(self.zip))):
            if asked:
                raise ConfigError(
                    f"{name} is for cnnexp's own sweepers, and this is one run, or the command chose another sweeper. "
                    f"Add -m and leave out hydra/sweeper=..., or leave out {name}."
                )
