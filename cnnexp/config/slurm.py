import re

from cnnexp.config.setting import setting, settings, within
from cnnexp.errors import ConfigError

_TIME = re.compile(r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}")  # as sbatch takes it
_MEMORY = re.compile(r"\d+[KMGT]?")


@settings
class SlurmConfig:
    """What each run of a sweep asks Slurm for; ``hydra.launcher`` with ``hydra/launcher=slurm``."""

    _target_: str = setting(affects="execution")  # Hydra's name for the launcher
    partition: str | None = setting(affects="execution")  # None: the cluster's default
    account: str | None = setting(affects="execution")  # None: the user's default
    time: str | None = setting(
        affects="execution"
    )  # most of one run, as sbatch takes it; None: the partition's default
    cpus: int = setting(affects="execution")  # most cores of one run
    memory: str | None = setting(affects="execution")  # of one run, as sbatch takes it; None: the cluster's default
    gpus: int = setting(affects="execution")  # of one run
    options: list[str] = setting(affects="execution")  # more of sbatch's options
    setup: list[str] = setting(affects="execution")  # lines of shell before each run
    follow: bool = setting(affects="execution")  # stay until the sweep has ended

    def __post_init__(self) -> None:
        within("hydra.launcher.cpus", self.cpus, 1, 1024)
        within("hydra.launcher.gpus", self.gpus, 0, 64)
        if self.time is not None and not _TIME.fullmatch(self.time):
            raise ConfigError(
                "hydra.launcher.time must be minutes, hours:minutes:seconds or days-hours, such as 90, 1:30:00 or "
                f"2-12; got {self.time!r}."
            )
        if self.memory is not None and not _MEMORY.fullmatch(self.memory):
            raise ConfigError(f"hydra.launcher.memory must be a number with K, M, G or T; got {self.memory!r}.")
        for option in self.options:
            if not option.startswith("-") or "\n" in option:
                raise ConfigError(
                    f"hydra.launcher.options are options of sbatch such as --qos=low; got {option!r}. Lines of shell "
                    "belong in hydra.launcher.setup."
                )
