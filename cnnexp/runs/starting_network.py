"""The network that a run starts from, wherever it comes from: a package, Keras, or an earlier run."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnexp.config import ExperimentConfig, FromRunConfig
from cnnexp.records import PretrainedNetwork
from cnnexp.runs.pretrained import find_pretrained


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


def with_run_id(config: ExperimentConfig) -> ExperimentConfig:
    """Return settings that name the run to continue from by its id, whatever is recorded from now on.

    Raises:
        ModelError: the run has no model.
        TargetError: no run is meant, or several are.

    """
    model = config.model
    if not isinstance(model, FromRunConfig):
        return config
    from cnnexp.runs.earlier_run import is_exported

    if is_exported(model.run):
        run = str(Path(model.run).expanduser().absolute())
    else:
        from cnnexp.tracking.recorded_model import recorded_model

        run = recorded_model(model.run, uri=config.tracking.uri).run.run_id
    return dataclasses.replace(config, model=dataclasses.replace(model, run=run))
