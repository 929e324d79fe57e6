"""The door of a run and of a sweep: Hydra composes, then one straight line."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cnnexp.compose import (
    came_from_hydra,
    check_overrides,
    check_sweep,
    columns,
    config_dir_of,
    explain,
    other_settings,
    quote_texts,
    read_command_line,
    register_added,
    run_command,
    run_name,
    to_typed,
    to_yaml,
)
from cnnexp.config import ExperimentConfig, TrainingConfig, values_of
from cnnexp.config.defaults import CONF
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.system import caller, quiet, streams
from cnnexp.system.find_devices import require_gpu
from cnnexp.system.resources import allow_open_files
from cnnexp.system.signals import StopRequest
from cnnexp.system.text import printable

STOPPING = "Stopping after this step: the state is saved and the run can be resumed. Press Ctrl-C again to stop now."
_OPEN_FILES = 32  # with fewer, TensorFlow cannot be imported

if TYPE_CHECKING:
    from cnnexp.report.run import RunReport
    from cnnexp.runs.record_run import Outcome
    from cnnexp.sweeps.context import SweepContext
    from cnnexp.tracking import Receipt, Recorder


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def run(cfg: DictConfig) -> float:
    """Do one run and return ``best/val_loss``, the objective of every search.

    In a sweep an error is raised, so that the other runs go on; alone it leaves as SystemExit with the error as its
    cause, because Hydra announces an exception with a line of its own.
    """
    from cnnexp.sweeps.context import SweepContext

    try:
        hydra_config = HydraConfig.get()
        return train(
            to_typed(cfg),
            overrides=hydra_config.overrides.task,
            sweep=SweepContext.from_environment(),
            folder=Path(hydra_config.sweep.dir),
            config_dir=config_dir_of(hydra_config.runtime.config_sources),
        )
    except CnnexpError as error:
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            raise
        raise SystemExit(error.exit_code) from error


def train(
    config: ExperimentConfig,
    *,
    overrides: Sequence[str],
    sweep: "SweepContext",
    folder: Path,
    config_dir: str | None = None,
) -> float:
    """Train, judge and record one configuration; return ``sweep.objective``, by default best/val_loss.

    `overrides` are those it was composed with: they name the run, and say which settings are worth a column.
    `sweep` is the run's place in a sweep under an external launcher. With `data.folds` there are several runs, in
    processes of their own; `folder` is for what these print. `config_dir` is the folder of further YAML files.

    Raises:
        CnnexpError: the data, the store or the training failed; the record says how.

    """
    from cnnexp.report.console import print_title

    if not sweep.tags:  # not a run of cnnexp's sweepers
        config.sweep.refuse_lists()
    from cnnexp.runs.starting_network import pinned, pinned_overrides

    name = config.tracking.run_name or run_name(config, overrides)
    config = pinned(config)
    overrides = pinned_overrides(config, overrides)
    require_gpu(config.training.device)
    if config.data.has_folds:
        config.training.refuse_several_machines()
    if config.training.strategy == "multi_worker":
        _require_machines(config.training)
    print_title(name)  # before what takes seconds to import
    from cnnexp.runs.pretrained import find_pretrained

    find_pretrained(config.model)  # weights that are missing are no reason to wait for TensorFlow, or to record a run
    from cnnexp.report.run import RunReport

    report = RunReport(titled=True)
    if config.data.has_folds:
        from cnnexp.sweeps.folds_command import run_folds

        metrics, receipt = run_folds(
            config, name=name, overrides=overrides, context=sweep, folder=folder, config_dir=config_dir
        )
    else:
        outcome, receipt = _recorded(
            config, name=name, overrides=overrides, sweep=sweep, report=report, config_dir=config_dir
        )
        metrics = outcome.metrics
    report.closing(_closing(receipt, name=name, uri=config.tracking.uri))
    if not sweep.tags:
        _tell_caller(receipt, uri=config.tracking.uri)
    return metrics[config.sweep.objective]


def _require_machines(training: TrainingConfig) -> None:
    """Join the machines of a run on several, before anything of it is recorded."""
    from cnnexp.system import ray_cluster

    ray_cluster.join(training.cluster, of=ray_cluster.RUN)
    ray_cluster.require_others("cpu")


def _recorded(
    config: ExperimentConfig,
    *,
    name: str,
    overrides: Sequence[str],
    sweep: "SweepContext",
    report: "RunReport",
    config_dir: str | None,
) -> "tuple[Outcome, Receipt]":
    from cnnexp.sweeps.resumed_run import resumed_run
    from cnnexp.tracking import recording

    resumed = resumed_run(config, name=name, overrides=overrides, context=sweep, config_dir=config_dir)
    if resumed.run_id is not None:
        report.closing([("resuming", f"run {resumed.run_id[:6]}; training.resume=never starts another run")])
    if resumed.lost is not None:
        report.note(f"Its process {resumed.lost}")
    recorder: Recorder | None = None
    try:
        with (
            report,
            recording(
                config.tracking,
                run_name=name,
                parameters=columns(config, overrides),
                config_yaml=to_yaml(config),
                tags={**sweep.tags, **resumed.tags, **other_settings(config, overrides)},
                key=resumed.key,
                run_id=resumed.run_id,
                replaces=sweep.replaces,
            ) as recorder,
        ):
            with report.waiting("loading TensorFlow"):
                quiet.import_tensorflow()  # while the recorder's own process imports MLflow
            from cnnexp.runs.record_run import record_run
            from cnnexp.runs.resuming import Resuming

            outcome = record_run(
                config,
                name=name,
                command=run_command(config, overrides),
                report=report,
                recorder=recorder,
                should_prune=sweep.pruner(),
                resuming=Resuming.by(
                    config,
                    resumed.folder,
                    restarts=resumed.key is None,
                    note=report.note,
                    warn=report.warn,
                    stop=StopRequest(report.note, text=STOPPING),
                ),
            )
    except BaseException as error:
        if resumed.folder.keep_after(error) and recorder is not None:
            report.closing(resumed.how_to_resume(recorder.run_id))
        raise
    resumed.folder.remove()
    assert recorder is not None
    return outcome, recorder.receipt


def _tell_caller(receipt: "Receipt", *, uri: str) -> None:
    from cnnexp.tracking.store.connection import absolute_uri

    caller.tell(caller.Recorded(receipt.run_id, absolute_uri(uri), receipt.kept_folder, receipt.reason))


def _closing(receipt: "Receipt", *, name: str, uri: str) -> list[tuple[str, str]]:
    """Which run it was (runs of the same settings share a name), where its page is, and what to type next."""
    from cnnexp.tracking.run_page import page_of
    from cnnexp.tracking.store.connection import absolute_uri

    page = page_of(receipt, uri=absolute_uri(uri))
    pages = [("page", printable(page))] if page else []
    if receipt.url_command is not None:
        return [("run", f"{printable(name)}, {str(receipt.run_id)[:6]}"), *pages, ("open", receipt.url_command)]
    if receipt.send_command is not None:
        return [*pages, ("kept in", str(receipt.kept_folder)), ("send", receipt.send_command)]
    return [("not kept", receipt.reason)]


def launch(arguments: Sequence[str]) -> int:
    """Hand the command line to Hydra: a run, a sweep, or a flag such as ``--cfg job``; return the exit code.

    Raises:
        ConfigError: the command line or a YAML file is wrong; nothing was started.
        CnnexpError: what the run raised.

    """
    _require_open_files()
    register_added()
    line = read_command_line(quote_texts(arguments))
    full_error = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        check_overrides(line.overrides)
        if line.multirun:
            check_sweep(line.overrides, config_dir=line.config_dir)
            _begin_to_import(line.overrides)
        with streams.printed_at_once() if line.only_prints else nullcontext(), _handed_to_hydra(line.arguments):
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
        raise explain(error, line.overrides) from error
    return 0


def _require_open_files() -> None:
    """Refuse a limit with which importing TensorFlow already fails."""
    if (allowed := allow_open_files()) < _OPEN_FILES:
        raise ConfigError(
            f"A run must be allowed to open at least {_OPEN_FILES} files; the limit is {allowed}. "
            "Raise it: ulimit -n 1024"
        )


@contextmanager
def _handed_to_hydra(arguments: Sequence[str]) -> Iterator[None]:
    """Put arguments where Hydra reads them, and have it raise its errors instead of printing them."""
    argv, full_error = sys.argv, os.environ.pop("HYDRA_FULL_ERROR", None)
    sys.argv = ["cnnexp", *arguments]  # the name is the one that its shell completion completes
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        del os.environ["HYDRA_FULL_ERROR"]
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _begin_to_import(overrides: Sequence[str]) -> None:
    """Start what imports TensorFlow for all runs of a sweep while Hydra composes, unless they run elsewhere."""
    from cnnexp.sweeps.executors import forkserver

    if values_of(overrides).keys().isdisjoint(("hydra/launcher", "sweep.dry_run")):
        forkserver.start()
