"""The scripts that Slurm is given: one of the runs, one of the comparison after them."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cnnexp.config import SlurmConfig
from cnnexp.system import own_process

_NOTICE = 60  # seconds before the time limit at which a run is told to save its state; Slurm's clock is that coarse


def runs_script(
    settings: SlurmConfig,
    *,
    name: str,
    folder: Path,
    numbers: Sequence[int],
    first: int = 0,
    cpus: int,
    at_a_time: int | None,
) -> str:
    """Return the script of a job array with one task for each run.

    Args:
        settings: What each run asks for.
        name: Of the sweep.
        folder: Of the sweep, absolute.
        numbers: Of the runs.
        first: What to add to an index of the array to get the number of a run: indices have a limit.
        cpus: Cores of each run.
        at_a_time: Most runs at a time; None: as many as Slurm finds room for.

    """
    most = "" if at_a_time is None else f"%{at_a_time}"
    log = folder / (f"run-{first}+%a.log" if first else "run-%a.log")
    lines = [
        *_lines(settings, name=name, log=log, cpus=cpus),
        f"--array={_ranges([number - first for number in numbers])}{most}",
        f"--signal=B:USR1@{_NOTICE}",
        *([f"--gres=gpu:{settings.gpus}"] if settings.gpus else []),
    ]
    number = f"$(({first} + SLURM_ARRAY_TASK_ID))" if first else '"$SLURM_ARRAY_TASK_ID"'
    return _script(lines, settings, f"-m cnnexp.sweeps.slurm.task {shlex.quote(str(folder))} {number}")


def comparison_script(settings: SlurmConfig, *, name: str, folder: Path) -> str:
    """Return the script of the job that compares the runs when all of them have ended."""
    lines = _lines(settings, name=f"{name}-comparison", log=folder / "comparison.log", cpus=1)
    return _script(lines, settings, f"-m cnnexp.sweeps.slurm.comparison {shlex.quote(str(folder))}")


def _lines(settings: SlurmConfig, *, name: str, log: Path, cpus: int) -> list[str]:
    asked = {"partition": settings.partition, "account": settings.account, "time": settings.time}
    return [
        f"--job-name={name}",
        f"--chdir={Path.cwd()}",  # relative paths mean the same there
        f"--output={_without_patterns(log)}",
        "--open-mode=append",  # a run that is begun again
        "--requeue",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={cpus}",
        *([f"--mem={settings.memory}"] if settings.memory is not None else []),
        *(f"--{option}={value}" for option, value in asked.items() if value is not None),
    ]


def _script(lines: Sequence[str], settings: SlurmConfig, program: str) -> str:
    asked = "".join(f"#SBATCH {_quoted(line)}\n" for line in [*lines, *settings.options])  # the last one counts
    setup = "".join(f"{line}\n" for line in settings.setup)
    # `exec`: the signals of Slurm are for this process, and a shell would keep them.
    tree = own_process.source_tree()
    found = "" if tree is None else f'env PYTHONPATH={shlex.quote(tree)}"${{PYTHONPATH:+:$PYTHONPATH}}" '
    return f"#!/bin/bash\n{asked}{setup}exec {found}{shlex.quote(sys.executable)} -P {program}\n"


def _quoted(line: str) -> str:
    option, equals, value = line.partition("=")
    plain = not any(character.isspace() or character in "\"'\\#" for character in value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return line if plain else f'{option}{equals}"{escaped}"'


def _without_patterns(log: Path) -> Path:
    """Return the path of a log in which no character of its folder means anything to Slurm."""
    return Path(str(log.parent).replace("%", "%%")) / log.name


def _ranges(numbers: Sequence[int]) -> str:
    """Return numbers as Slurm writes them, such as ``0-3,7``."""
    texts: list[str] = []
    first = last = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number == last + 1:
            last = number
            continue
        texts.append(str(first) if first == last else f"{first}-{last}")
        if number is not None:
            first = last = number
    return ",".join(texts)
