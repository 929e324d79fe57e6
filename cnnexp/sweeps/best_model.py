"""With ``tracking.models=best``, a finished sweep keeps the model of its best run alone."""

from cnnexp.sweeps.results import rank
from cnnexp.system.text import one_line, plural, printable
from cnnexp.tracking.kept_models import removable, remove_models
from cnnexp.tracking.store.connection import absolute_uri
from cnnexp.tracking.store.find_runs import runs_of


def keep_best_model(uri: str, parent_id: str, *, objective: str) -> list[tuple[str, str]]:
    """Remove the models of all runs but the best by the objective; return what to print, with its label.

    Goes by what the store has, so that it removes what an earlier command could not. Models that were recorded with
    ``tracking.models=all`` stay.
    """
    uri = absolute_uri(uri)
    ranked = sorted(
        removable([run for run in runs_of(uri, parent_id) if run.status == "FINISHED"], uri),
        key=lambda run: (rank(run.metrics, objective), run.started_ms),
    )
    if not ranked:
        return []
    best, *others = ranked
    try:
        remove_models(others, uri)
    except Exception as error:  # whatever it is: the runs are recorded, and the same command tries again
        reason = one_line(f"{type(error).__name__}: {error}")
        return [("trouble", f"The models of {plural(len(others), 'run')} that are not the best remain ({reason}).")]
    return [("model", f"kept of {printable(best.name)}, {best.run_id[:12]}")]
