"""The model that a recorded run left behind, wherever its files are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnnexp.errors import ModelError, TargetError
from cnnexp.records import RunSummary
from cnnexp.system.text import command_with, listed, printable
from cnnexp.tracking.kept_models import why_without
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.find_runs import ask, find_runs, finished_runs
from cnnexp.tracking.store.model_files import model_folder
from cnnexp.tracking.store.stored_run import RunStore, StoredRun
from cnnexp.tracking.tags import EVALUATES

_TRIED = 20  # newest finished runs that are asked for a model, where the one that was meant has none


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """A run with a model."""

    run: RunSummary
    store: str  # tracking URI
    artifacts: str  # URI of the run's files
    location: str  # URI of the logged model's files

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give the folder with model file, card and features; a copy, for as long as the block, see `model_folder`.

        Raises:
            ModelError: The files are gone.

        """
        with model_folder(self.location, store=self.store, run_id=self.run.run_id) as folder:
            yield folder

    def config_yaml(self) -> str | None:
        """Return the run's whole configuration; None where it was not recorded."""
        content = run_files.read_file(self.artifacts, "config.yaml", store=self.store)
        return None if content is None else content.decode("utf-8")


def recorded_config(run_id: str, *, uri: str) -> str | None:
    """Return the whole configuration of a run, with a model or without; None where it was not recorded."""
    artifacts = ask(uri, lambda store: store.locations(run_id)).artifacts
    content = run_files.read_file(artifacts, "config.yaml", store=uri)
    return None if content is None else content.decode("utf-8")


def recorded_model(target: str, *, uri: str) -> RecordedModel:
    """Find the model of one run.

    Args:
        target: A run id or its first six characters or more, a run's name, or ``latest``; a run that evaluated the
            model of another run means that one.
        uri: Of the store.

    Raises:
        TargetError: There is no store, or the target names nothing, or several models.
        ModelError: The run has none.

    """
    found = recorded_models(target, uri=uri)
    if len(found) > 1:
        ids = listed(f"{model.run.run_id[:12]} ({model.run.name})" for model in found)
        raise TargetError(f"One run has one model; {target!r} has {len(found)} models. Name one run of them: {ids}.")
    return found[0]


def recorded_models(target: str, *, uri: str) -> tuple[RecordedModel, ...]:
    """Find the models of all runs that a target names, such as a sweep; runs that have none are passed over.

    Raises:
        TargetError: There is no store, or the target names nothing.
        ModelError: None of the runs has a model.

    """
    runs = find_runs([target], uri=uri)
    models = [model for run in runs for model in _models_of(run, uri)]
    if models:
        return tuple({model.run.run_id: model for model in models}.values())
    if (reason := why_without(runs)) is not None:
        raise ModelError(reason)
    none = (
        f"run {runs[0].run_id} ({runs[0].name}) has none and is {runs[0].status}"
        if len(runs) == 1
        else f"none of the {len(runs)} runs of {target!r} has one"
    )
    raise ModelError(f"A run has a model when it is finished; {none}.{_offered_instead(target, uri)}")


def newest_with_model(uri: str) -> str | None:
    """Return the id of the newest finished run that has a model; None: none of the newest has one."""
    run = _newest_with_model(uri)
    return None if run is None else run.run_id


def _newest_with_model(uri: str) -> StoredRun | None:
    runs = finished_runs(uri)[:_TRIED]

    def with_model(store: RunStore) -> StoredRun | None:
        return next((run for run in runs if store.locations(run.run_id).model is not None), None)

    return ask(uri, with_model) if runs else None


def _offered_instead(target: str, uri: str) -> str:
    """Return a sentence that offers the newest run with a model, and the command that takes it; or nothing."""
    run = _newest_with_model(uri)
    if run is None:
        return ""
    short = run.run_id[:12]
    command = command_with(short, instead_of=target)
    again = f"name it instead of {target}" if command is None else f"run: {command}"
    return f" The newest one with a model is {short} ({printable(run.name)}); {again}"


def _models_of(run: RunSummary, uri: str) -> tuple[RecordedModel, ...]:
    locations = ask(uri, lambda store: store.locations(run.run_id))
    if locations.model is not None:
        return (RecordedModel(run, uri, locations.artifacts, locations.model),)
    return recorded_models(run.tags[EVALUATES], uri=uri) if EVALUATES in run.tags else ()
