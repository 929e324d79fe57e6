"""The folder of a model as it is used: as its run left it, or a variant that is made of it in a temporary folder."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnnexp.cli.evaluation_request import SavedModel
from cnnexp.report.run import reading_shown
from cnnexp.runs.variant import TrainedModel, write_variant
from cnnexp.saved.variant_options import VariantOptions


@dataclass(frozen=True, slots=True)
class OpenedFolders:
    """Where a model is, and where the one is that it was made of."""

    used: Path
    plain: Path | None  # as its run left it; None: `used` is that
    plain_name: str  # of the run of the plain model
    notes: tuple[str, ...]


@contextmanager
def variant_folder(models: Sequence[SavedModel], options: VariantOptions) -> Iterator[OpenedFolders]:
    """Give the folder of a model, or of a variant of one or several, for as long as the block.

    Raises:
        CnnexpError: see `write_variant`; or the files of a model are gone.

    """
    with ExitStack() as stack:
        folders = [stack.enter_context(model.folder()) for model in models]
        if not options:
            yield OpenedFolders(folders[0], None, models[0].name, ())
            return
        target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cnnexp-variant-")))
        trained = [
            TrainedModel(folder, model.origin, model.trained)
            for folder, model in zip(folders, models, strict=True)
            if model.trained is not None
        ]
        with reading_shown() as show:
            variant, notes = write_variant(trained, options, target, on_progress=show)
        best = variant.runs[0] if variant.runs else models[0].origin
        plain, name = next(
            (folder, model.name) for folder, model in zip(folders, models, strict=True) if model.origin == best
        )
        yield OpenedFolders(target, plain, name, notes)
