"""The network that a run starts from, wherever it comes from: a package, Keras, or an earlier run."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cnnexp.config import ExperimentConfig, FromRunConfig, Override, PretrainedConfig
from cnnexp.models.backbones.weights import RANDOM
from cnnexp.records import PretrainedNetwork
from cnnexp.runs.pretrained import find_pretrained

_RUN = "model.run"


@contextmanager
def starting_network(config: ExperimentConfig) -> Iterator[PretrainedNetwork | None]:
    """Find the network that a run starts from; None: it is built and trained from nothing.

    Its file is there as long as the block.

    Raises:
        ModelError: its weights are missing, or the file holds others.
        TargetError: `model.run` names no run, or several.

    """
    if isinstance(config.model, FromRunConfig):
        from cnnexp.runs.earlier_run import earlier_network  # and with it Pillow, which no other sweep waits for

        with earlier_network(config.model.run, store=config.tracking.uri) as found:
            yield found
        return
    yield find_pretrained(config.model)


def pinned(config: ExperimentConfig) -> ExperimentConfig:
    """Return settings that mean the same network from any folder, and whatever is recorded from now on.

    Raises:
        ModelError: the run to continue from has no model.
        TargetError: no run is meant, or several are.

    """
    match config.model:
        case FromRunConfig(run=run) as model:
            named = dataclasses.replace(model, run=_run_id(run, store=config.tracking.uri))
            return dataclasses.replace(config, model=named)
        case PretrainedConfig(weights=str(weights)) as model if weights != RANDOM:
            return dataclasses.replace(config, model=dataclasses.replace(model, weights=_absolute(weights)))
        case _:
            return config


def pinned_overrides(config: ExperimentConfig, overrides: Sequence[str]) -> Sequence[str]:
    """Return overrides that name the run which `config`, a pinned one, continues from: they mean it later, too."""
    if not isinstance(config.model, FromRunConfig):
        return overrides
    others = [text for text in overrides if Override.parse(text).key != _RUN]
    return [*others, str(Override.setting(_RUN, config.model.run))]


def _run_id(run: str, *, store: str) -> str:
    from cnnexp.runs.earlier_run import is_exported

    if is_exported(run):
        return _absolute(run)
    from cnnexp.tracking.recorded_model import newest_with_model, recorded_model
    from cnnexp.tracking.store.find_runs import LATEST, find_runs

    if run == LATEST and [one.status != "FINISHED" for one in find_runs([run], uri=store)] == [True]:
        # It may be the one that the same command began and that was stopped.
        run = newest_with_model(store) or run
    return recorded_model(run, uri=store).run.run_id


def _absolute(path: str) -> str:
    return path if path.startswith("~") else str(Path(path).absolute())  # homes differ between machines
