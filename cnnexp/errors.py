"""Every error cnnexp raises on purpose.

    CnnexpError            exit code 1
    ├── CheckpointError    a run cannot go on from where it was stopped
    ├── ConfigError        exit code 2: a setting or a command word is wrong; nothing was started
    ├── DataError          the data set is missing, unreadable or unfit for this run
    │   └── DataPathError  exit code 2: a setting names a file or folder that does not exist
    ├── ExtensionError     code that a user added failed, or returned something else than it should
    ├── ModelError         a saved model is missing, damaged, or no longer gives the answers it promised
    ├── MemoryShortageError memory ran out in training
    ├── NonFiniteLossError training produced NaN or infinity
    ├── OutputError        what a command was started for cannot be printed or written
    ├── SweepError         a sweep cannot go on, or some of its runs failed
    ├── WorkerError        a machine of a run on several is gone
    └── TrackingError      the MLflow store cannot be reached or refuses
        ├── TargetError    exit code 2: a command names no store or run, or several where it wants one
        └── StoreUnavailableError  the store fails at the moment: asking again may help

A message says, in this order: the rule, what came, what is allowed, what to do.
"""


class CnnexpError(Exception):
    """Base of all expected failures: the command line prints one without a traceback."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it, by IPython's protocol: one line, as on the command line."""
        return [f"{type(self).__name__}: {self}"]


class CheckpointError(CnnexpError):
    """A run cannot go on from where it was stopped: what it would go on with has changed since."""


class ConfigError(CnnexpError):
    """A setting is unknown, of the wrong type, out of range, or contradicts another."""

    exit_code = 2


class DataError(CnnexpError):
    """The data set is missing, unreadable, or makes this run meaningless."""


class DataPathError(DataError):
    """A setting names a file or folder that does not exist."""

    exit_code = 2


class ExtensionError(CnnexpError):
    """Code that a user added by ``--extend`` failed, or returned something else than its contract says."""


class ModelError(CnnexpError):
    """A saved model is missing, damaged, or answers differently than its card promises."""


class MemoryShortageError(CnnexpError):
    """Memory ran out in training; alone on its machine, or with smaller batches, the run may succeed."""


class NonFiniteLossError(CnnexpError):
    """The training loss became NaN or infinite."""


class OutputError(CnnexpError):
    """Standard output, or the file that was asked for, cannot be written, and a command was started for that."""


class SweepError(CnnexpError):
    """A sweep cannot go on, or some of its runs failed."""


class WorkerError(CnnexpError):
    """A machine that computes a part of each batch of a run is gone."""


class TrackingError(CnnexpError):
    """The MLflow store cannot be reached, or refused what was sent."""


class TargetError(TrackingError):
    """A command names nothing that was recorded, or several runs where it wants one."""

    exit_code = 2


class StoreUnavailableError(TrackingError):
    """The store fails at the moment, as a server that restarts or a database that is locked: asking again may help."""
