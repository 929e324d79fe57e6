from dataclasses import dataclass

from cnnexp.config.setting import one_of, within
from cnnexp.errors import ConfigError


@dataclass(kw_only=True, slots=True)
class SweepConfig:
    """How the runs of a sweep are carried out; nothing here changes what one of them learns."""

    workers: int | str  # runs at a time; auto: as many as their threads fit into the cores
    retries: int  # further attempts for a run whose process was killed, ran out of memory or took too long
    time_limit: float | None  # seconds one attempt may take; None: as long as it needs
    zip: list[str]  # settings whose lists are walked together instead of combined
    resume: str  # auto: go on with the newest sweep of the same words; never; or the id of a sweep's parent run
    dry_run: bool  # print the runs instead of doing them
    objective: str  # what a search improves: a metric of the validation split
    pruning: str  # none | asha | hyperband | median | patience: which hopeless runs are stopped early
    pruning_start: int  # epochs before a run can be stopped; of patience: without improvement

    def __post_init__(self) -> None:
        if isinstance(self.workers, str):
            if self.workers != "auto":
                raise ConfigError(f"sweep.workers must be auto or a whole number from 1; got {self.workers!r}.")
        else:
            within("sweep.workers", self.workers, 1, 1024)
        within("sweep.retries", self.retries, 0, 100)
        within("sweep.time_limit", self.time_limit, 0, above=True)
        one_of("sweep.objective", self.objective, ("best/val_loss", "best/val_accuracy"))
        one_of("sweep.pruning", self.pruning, ("none", "asha", "hyperband", "median", "patience"))
        within("sweep.pruning_start", self.pruning_start, 1)

    def refuse_lists(self) -> None:
        """Refuse, where there are no lists of ours, what is said about them.

        Raises:
            ConfigError: something is.

        """
        for name, asked in (("sweep.dry_run", self.dry_run), ("sweep.zip", bool(self.zip))):
            if asked:
                raise ConfigError(
                    f"{name} is for cnnexp's own sweepers, and this is one run, or the command chose another sweeper. "
                    f"Add -m and leave out hydra/sweeper=..., or leave out {name}."
                )
