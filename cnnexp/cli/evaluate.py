"""``cnnexp evaluate``: how good is a saved model on other images?"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnexp.cli._model import CARD_FILE, without_store

if TYPE_CHECKING:
    from cnnexp.classifier import Classifier
    from cnnexp.config import ExperimentConfig
    from cnnexp.reevaluation import JudgedImages, Reevaluation
    from cnnexp.shifts import Shift
    from cnnexp.tracking.recorded_model import RecordedModel


@click.command()
@click.argument("target", metavar="RUN")
@click.argument("settings", nargs=-1, metavar="[data=...] [shift=... shift.amount=...]")
def command(*, target: str, settings: tuple[str, ...]) -> int:
    """Judge the model of RUN on another data set, or on shifted images, and record that as a new run.

    RUN is a run's id or the first six characters of it or more, a run's name, latest, or an exported folder. Without
    data=..., the run's own test split. Classes are matched by name.

    \b
    cnnexp evaluate latest data=folder data.path=night/
    cnnexp evaluate 3f9a2c shift=blur shift.amount=1.5

    Shifts: brightness, contrast, gain_offset (two numbers: gain,offset), gamma, noise, blur.
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp import quiet
    from cnnexp.compose import compose_config

    words, shift_name, amount = _without_shift(settings)
    _, uri = without_store(settings)
    with ExitStack() as stack:
        recorded = None if (Path(target) / CARD_FILE).is_file() else _recorded(target, uri)
        config = compose_config([*_data_of_run(recorded, target, words), *words])
        folder = Path(target) if recorded is None else stack.enter_context(recorded.folder())
        shift = _shift(shift_name, amount)
        name = f"{folder.name if recorded is None else recorded.run.name}-on-{config.data.name}"
        quiet.import_tensorflow()
        from cnnexp.prediction import open_model

        model = open_model(folder)
        origin = str(folder.resolve()) if recorded is None else recorded.run.run_id
        return _evaluate(model, config, shift=shift, name=name, origin=origin)


def _evaluate(model: "Classifier", config: "ExperimentConfig", *, shift: "Shift | None", name: str, origin: str) -> int:
    from cnnexp import artifacts, reevaluation
    from cnnexp.compose import to_yaml
    from cnnexp.tracking import recording
    from cnnexp.tracking.stored_run import EVALUATES

    with recording(
        config.tracking,
        run_name=f"{name}-{shift}".replace(" ", "_") if shift else name,
        parameters=_parameters(config, shift),
        config_yaml=to_yaml(config),
        tags={EVALUATES: origin},
    ) as recorder:
        judged = reevaluation.find_images(
            config.data, model.card, seed=config.seed, on_progress=lambda done, total: None
        )
        result = reevaluation.judge(model, judged, shift=shift, seed=config.seed)
        class_names = model.card.class_names
        recorder.judged(
            dataset=_dataset(judged, result, class_names, model.card.image.shape),
            metrics=result.metrics,
            description=_description(judged, result, shift, origin),
        )
        recorder.files(artifacts.evaluation_files(result.evaluation, {"test": result.predictions}, class_names))
        recorder.files({"card.json": artifacts.to_json(model.card.as_dict())})
    _print(judged, result, shift, recorder.receipt.url_command or recorder.receipt.reason)
    return 0


def _without_shift(settings: Sequence[str]) -> tuple[list[str], str | None, str | None]:
    words = [word for word in settings if not word.startswith(("shift=", "shift.amount="))]
    found = dict(word.split("=", 1) for word in settings if word not in words)
    return words, found.get("shift"), found.get("shift.amount")


def _shift(name: str | None, amount: str | None) -> "Shift | None":
    from cnnexp.errors import ConfigError
    from cnnexp.shifts import Shift

    if name is None and amount is None:
        return None
    if name is None or amount is None:
        raise ConfigError("A shift needs both, such as shift=blur shift.amount=1.5.")
    return Shift.parse(name, amount)


def _recorded(target: str, uri: str) -> "RecordedModel":
    from cnnexp.tracking.recorded_model import recorded_model

    return recorded_model(target, uri=uri)


def _data_of_run(recorded: "RecordedModel | None", target: str, words: Sequence[str]) -> list[str]:
    """Return the run's own data settings as words; none where the user names a data set."""
    import yaml

    from cnnexp.errors import ConfigError

    if any(word.startswith("data=") for word in words):
        return []
    content = None if recorded is None else recorded.config_yaml()
    if content is None:
        raise ConfigError(f"{target} does not say what it was trained on; name the data: data=folder data.path=...")
    whole: Mapping[str, Any] = yaml.safe_load(content)
    data = whole["data"]
    values = [f"data.{key}={_quoted(value)}" for key, value in data.items() if key != "name"]
    return [f"data={data['name']}", *values, f"seed={whole['seed']}"]  # the seed chose what data.limit kept


def _quoted(value: object) -> str:
    """Write a value as Hydra reads it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))
    return str(value)


def _parameters(config: "ExperimentConfig", shift: "Shift | None") -> dict[str, str | int | float | bool | None]:
    from cnnexp.compose import parameters

    recorded = {key: value for key, value in parameters(config).items() if key.split(".")[0] in ("data", "seed")}
    shifted = {} if shift is None else {"shift": shift.name, "shift.amount": ",".join(map(str, shift.amount))}
    return {**recorded, **shifted}


def _dataset(
    judged: "JudgedImages", result: "Reevaluation", class_names: Sequence[str], shape: Sequence[int]
) -> dict[str, Any]:
    from cnnexp.tracking import entries

    return entries.judged_dataset(
        name=judged.name,
        digest=judged.digest,
        source=judged.source,
        class_names=class_names,
        counts={"test": [score.support for score in result.evaluation.per_class]},
        input_shape=shape,
    )


def _title(judged: "JudgedImages", shift: "Shift | None") -> str:
    return f"{judged.name}, {judged.part}" + (f", {shift}" if shift else "")


def _description(judged: "JudgedImages", result: "Reevaluation", shift: "Shift | None", origin: str) -> str:
    low, high = result.evaluation.intervals["accuracy"]
    lines = [
        f"**accuracy {result.metrics['test/accuracy']:.3f}** ({low:.3f} to {high:.3f}) on {_title(judged, shift)}.",
        f"An evaluation of the model of {origin}.",
        *result.notes,
    ]
    return "\n\n".join(lines)


def _print(judged: "JudgedImages", result: "Reevaluation", shift: "Shift | None", closing: str) -> None:
    from cnnexp.report.console import open_console, printable
    from cnnexp.report.scores import print_scores

    console = open_console()
    print_scores(console, result.evaluation, result.metrics, title=_title(judged, shift))
    for note in result.notes:
        console.print(f"note: {printable(note)}", style="attention")
    console.print(f"open      {closing}", soft_wrap=True)
