"""``cnnexp predict``: what is on these images?"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli._commands import accept_any_letter, model_folder, without_store

if TYPE_CHECKING:
    from cnnexp.portable.classifier import Classifier
    from cnnexp.report.prediction.answer_files import Writer
    from cnnexp.saved.prediction import Prediction

NEIGHBOURS = 6  # training images shown beside each image of the page
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("target", metavar="RUN")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE | FOLDER | TABLE ...")
@click.option("--coverage", default=0.9, show_default=True, help="Share of images whose class is in the set.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), help="What the paths of tables start from.")
@click.option("--csv", type=_FILE, help="Write a line an image.")
@click.option("--json", type=_FILE, help="Write an object an image, with all probabilities.")
@click.option("--parquet", type=_FILE, help="Write a row an image, with all probabilities.")
@click.option("--html", type=_FILE, help="Write a page: each image beside the training images most like it.")
def command(
    *,
    target: str,
    images: tuple[str, ...],
    coverage: float,
    root: Path | None,
    csv: Path | None,
    json: Path | None,
    parquet: Path | None,
    html: Path | None,
) -> int:
    """Say what is on images, how sure that is, and when an image is unlike the training data.

    RUN is a run's id or the first six characters of it or more, a run's name, latest, or an exported folder. A TABLE is
    a .csv or .parquet with a column named path.

    \b
    cnnexp predict latest photo.jpg
    cnnexp predict 3f9a2c photos/ --html answers.html
    cnnexp predict signs-exported list.csv --parquet answers.parquet

    Exit code 0: every image was answered; 1: some could not be read, or the model could not be used; 2: the command
    line is wrong.
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp.system import quiet

    accept_any_letter()
    words, uri = without_store(images)
    with model_folder(target, uri=uri) as folder:
        quiet.import_tensorflow()
        from cnnexp.saved.prediction import open_model

        model = open_model(folder)
    from cnnexp.report.prediction import answer_files
    from cnnexp.saved.image_files import list_images
    from cnnexp.saved.prediction import predict

    outputs = {"csv": csv, "json": json, "parquet": parquet, "html": html}
    _refuse_to_overwrite(words, [path for path in outputs.values() if path])
    listed = list_images(words, root=root)
    predictions = predict(model, listed, coverage=coverage, neighbours=NEIGHBOURS if html else 0)
    with ExitStack() as stack:
        writers = []
        for kind, path in outputs.items():
            if path:
                part = stack.enter_context(answer_files.whole(path))
                writers.append(stack.enter_context(_writer(kind, part, model, coverage)))
        return _tell(_written(predictions, writers), model, coverage=coverage, quietly=bool(writers))


def _refuse_to_overwrite(words: Sequence[str], outputs: Sequence[Path]) -> None:
    from cnnexp.errors import ConfigError

    asked = {os.path.realpath(word) for word in words}
    for output in outputs:
        if os.path.realpath(output) in asked:
            raise ConfigError(f"Answers go into a file of their own; {output} is one of the files asked about.")


def _writer(kind: str, path: Path, model: "Classifier", coverage: float) -> "Writer":
    from cnnexp.report.prediction import answer_files, answer_page

    match kind:
        case "csv":
            return answer_files.CsvWriter(path)
        case "json":
            return answer_files.JsonWriter(path, model.card.class_names)
        case "parquet":
            return answer_files.ParquetWriter(path, model.card.class_names)
        case _:
            return answer_page.PageWriter(path, model, coverage=coverage)


def _written(predictions: "Iterator[Prediction]", writers: "list[Writer]") -> "Iterator[Prediction]":
    for prediction in predictions:
        for writer in writers:
            writer.write(prediction)
        yield prediction


def _tell(predictions: "Iterator[Prediction]", model: "Classifier", *, coverage: float, quietly: bool) -> int:
    """Print the answers, or only what went wrong where they are written to files; return the exit code."""
    from cnnexp.report.prediction import answer_page as words

    began = time.perf_counter()
    count = failed = unlike = 0
    for prediction in predictions:
        count += 1
        failed += prediction.answer is None
        unlike += prediction.answer is not None and prediction.answer.unlike
        if prediction.answer is None:
            click.echo(words.failure(prediction), err=quietly)
        elif not quietly:
            click.echo(words.answer(prediction, coverage=coverage))
    if note := words.about_model(model, coverage=coverage):
        click.echo(note, err=True)
    if count > 1:
        click.echo(words.summary(count, failed, unlike, time.perf_counter() - began), err=True)
    return 1 if failed else 0
