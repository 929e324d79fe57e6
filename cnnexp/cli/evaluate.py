"""``cnnexp evaluate``: how good are saved models on other images, or on their own, changed on purpose?"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from rich.text import Text

from cnnexp.cli.evaluation_request import Request, SavedModel
from cnnexp.compose import parameters, to_yaml
from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import values
from cnnexp.report.console import open_console, print_line
from cnnexp.report.run import print_scores, reading_shown
from cnnexp.runs.record_evaluation import EvaluationTarget, RecordedEvaluation, parent_run, record_evaluation, title
from cnnexp.saved import evaluation_set, open_model
from cnnexp.saved.changes import Change
from cnnexp.saved.evaluation_set import EvaluationSet
from cnnexp.saved.faults import Fault
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import printable, program


def run(request: Request) -> None:
    """Evaluate, record and print: one evaluation as a run of its own, several under one parent run."""
    if len(request.models) == 1 and len(request.changes.each) == 1:
        _evaluate_one(request)
    else:
        _evaluate_all(request)


def _evaluate_one(request: Request) -> None:
    (model,) = request.models
    ((setting, change),) = request.changes.each
    with _opened(model) as target:
        images = _images(target, model.config, change)
        evaluated = record_evaluation(target, images, change, setting=setting, parent_id=None)
    _print(images, evaluated, change)


def _evaluate_all(request: Request) -> None:
    console = open_console(required=False)
    varied, tracking = request.changes.varied, request.models[0].config.tracking
    count = len(request.models) * len(request.changes.each)
    with parent_run(
        tracking, name=f"evaluate-{'-'.join(varied) or 'models'}", varied=varied, origin=request.models[0].origin
    ) as parent_id:
        for number, line in enumerate(_evaluations(request, parent_id), start=1):
            print_line(console, Text(f"{number:>5} of {count}  {printable(line)}"), hanging=8)
    store = shlex.quote(f"tracking.uri={StoreUri(tracking.uri).masked}")
    console.print(f"compare   {program()} compare {parent_id} {store}", soft_wrap=True, markup=False)


def _evaluations(request: Request, parent_id: str) -> Iterator[str]:
    """Evaluate every model under every change; yield a line each."""
    for model in request.models:
        with _opened(model) as target:
            for setting, change in request.changes.each:
                images = _images(target, model.config, change)
                found = record_evaluation(target, images, change, setting=setting, parent_id=parent_id)
                own_test = f": {found.context['own test']}" if "own test" in found.context else ""
                accuracy = f"accuracy {found.result.metrics['test/accuracy']:.3f}"
                yield f"{target.name}  {accuracy} on {title(images, change)}{own_test}"


@contextmanager
def _opened(model: SavedModel) -> Iterator[EvaluationTarget]:
    with model.folder() as folder:
        opened = open_model(folder)
        yield EvaluationTarget(
            model=opened,
            folder=folder,
            name=model.name,
            origin=model.origin,
            seed=model.config.seed,
            tracking=model.config.tracking,
            parameters=_parameters(model.config) | {"data.scaling": str(opened.card.scaling["rule"])},
            config_yaml=to_yaml(model.config),
            own_test=model.own_test(),
        )


def _parameters(config: ExperimentConfig) -> dict[str, str | int | float | bool | None]:
    """Return the settings of the data, and the seed; one at the value that means "as before it existed" is none."""
    unused = {name for name, setting, value in values(config) if setting.is_neutral(value)}
    recorded = {name: value for name, value in parameters(config).items() if name not in unused}
    return {name: value for name, value in recorded.items() if name.split(".")[0] in ("data", "seed")}


def _images(target: EvaluationTarget, config: ExperimentConfig, change: Change) -> EvaluationSet:
    card = target.model.card
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
