"""``cnnexp.run`` and ``cnnexp.sweep``: the command line's runs and sweeps, each in a process of its own."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

from cnnexp.api.child_process import ChildProcess
from cnnexp.api.notebook_output import NotebookOutput, in_notebook
from cnnexp.api.recorded_run import Run, get_run
from cnnexp.api.recorded_sweep import Sweep, get_sweep
from cnnexp.cli.code_flags import EXTEND
from cnnexp.config import Override
from cnnexp.errors import ConfigError, TrackingError
from cnnexp.system.caller import Recorded
from cnnexp.system.text import program

_Result = TypeVar("_Result", Run, Sweep)


def run(*overrides: str, extend: str | Path | Sequence[str | Path] = (), config_dir: str | Path | None = None) -> Run:
    """Do one run, as ``cnnexp OVERRIDES`` does, and return what it has recorded.

    It runs in a process of its own, because TensorFlow fixes its threads once a process. Interrupting the kernel is
    Ctrl-C: the run is recorded as KILLED, then KeyboardInterrupt is raised here.

    Args:
        overrides: Settings as on the command line, such as ``"model=small"``, ``"training.epochs=5"``.
        extend: Files of Python that add options of your own, as ``--extend``.
        config_dir: A folder of further YAML files, as ``--config-dir``.

    Raises:
        ConfigError: A setting is wrong; nothing was started.
        CnnexpError: The data, the store or the training failed; the record says how.
        KeyboardInterrupt: It was interrupted.

    """
    found = _result(_arguments(overrides, extend, config_dir), get_run)
    if found is None:
        raise ConfigError("cnnexp.run must start one run; these settings start none. Use cnnexp.sweep for several.")
    return found


def sweep(
    *overrides: str, extend: str | Path | Sequence[str | Path] = (), config_dir: str | Path | None = None
) -> Sweep | None:
    """Do every combination of the values of the settings, as ``cnnexp -m OVERRIDES`` does; finished runs are resumed.

    Interrupting once lets the running runs finish, twice stops them; all are recorded. The same call resumes.

    Args:
        overrides: As of `run`, with several values where a setting is varied, such as ``"seed=0,1,2"``.
        extend: As of `run`.
        config_dir: As of `run`.

    Returns:
        The sweep; None for ``sweep.dry_run=true``, which prints the runs.

    Raises:
        ConfigError: A setting is wrong; nothing was started.
        SweepError: Some runs failed; `get_sweep` has the others.
        CnnexpError: The sweep could not begin, or could not go on.
        KeyboardInterrupt: It was interrupted.

    """
    return _result(["-m", *_arguments(overrides, extend, config_dir)], get_sweep)


def _arguments(
    overrides: Sequence[str], extend: str | Path | Sequence[str | Path], config_dir: str | Path | None
) -> list[str]:
    for override in overrides:
        if not isinstance(override, str) or override.startswith("-"):
            raise ConfigError(f"A setting is a text key=value, such as 'training.epochs=5'; got {override!r}.")
    files = [extend] if isinstance(extend, str | Path) else extend
    folder = [] if config_dir is None else [f"--config-dir={config_dir}"]
    return [*(f"{EXTEND}={file}" for file in files), *folder, *overrides]


def _result(arguments: Sequence[str], read: Callable[[str, str], _Result]) -> _Result | None:
    """Execute a command line; return what `read` finds of it in its store, by id and store, None: it recorded nothing.

    In a notebook, the output that has shown the progress then shows the result's headline.
    """
    output = NotebookOutput.begin() if in_notebook() else None
    process = ChildProcess.start(arguments, captured=output is not None)
    with nullcontext() if output is None else output:
        recorded = process.follow(_ignore if output is None else output.show)
        if recorded is None:
            return None
        result = read(_delivered(recorded), str(Override.setting("tracking.uri", recorded.uri)))
    if output is not None:
        output.replace(result.headline)
    return result


def _ignore(_: object) -> None:
    """Show nothing: the process prints on the terminal itself."""


def _delivered(recorded: Recorded) -> str:
    """Return the id of what was recorded.

    Raises:
        TrackingError: the store did not take all of it.

    """
    if recorded.run_id is None or recorded.kept_folder is not None:
        send = f" Complete it: {program()} send {recorded.kept_folder}" if recorded.kept_folder else ""
        raise TrackingError(f"The run is over, but it is not in the store: {recorded.reason}{send}")
    return recorded.run_id
