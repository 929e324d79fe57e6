"""``cnnexp evaluate``: how good are saved models on other images, or on their own, changed on purpose?"""

import dataclasses
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from cnnexp.cli.evaluation_request import Request, SavedModel
from cnnexp.cli.variant_folder import variant_folder
from cnnexp.compose import parameters, to_yaml
from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import values
from cnnexp.portable.card import Card
from cnnexp.report.console import open_console, print_line
from cnnexp.report.run import print_scores, reading_shown
from cnnexp.runs.record_evaluation import (
    EvaluationTarget,
    PlainModel,
    RecordedEvaluation,
    parent_run,
    record_evaluation,
    title,
)
from cnnexp.saved import evaluation_set, open_model
from cnnexp.saved.changes import Change
from cnnexp.saved.evaluation_set import EvaluationSet
from cnnexp.saved.faults import Fault
from cnnexp.saved.variant_options import NONE, VariantOptions, settings_varied
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import printable, program


def run(request: Request) -> None:
    """Evaluate, record and print: one evaluation as a run of its own, several under one parent run."""
    if len(request.groups) == len(request.variants) == len(request.changes.each) == 1:
        _evaluate_one(request)
    else:
        _evaluate_all(request)


def _evaluate_one(request: Request) -> None:
    ((setting, change),) = request.changes.each
    with _opened(request.groups[0], request.variants[0]) as opened:
        images = opened.images(change)
        evaluated = record_evaluation(
            opened.target, images, change, setting=setting, parent_id=None, plain=opened.plain(change, images)
        )
    _print(images, evaluated, change)


def _evaluate_all(request: Request) -> None:
    console = open_console(required=False)
    varied, tracking = request.varied, request.models[0].config.tracking
    count = len(request.groups) * len(request.variants) * len(request.changes.each)
    with parent_run(
        tracking, name=f"evaluate-{'-'.join(varied) or 'models'}", varied=varied, origin=request.models[0].origin
    ) as parent_id:
        for number, line in enumerate(_evaluations(request, parent_id), start=1):
            print_line(console, Text(f"{number:>5} of {count}  {printable(line)}"), hanging=8)
    store = shlex.quote(f"tracking.uri={StoreUri(tracking.uri).masked}")
    console.print(f"compare   {program()} compare {parent_id} {store}", soft_wrap=True, markup=False)


def _evaluations(request: Request, parent_id: str) -> Iterator[str]:
    """Evaluate every model, in every variant, under every change; yield a line each."""
    for group, options in itertools.product(request.groups, request.variants):
        with _opened(group, options) as opened:
            for setting, change in request.changes.each:
                images = opened.images(change)
                # Where variants are compared, a model as it was trained is one of them.
                named = dict.fromkeys(settings_varied(request.variants), NONE) | dict(setting)
                found = record_evaluation(
                    opened.target,
                    images,
                    change,
                    setting=named,
                    parent_id=parent_id,
                    plain=opened.plain(change, images),
                )
                difference = next(
                    (f": {found.context[name]}" for name in ("plain", "own test") if name in found.context), ""
                )
                accuracy = f"accuracy {found.result.metrics['test/accuracy']:.3f}"
                variant = " ".join(f"{name}={value}" for name, value in opened.target.variant.items())
                where = ", ".join(filter(None, [title(images, change), variant]))
                yield f"{opened.target.name}  {accuracy} on {where}{difference}"


@dataclass(frozen=True, slots=True)
class _Opened:
    """A model, or a variant of one, to be evaluated on the images of `config`."""

    target: EvaluationTarget
    before: EvaluationTarget | None  # the model that a variant was made of
    config: ExperimentConfig

    def images(self, change: Change) -> EvaluationSet:
        return _images(self.target.model.card, self.config, change)

    def plain(self, change: Change, images: EvaluationSet) -> PlainModel | None:
        """Return what a variant is compared with, on the same `images`."""
        if self.before is None:
            return None
        card = self.before.model.card
        theirs = images if card.image == self.target.model.card.image else _images(card, self.config, change)
        return PlainModel(model=self.before.model, folder=self.before.folder, name=self.before.name, images=theirs)


@contextmanager
def _opened(models: Sequence[SavedModel], options: VariantOptions) -> Iterator[_Opened]:
    with variant_folder(models, options) as folders:
        target = _target(models[0], folders.used, variant=options.settings, notes=folders.notes)
        if folders.plain is None:
            yield _Opened(target, None, models[0].config)
            return
        before = dataclasses.replace(
            target, model=open_model(folders.plain), folder=folders.plain, name=folders.plain_name
        )
        yield _Opened(target, before, models[0].config)


def _target(model: SavedModel, folder: Path, *, variant: Mapping[str, str], notes: tuple[str, ...]) -> EvaluationTarget:
    opened = open_model(folder)
    return EvaluationTarget(
        model=opened,
        folder=folder,
        name=model.name,
        origin=model.origin,
        seed=model.config.seed,
        tracking=model.config.tracking,
        parameters=_parameters(model.config) | {"data.scaling": str(opened.card.scaling["rule"])},
        config_yaml=to_yaml(model.config),
        own_test=model.own_test(),
        variant=variant,
        notes=notes,
    )


def _parameters(config: ExperimentConfig) -> dict[str, str | int | float | bool | None]:
    """Return the settings of the data, and the seed; one at the value that means "as before it existed" is none."""
    unused = {name for name, setting, value in values(config) if setting.is_neutral(value)}
    recorded = {name: value for name, value in parameters(config).items() if name not in unused}
    return {name: value for name, value in recorded.items() if name.split(".")[0] in ("data", "seed")}


def _images(card: Card, config: ExperimentConfig, change: Change) -> EvaluationSet:
    with reading_shown() as show:
        images = evaluation_set.load_evaluation_set(config.data, card, seed=config.seed, on_progress=show)
        if isinstance(change, Fault) and (wrong := change.reading(card.image)) != card.image:
            return evaluation_set.reread(config.data, images, wrong, on_progress=show)
        return images


def _print(images: EvaluationSet, evaluated: RecordedEvaluation, change: Change) -> None:
    console = open_console(required=False)
    result, receipt = evaluated.result, evaluated.receipt
    print_scores(console, result.evaluation, result.metrics, title=title(images, change))
    for name, sentence in evaluated.context.items():
        print_line(console, Text(f"{name:<10}{printable(sentence)}"), hanging=10)
    for note in result.notes:
        console.print(f"note: {printable(note)}", style="attention")
    console.print(f"open      {receipt.url_command or receipt.reason}", soft_wrap=True)
