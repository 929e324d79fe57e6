"""``cnnexp diagnose RUN IMAGE...``: why does a model answer these images so?"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.cli.diagnose import Outputs
from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.cli.targets import is_exported
from cnnexp.errors import ConfigError, DataError, ModelError
from cnnexp.report.console import open_console
from cnnexp.system import quiet
from cnnexp.system.streams import print_error
from cnnexp.tracking.recorded_model import RecordedModel, recorded_model

if TYPE_CHECKING:
    from cnnexp.datasets import Splits
    from cnnexp.portable.card import Card
    from cnnexp.portable.classifier import Classifier
    from cnnexp.saved.held_out import HeldOut
    from cnnexp.saved.mismatches import Mismatches

_PURPOSE = "Mismatches are simulated on images that the model was not trained on, from the data set of its run"


def diagnose_images(
    target: str, paths: Sequence[str], *, uri: str, true_label: str | None, root: Path | None, outputs: Outputs
) -> int:
    """Print why images are answered as they are, or write it; return 1 if one could not be read.

    Raises:
        TargetError: no run is meant, or several are.
        ModelError: the run has no model, or it cannot be used.
        ConfigError: the model has no such class, or a file cannot be written.

    """
    refuse_to_mix(outputs)
    recorded = None if is_exported(target) else recorded_model(target, uri=uri)
    with nullcontext(Path(target)) if recorded is None else recorded.folder() as folder:
        quiet.import_tensorflow()
        from cnnexp.report.diagnosis.image_json import images_as_json
        from cnnexp.report.diagnosis.image_page import images_page
        from cnnexp.report.diagnosis.image_text import print_diagnosis
        from cnnexp.saved import list_images, open_model
        from cnnexp.saved.image_diagnosis import diagnose_images as diagnosed
        from cnnexp.saved.image_diagnosis import require_class
        from cnnexp.saved.looks import mapper_of

        model = open_model(folder)
        require_class(true_label, model.card.class_names)
        items = list(list_images(paths, root=root))
        found = diagnosed(
            model,
            items,
            mismatches=_mismatches(model, recorded, shown=STDOUT not in outputs.values()),
            recorded=None if recorded is None else recorded.run.read_predictions(),
            true_label=true_label,
        )
        if outputs["html"] is not None:
            page = images_page(target, model, items, found, true_label=true_label, mapper=mapper_of(model))
            write_document(page, outputs["html"], option="--html")
    if outputs["json"] is not None:
        write_document(images_as_json(target, found), outputs["json"], option="--json")
    elif outputs["html"] != STDOUT:
        print_diagnosis(open_console(), found)
    return 1 if any(image.verdict is None for image in found.images) else 0


def _mismatches(model: "Classifier", recorded: RecordedModel | None, *, shown: bool) -> "Mismatches | None":
    """Return what mismatches are looked for by; None, with the reason on standard error, where there is nothing.

    `shown`: the progress of reading images may go to standard output.
    """
    from cnnexp.saved.held_out import too_few
    from cnnexp.saved.mismatches import mismatches_of

    held_out = _held_out(model, recorded, shown=shown)
    if held_out is None:
        print_error(f"{too_few(model)} Name the run instead of the folder: its data set has more.")
        return None
    try:
        return mismatches_of(model, held_out, on_fit=lambda: print_error(_fitting(held_out)))
    except (ConfigError, DataError, ModelError) as error:
        print_error(f"{too_few(model)} {error}")
        return None


def _held_out(model: "Classifier", recorded: RecordedModel | None, *, shown: bool) -> "HeldOut | None":
    """Return the images that travel with a model, or where these are too few, those of its run; None: no run."""
    from cnnexp.saved.held_out import of_run, travelling

    held_out = travelling(model)
    if held_out is not None or recorded is None:
        return held_out
    return of_run(model, partial(_splits, recorded, model.card, shown=shown))


def _fitting(held_out: "HeldOut") -> str:
    return f"Mismatches are simulated on the {held_out.name}, once; the next diagnosis needs no time for it."


def _splits(recorded: RecordedModel, card: "Card", *, shown: bool) -> "Splits":
    from cnnexp.cli.evaluation_request import evaluation_config
    from cnnexp.report.run import reading_shown
    from cnnexp.saved.evaluation_set import load_trained_splits

    config = evaluation_config(recorded, [])
    with reading_shown() if shown else nullcontext(_hide) as show:
        return load_trained_splits(config.data, card, seed=config.seed, purpose=_PURPOSE, on_progress=show)


def _hide(done: int, total: int) -> None:
    """Show nothing: standard output is for a document."""
