"""What the run of a fold has recorded, read back when all folds are to be put together."""

from cnnexp.errors import TrackingError
from cnnexp.portable.card import MODEL_FILE, REFERENCE_FILE
from cnnexp.portable.reference import TrainingReference
from cnnexp.records import FoldResult
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.find_runs import ask
from cnnexp.tracking.store.model_files import read_model_file


def read_fold(uri: str, run_id: str, *, fold: int, with_model: bool) -> FoldResult:
    """Return the result of a finished fold, where asked for with its model.

    Raises:
        TrackingError: The store cannot be reached, or the files of the run are gone.

    """
    (run,) = ask(uri, lambda store: store.with_id(run_id))
    locations = ask(uri, lambda store: store.locations(run_id))
    predictions = run_files.predictions(run.artifact_uri, store=uri)
    names = (REFERENCE_FILE, *([MODEL_FILE] if with_model else []))
    files = [None] if locations.model is None else [read_model_file(locations.model, name, store=uri) for name in names]
    if predictions is None or None in files:
        raise TrackingError(
            f"A run of folds needs what each of them has recorded; the files of fold {fold} (run {run_id}) are gone. "
            "Train all folds again: sweep.resume=never."
        )
    return FoldResult(
        fold=fold,
        run_id=run_id,
        metrics=run.metrics,
        curves=ask(uri, lambda store: store.curves(run_id)),
        predictions=predictions,
        distances=TrainingReference.from_bytes(files[0] or b"").distances,
        model_file=files[1] if with_model else None,
    )
