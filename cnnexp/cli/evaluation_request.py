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
from cnnexp.saved.variant_options import VariantOptions, settings_varied
from cnnexp.tracking.recorded_model import RecordedModel, recorded_models


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model to be evaluated, and the configuration of its evaluation: data, seed, store."""

    source: RecordedModel | Path  # of a recorded run, or an exported folder
    config: ExperimentConfig
    trained: ExperimentConfig | None  # of its run, see `run_config`; None: no variant of it is asked for

    @property
    def name(self) -> str:
        """The name of its run or of its folder."""
        return self.source.resolve().name if isinstance(self.source, Path) else self.source.run.name

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
    variants: tuple[VariantOptions, ...]

    @property
    def groups(self) -> tuple[tuple[SavedModel, ...], ...]:
        """The models that are evaluated together: all of them as one soup, or each by itself."""
        return (self.models,) if self.variants[0].soup else tuple((model,) for model in self.models)

    @property
    def varied(self) -> dict[str, str]:
        """What differs between the evaluations of one model, with its values."""
        return {**settings_varied(self.variants), **self.changes.varied}


def read_request(target: str, settings: Sequence[str], *, variants: Sequence[VariantOptions]) -> Request:
    """Find the models that are meant and compose what each is evaluated on.

    With a soup, the first words of `settings` that set nothing name further runs.

    Raises:
        TargetError: the target names no run.
        ModelError: none of its runs has a model.
        ConfigError: a setting is wrong, or an exported folder is given without data.

    """
    names, settings = separate_runs(target, settings)
    if len(names) > 1 and not variants[0].soup:
        raise ConfigError(
            f"evaluate takes one RUN, SWEEP or experiment, which stands for all its runs; got also "
            f"{' '.join(names[1:])}. To average the weights of several runs, add --soup."
        )
    requested = changes.parse(settings)
    others, uri = separate_store(requested.others)
    overrides = [*others, str(Override.setting("tracking.uri", uri))]
    own = _of_training(overrides)
    return Request(
        models=tuple(
            SavedModel(source, evaluation_config(source, overrides), run_config(source, own) if any(variants) else None)
            for source in find_sources(names, uri=uri)
        ),
        changes=requested,
        variants=tuple(variants),
    )


def separate_runs(target: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of runs, and the settings that follow them."""
    runs = [word for word in words if Override.parse(word).value is None]
    return [target, *runs], [word for word in words if word not in runs]


def find_sources(names: Sequence[str], *, uri: str) -> list[RecordedModel | Path]:
    """Find the models that names mean, each once.

    Raises:
        TargetError: a name means no run.
        ModelError: none of its runs has a model.

    """
    found: dict[str, RecordedModel | Path] = {}
    for name in names:
        sources = [Path(name)] if is_exported(name) else recorded_models(name, uri=uri)
        found |= {_origin(source): source for source in sources}
    return list(found.values())


def run_config(source: RecordedModel | Path, overrides: Sequence[str]) -> ExperimentConfig:
    """Return the settings of a run that a variant of its model depends on: data, seed, decision, monitored metric.

    Raises:
        ConfigError: an exported folder is meant, or the run recorded no settings.

    """
    content = None if isinstance(source, Path) else source.config_yaml()
    if content is None:
        raise ConfigError(
            "--tta, --size and --soup make a new model, which is calibrated on the images of its run; "
            f"{_origin(source)} does not say which these are. Name the run instead of the folder."
        )
    whole: Mapping[str, Any] = yaml.safe_load(content)
    kept = {"training.monitor": whole["training"]["monitor"]}
    if "decision" in whole:  # runs of earlier versions have none
        kept |= {f"decision.{key}": value for key, value in whole["decision"].items()}
    settings = [str(Override.setting(key, value)) for key, value in kept.items()]
    return compose_config([*_data_of_run(source, []), *settings, *overrides])


def _of_training(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that are about the images of the training, too: those of no other data set."""
    keys = [Override.parse(override).key for override in overrides]
    of_data = ("data.",) if "data" not in keys else ()
    return [override for key, override in zip(keys, overrides, strict=True) if key.startswith(("tracking.", *of_data))]


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
