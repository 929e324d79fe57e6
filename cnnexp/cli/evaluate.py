"""``cnnexp evaluate``: how good are saved models on other images, or on their own, changed on purpose?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnexp.cli._commands import CARD_FILE, without_store

if TYPE_CHECKING:
    from cnnexp.config import ExperimentConfig
    from cnnexp.runs.record_evaluation import Subject
    from cnnexp.saved.changes import Change, Changes
    from cnnexp.saved.evaluation_set import JudgedImages
    from cnnexp.saved.reevaluation import Reevaluation
    from cnnexp.tracking.recorded_model import RecordedModel


@click.command()
@click.argument("target", metavar="RUN | SWEEP")
@click.argument("settings", nargs=-1, metavar="[data=...] [shift=... | fault=...]")
def command(*, target: str, settings: tuple[str, ...]) -> int:
    """Judge saved models on another data set, or on images changed on purpose, and record that as new runs.

    RUN is a run's id or the first six characters of it or more, a run's name, latest, or an exported folder; a SWEEP
    or an experiment stands for all its runs. Without data=..., each run's own test split. Classes are matched by name.
    Several models or changes are recorded under one parent, which cnnexp compare takes.

    \b
    cnnexp evaluate latest data=folder data.path=night/
    cnnexp evaluate 3f9a2c shift=blur shift.amount=1.5
    cnnexp evaluate latest shift=none,brightness:0.2,gain_offset:1.2:0.05,noise:0.1
    cnnexp evaluate latest fault=none,scaled_twice,swapped

    Shifts, what a camera does: brightness, contrast, gain_offset, gamma, noise, blur. Faults, one wrong step on the way
    to the model: scaled_twice, unscaled, swapped, inverted, turned, squeezed, nearest, class_order.
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp.saved import changes
    from cnnexp.system import quiet

    named = changes.parse(settings)
    words, uri = without_store(named.others)
    words = [*words, f"tracking.uri={uri}"]
    if (Path(target) / CARD_FILE).is_file():
        found: Sequence[RecordedModel | Path] = [Path(target)]
    else:
        from cnnexp.tracking.recorded_model import recorded_models

        found = recorded_models(target, uri=uri)
    configs = [_config(source, words) for source in found]  # what is wrong with the words is said before any work
    quiet.import_tensorflow()
    if len(found) == 1 and len(named.each) == 1:
        _evaluate_one(found[0], configs[0], named)
    else:
        _evaluate_all(found, configs, named)
    return 0


def _evaluate_one(source: "RecordedModel | Path", config: "ExperimentConfig", named: "Changes") -> None:
    from cnnexp.runs import record_evaluation

    ((setting, change),) = named.each
    with ExitStack() as stack:
        subject = _subject(source, config, stack)
        judged = _images(subject, config, change)
        result, receipt = record_evaluation.record_evaluation(subject, judged, change, setting=setting, parent_id=None)
    _print(judged, result, change, receipt.url_command or receipt.reason)


def _evaluate_all(
    found: "Sequence[RecordedModel | Path]", configs: "Sequence[ExperimentConfig]", named: "Changes"
) -> None:
    from cnnexp.report.console import open_console
    from cnnexp.runs import record_evaluation
    from cnnexp.system.text import printable, program

    console = open_console()
    origin, count = _origin(found[0]), len(found) * len(named.each)
    with record_evaluation.under_one_parent(
        configs[0].tracking, name=f"evaluate-{'-'.join(named.varied) or 'models'}", varied=named.varied, origin=origin
    ) as parent_id:
        for number, line in enumerate(_carried_out(found, configs, named, parent_id), start=1):
            console.print(f"{number:>5} of {count}  {printable(line)}", soft_wrap=True, markup=False)
    console.print(f"compare   {program()} compare {parent_id} tracking.uri={configs[0].tracking.uri}", soft_wrap=True)


def _carried_out(
    found: "Sequence[RecordedModel | Path]", configs: "Sequence[ExperimentConfig]", named: "Changes", parent_id: str
) -> Iterator[str]:
    """Judge every model under every change; yield a line each."""
    from cnnexp.runs import record_evaluation
    from cnnexp.runs.record_evaluation import title

    for source, config in zip(found, configs, strict=True):
        with ExitStack() as stack:
            subject = _subject(source, config, stack)
            for setting, change in named.each:
                judged = _images(subject, config, change)
                result, _ = record_evaluation.record_evaluation(
                    subject, judged, change, setting=setting, parent_id=parent_id
                )
                yield f"{subject.name}  accuracy {result.metrics['test/accuracy']:.3f} on {title(judged, change)}"


def _config(source: "RecordedModel | Path", words: Sequence[str]) -> "ExperimentConfig":
    from cnnexp.compose import compose_config

    return compose_config([*_data_of_run(source, words), *words])


def _subject(source: "RecordedModel | Path", config: "ExperimentConfig", stack: ExitStack) -> "Subject":
    from cnnexp.compose import to_yaml
    from cnnexp.runs.record_evaluation import Subject
    from cnnexp.saved.prediction import open_model

    folder = source if isinstance(source, Path) else stack.enter_context(source.folder())
    return Subject(
        model=open_model(folder),
        folder=folder,
        name=source.name if isinstance(source, Path) else source.run.name,
        origin=_origin(source),
        seed=config.seed,
        tracking=config.tracking,
        parameters=_parameters(config),
        config_yaml=to_yaml(config),
    )


def _origin(source: "RecordedModel | Path") -> str:
    return str(source.resolve()) if isinstance(source, Path) else source.run.run_id


def _images(subject: "Subject", config: "ExperimentConfig", change: "Change") -> "JudgedImages":
    from cnnexp.report.run.progress import reading_shown
    from cnnexp.saved import evaluation_set
    from cnnexp.saved.faults import Fault

    card = subject.model.card
    with reading_shown() as show:
        judged = evaluation_set.find_images(config.data, card, seed=config.seed, on_progress=show)
        if isinstance(change, Fault) and (wrong := change.reading(card.image)) != card.image:
            return evaluation_set.read_again(config.data, judged, wrong, on_progress=show)
        return judged


def _data_of_run(source: "RecordedModel | Path", words: Sequence[str]) -> list[str]:
    """Return the run's seed and data settings as words; the seed alone where the user names a data set."""
    import yaml

    from cnnexp.errors import ConfigError

    content = None if isinstance(source, Path) else source.config_yaml()
    if any(word.startswith("data=") for word in words):
        return [] if content is None else [f"seed={yaml.safe_load(content)['seed']}"]  # pairs what is compared
    if content is None:
        raise ConfigError(
            f"{_origin(source)} does not say what it was trained on; name the data: data=folder data.path=..."
        )
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


def _parameters(config: "ExperimentConfig") -> dict[str, str | int | float | bool | None]:
    from cnnexp.compose import parameters

    return {key: value for key, value in parameters(config).items() if key.split(".")[0] in ("data", "seed")}


def _print(judged: "JudgedImages", result: "Reevaluation", change: "Change", closing: str) -> None:
    from cnnexp.report.console import open_console
    from cnnexp.report.run.scores import print_scores
    from cnnexp.runs.record_evaluation import title
    from cnnexp.system.text import printable

    console = open_console()
    print_scores(console, result.evaluation, result.metrics, title=title(judged, change))
    for note in result.notes:
        console.print(f"note: {printable(note)}", style="attention")
    console.print(f"open      {closing}", soft_wrap=True)
