"""The door of a run and of a sweep: Hydra composes, then one straight line."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra._internal.utils import get_args_parser  # Hydra's own flags; it offers no public way to read them
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cnnexp.compose import (
    CONF,
    came_from_hydra,
    check_sweep,
    check_words,
    columns,
    explain,
    other_settings,
    quote_home,
    run_name,
    to_typed,
    to_yaml,
)
from cnnexp.config import ExperimentConfig
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.system import quiet

if TYPE_CHECKING:
    from cnnexp.sweeps.context import SweepContext
    from cnnexp.tracking import Receipt


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def run(cfg: DictConfig) -> float:
    """Do one run and return ``best/val_loss``, the objective of every search.

    In a sweep an error is raised, so that the other runs go on; alone it leaves as SystemExit with the error as its
    cause, because Hydra announces an exception with a line of its own.
    """
    from cnnexp.sweeps.context import SweepContext

    try:
        return train(to_typed(cfg), words=HydraConfig.get().overrides.task, sweep=SweepContext.from_environment())
    except CnnexpError as error:
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            raise
        raise SystemExit(error.exit_code) from error


def train(config: ExperimentConfig, *, words: Sequence[str], sweep: "SweepContext") -> float:
    """Train, judge and record one configuration; return ``sweep.objective``, by default best/val_loss.

    `words` are those it was composed with: they name the run, and say which settings are worth a column.
    `sweep` is the run's place in a sweep under an external launcher.

    Raises:
        CnnexpError: the data, the store or the training failed; the record says how.

    """
    from cnnexp.report.run import RunReport
    from cnnexp.tracking import recording

    if not sweep.tags:  # not a run of cnnexp's sweepers
        config.sweep.refuse_lists()
    name = config.tracking.run_name or run_name(config, words)
    with (
        RunReport() as report,
        recording(
            config.tracking,
            run_name=name,
            parameters=columns(config, words),
            config_yaml=to_yaml(config),
            tags={**sweep.tags, **other_settings(config, words)},
            replaces=sweep.replaces,
        ) as recorder,
    ):
        quiet.import_tensorflow()  # while the recorder's own process imports MLflow
        from cnnexp.runs.record_run import record_run

        outcome = record_run(config, name=name, report=report, recorder=recorder, should_prune=sweep.pruner())
    report.closing(_closing(recorder.receipt))
    return outcome.metrics[config.sweep.objective]


def _closing(receipt: "Receipt") -> list[tuple[str, str]]:
    """What to type next."""
    if receipt.url_command is not None:
        return [("open", receipt.url_command)]
    if receipt.send_command is not None:
        return [("kept in", str(receipt.kept_folder)), ("send", receipt.send_command)]
    return [("not kept", receipt.reason)]


def launch(words: Sequence[str]) -> int:
    """Hand the command line to Hydra: a run, a sweep, or a flag such as ``--cfg job``; return the exit code.

    Raises:
        ConfigError: the command line or a YAML file is wrong; nothing was started.
        CnnexpError: what the run raised.

    """
    words = quote_home(words)
    asked = _read(words)
    sys.argv = ["cnnexp", *words]  # where Hydra reads its words, and the name its shell completion completes
    full_error = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing, and the line is ours
    try:
        check_words(asked.overrides)
        if asked.multirun:
            check_sweep(asked.overrides, config_dir=asked.config_dir and Path(asked.config_dir))
            _begin_to_import(asked.overrides)
        run()
    except SystemExit as leaving:
        if isinstance(leaving.__cause__, CnnexpError):
            raise leaving.__cause__ from None
        return leaving.code if isinstance(leaving.code, int) else 0
    except (CnnexpError, BrokenPipeError):
        raise
    except Exception as error:
        if full_error or not came_from_hydra(error):
            raise
        raise explain(error, asked.overrides) from error
    return 0


def _begin_to_import(words: Sequence[str]) -> None:
    """Start what imports TensorFlow for all runs of a sweep while Hydra composes, unless they are done elsewhere."""
    from cnnexp.sweeps.executors import forkserver

    if not any(word.startswith(("hydra/launcher=", "sweep.dry_run=")) for word in words):
        forkserver.start()


def _read(words: Sequence[str]) -> argparse.Namespace:
    """Parse the words as Hydra does, with one line instead of its usage where they are wrong."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return get_args_parser().parse_args(list(words))
    except SystemExit as leaving:
        if leaving.code == 0:  # --version
            raise
        reason = complaint.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise ConfigError(f"{reason}; a setting is written key=value without dashes, --help shows all.") from None
