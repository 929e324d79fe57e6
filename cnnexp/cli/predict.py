"""``cnnexp predict``: what is on these images?"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.text import Text

from cnnexp.cli.outputs import refuse_to_mix
from cnnexp.errors import ConfigError
from cnnexp.portable.classifier import Classifier
from cnnexp.report.console import open_console, print_line
from cnnexp.report.prediction import (
    CsvWriter,
    JsonWriter,
    PageWriter,
    ParquetWriter,
    Writer,
    answer_line,
    diagnose_line,
    failure_line,
    model_note,
    summary_line,
    whole,
)
from cnnexp.saved import Prediction, list_images, open_model, predict
from cnnexp.system.streams import print_error, print_required

NEIGHBOURS = 6  # training images shown beside each image of the page


def run(
    folder: Path,
    paths: Sequence[str],
    *,
    asked: Sequence[str],
    root: Path | None,
    coverage: float,
    outputs: Mapping[str, Path],
) -> int:
    """Print the answers, or write them to files; return the exit code.

    Args:
        folder: of the model.
        paths: images, folders of images, and tables of images.
        asked: the model and the images as they were typed.
        root: what the paths of tables start from.
        coverage: share of images whose class shall be in the set.
        outputs: the files to write, by kind: csv, json, parquet, html.

    Raises:
        ConfigError: an output would overwrite what is asked about.
        ModelError: the model cannot be used.

    """
    refuse_to_mix(outputs)
    model = open_model(folder)
    _refuse_to_overwrite(paths, list(outputs.values()))
    images = list_images(paths, root=root)
    predictions = predict(model, images, coverage=coverage, neighbours=NEIGHBOURS if "html" in outputs else 0)
    with ExitStack() as stack:
        writers = []
        for kind, path in outputs.items():
            part = stack.enter_context(whole(path))
            writers.append(stack.enter_context(_writer(kind, part, model, coverage)))
        return _print(_written(predictions, writers), model, asked, coverage=coverage, quietly=bool(writers))


def _refuse_to_overwrite(paths: Sequence[str], outputs: Sequence[Path]) -> None:
    asked = {os.path.realpath(path) for path in paths}
    for output in outputs:
        if os.path.realpath(output) in asked:
            raise ConfigError(f"Answers go into a file of their own; {output} is one of the files asked about.")


def _writer(kind: str, path: Path, model: Classifier, coverage: float) -> Writer:
    match kind:
        case "csv":
            return CsvWriter(path)
        case "json":
            return JsonWriter(path, model.card.class_names)
        case "parquet":
            return ParquetWriter(path, model.card.class_names)
        case _:
            return PageWriter(path, model, coverage=coverage)


def _written(predictions: Iterator[Prediction], writers: Sequence[Writer]) -> Iterator[Prediction]:
    for prediction in predictions:
        for writer in writers:
            writer.write(prediction)
        yield prediction


def _shown() -> Callable[[str], None]:
    """Return what prints an answer: as a line for programs, broken between words on a terminal."""
    console = open_console()
    if not console.is_terminal:
        return print_required

    def show(text: str) -> None:
        for line in text.splitlines():
            print_line(console, Text(line))

    return show


def _print(
    predictions: Iterator[Prediction], model: Classifier, asked: Sequence[str], *, coverage: float, quietly: bool
) -> int:
    """Print the answers, or only what went wrong where they are written to files; return the exit code."""
    began = time.perf_counter()
    show = _shown()
    count = failed = unlike = 0
    for prediction in predictions:
        count += 1
        failed += prediction.answer is None
        unlike += prediction.answer is not None and prediction.answer.unlike
        if prediction.answer is None:
            (print_error if quietly else show)(failure_line(prediction))
        elif not quietly:
            show(answer_line(prediction, coverage=coverage))
    if note := model_note(model, coverage=coverage):
        print_error(note)
    if count > 1:
        print_error(summary_line(count, failed, unlike, time.perf_counter() - began))
    if unlike:
        print_error(diagnose_line(asked, count=count, unlike=unlike))
    return 1 if failed else 0
