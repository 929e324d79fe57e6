"""What ``cnnexp evaluate`` is asked for, read and refused before TensorFlow is imported."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cnnexp.cli.targets import is_exported, separate_store
from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig, Override
from cnnexp.config.defaults import options
from cnnexp.errors import ConfigError
from cnnexp.records import RecordedPredictions
from cnnexp.saved import changes
from cnnexp.saved.changes import Changes
from cnnexp.tracking.recorded_model import RecordedModel, recorded_models


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model to be evaluated, and the configuration of its evaluation: data, seed, store."""

    source: RecordedModel | Path  # of a recorded run, or an exported folder
    config: ExperimentConfig

    @property
    def name(self) -> str:
        """The name of its run or of its folder."""
        return self.source.name if isinstance(self.source, Path) else self.source.run.name

    @property
    def origin(self) -> str:
        """The id of its run, or its folder."""
        return _origin(self.source)

    def own_test(self) -> RecordedPredictions | None:
        """Return the predictions of its run for its own test images; None: an exported folder has none."""
        return None if isinstance(self.source, Path) else self.source.run.read_predictions()

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give the folder with model file and card; a copy, for as long as the block, if the store is remote.

        Raises:
            ModelError: the files are gone.

        """
        if isinstance(self.source, Path):
            yield self.source
            return
        with self.source.folder() as folder:
            yield folder


@dataclass(frozen=True, slots=True)
class Request:
    """Every model is evaluated under every change."""

    models: tuple[SavedModel, ...]
    changes: Changes


def read_request(target: str, settings: Sequence[str]) -> Request:
    """Find the models that are meant and compose what each is evaluated on.

    Raises:
        TargetError: the target names no run.
        ModelError: none of its runs has a model.
        ConfigError: a setting is wrong, or an exported folder is given without data.

    """
    requested = changes.parse(settings)
    others, uri = separate_store(requested.others)
    sources = [Path(target)] if is_exported(target) else recorded_models(target, uri=uri)
    overrides = [*others, str(Override.setting("tracking.uri", uri))]
    return Request(
        models=tuple(SavedModel(source, evaluation_config(source, overrides)) for source in sources), changes=requested
    )


def evaluation_config(source: RecordedModel | Path, overrides: Sequence[str]) -> ExperimentConfig:
    """Compose the settings of a model's data: those of its run, changed by `overrides`.

    Raises:
        ConfigError: a setting is wrong, or an exported folder is given without data.

    """
    return compose_config([*_data_of_run(source, overrides), *overrides])


def _data_of_run(source: RecordedModel | Path, overrides: Sequence[str]) -> list[str]:
    """Return the run's seed and data settings as overrides; the seed alone where the user names a data set."""
    content = None if isinstance(source, Path) else source.config_yaml()
    if any(Override.parse(override).key == "data" for override in overrides):
        return [] if content is None else [f"seed={yaml.safe_load(content)['seed']}"]  # pairs what is compared
    if content is None:
        raise ConfigError(
            f"{_origin(source)} does not say what it was trained on; name the data: data=folder data.path=..."
        )
    whole: Mapping[str, Any] = yaml.safe_load(content)
    data = whole["data"]
    if data["name"] not in options("data") and not isinstance(source, Path) and "data.code" in source.run.settings:
        raise ConfigError(
            f"The images of {_origin(source)[:12]} come from data={data['name']}, which --extend has added; it is not "
            "there now. Add --extend FILE (its text is in the run's artifacts extensions/), or name other data."
        )
    # The model scales, by its card; data.scaling=model would need the model's own settings beside it.
    kept = {key: value for key, value in data.items() if key != "name" and (key, value) != ("scaling", "model")}
    values = [str(Override.setting(f"data.{key}", value)) for key, value in kept.items()]
    return [f"data={data['name']}", *values, f"seed={whole['seed']}"]  # the seed chose what data.limit kept


def _origin(source: RecordedModel | Path) -> str:
    return str(source.resolve()) if isinstance(source, Path) else source.run.run_id
