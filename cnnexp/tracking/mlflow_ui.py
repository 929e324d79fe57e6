"""Everything that depends on MLflow's front end: its routes, its saved views, what its server prints.

A first visit to the UI opens its view for language models unless the link names the other one, and the page of a
sweep's own run shows neither the curves nor the columns of the runs in it. So a sweep gets a view of its own: the UI
keeps a view that a person shares as JSON in a tag of the experiment and opens it by a link with its key, and the same
is written here. Where a store does not accept it, the link opens the sweep's own run. A test opens the links in a
browser.
"""

import base64
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from cnnexp.errors import TargetError, TrackingError
from cnnexp.system.store_uri import Credentials, StoreUri
from cnnexp.tracking.tags import SWEEP_ID, SWEEP_KEY, VARIED

SERVER_ANNOUNCEMENT = "[MLflow] Security middleware enabled"  # printed at every start; no option turns it off
_MODEL_TRAINING = "workflowType=machine_learning"  # instead of language models; read before and after the #
_VIEW_TAG = "mlflow.sharedViewState."  # of the experiment; the view's key follows
_OBJECTIVE, _SCORE = "best/val_loss", "test/accuracy"
_CURVES = ("val/loss", "val/accuracy", "train/loss", "train/accuracy")
_RESULTS, _COURSE = "cnnexp-results", "cnnexp-course"  # sections of charts
_FIRST_COLUMNS = {"attributes.`Run Name`": 130, "runDateAndNestInfo": 105}  # pixels; MLflow's own: 190 and 150
_LAST_COLUMN = "duration"
_LETTER, _MARGIN, _NARROWEST, _WIDEST = 6, 30, 70, 150  # pixels of a letter and around the name of a column
_SECONDS = 10.0  # for an answer of the server
_TOKEN = "MLFLOW_TRACKING_TOKEN"


def link(server: str, run_id: str | None) -> str:
    """Return the address of a run's curves, or of a sweep's runs; None: of the experiments.

    Raises:
        TargetError: The store has no such run.
        TrackingError: The server does not answer, or refuses.

    """
    store = StoreUri(server.rstrip("/"))
    server = store.without_credentials
    if run_id is None:
        return _page(server, "experiments")
    run = _run(store, run_id)
    experiment_id = run["info"]["experiment_id"]
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    runs = f"experiments/{experiment_id}/runs"
    if SWEEP_KEY not in tags:
        return _page(server, f"{runs}/{run_id}/model-metrics")
    if _save_view(store, experiment_id, key=run_id, view=sweep_view(run_id, tags.get(VARIED, "").split(", "))):
        return _page(server, runs, f"&viewStateShareKey={run_id}&compareRunsMode=TABLE")
    return _page(server, f"{runs}/{run_id}")


def artifact_link(server: str, run_id: str, name: str) -> str:
    """Return the address of a file of a run; see `link` for what is raised."""
    store = StoreUri(server.rstrip("/"))
    experiment_id = _run(store, run_id)["info"]["experiment_id"]
    return _page(store.without_credentials, f"experiments/{experiment_id}/runs/{run_id}/artifacts/{name}")


def _run(store: StoreUri, run_id: str) -> dict[str, Any]:
    server = store.without_credentials
    try:
        found: dict[str, Any] = _call(store, f"runs/get?run_id={run_id}")["run"]
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            raise TargetError(f"The store at {server} has no run {run_id!r}.") from None
        raise TrackingError(f"The store at {server} refused to show run {run_id!r}: {error}.") from None
    except OSError as error:
        raise TrackingError(f"The store at {server} does not answer: {error}.") from None
    return found


def _page(server: str, route: str, parameters: str = "") -> str:
    return f"{server}/?{_MODEL_TRAINING}#/{route}?{_MODEL_TRAINING}{parameters}"


def _save_view(store: StoreUri, experiment_id: str, *, key: str, view: str) -> bool:
    """Keep a view in the store; return whether the store accepted it."""
    tag = {"experiment_id": experiment_id, "key": f"{_VIEW_TAG}{key}", "value": view}
    try:
        _call(store, "experiments/set-experiment-tag", tag)
    except OSError:  # such as a server that lets this user only read, or a sweep over more settings than fit into a tag
        return False
    return True


def _call(store: StoreUri, method: str, content: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Call MLflow's REST API; raise urllib's errors, which are OSErrors, and one where something else answers."""
    request = urllib.request.Request(
        f"{store.without_credentials}/api/2.0/mlflow/{method}",
        data=None if content is None else json.dumps(content).encode(),
        headers={"Content-Type": "application/json", **_authorization(store)},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        error.close()
        raise
    except (ValueError, http.client.HTTPException) as error:
        raise OSError("what answers is no MLflow server, but perhaps the sign-in page of a network") from error


def _authorization(store: StoreUri) -> Mapping[str, str]:
    """Return the header that says who asks: as the address does, else the variables that MLflow reads."""
    given = store.credentials
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in ("USERNAME", "PASSWORD"))
    if given is None:
        given = Credentials(user, password) if user and password else Credentials("", os.environ.get(_TOKEN, ""))
    if given.user:
        return {"Authorization": f"Basic {base64.b64encode(f'{given.user}:{given.password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {given.password}"} if given.password else {}


def sweep_view(sweep_id: str, varied: Sequence[str]) -> str:
    """Return the view of a sweep as the UI reads it.

    It shows the sweep's runs, best on validation first, with columns for the results and the settings that varied, the
    seed last, as narrow as their names allow, and charts of both. What MLflow cannot be told by a view: names and
    digits of columns, and that its assistant stays closed (see `cnnexp.cli.ui`).
    """
    columns = [
        *(f"metrics.`{name}`" for name in (_SCORE, _OBJECTIVE)),
        *(f"params.`{name}`" for name in sorted(varied, key=lambda name: name == "seed")),
    ]
    state = {
        "searchFilter": f"tags.{SWEEP_ID} = '{sweep_id}'",
        "orderByKey": f"metrics.`{_OBJECTIVE}`",
        "orderByAsc": True,
        "selectedColumns": columns,
        "columnOrder": [*_FIRST_COLUMNS, *columns, _LAST_COLUMN],
        "columnWidths": {**_FIRST_COLUMNS, **{name: _width(name) for name in columns}},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [_coordinates(varied), _bars(), *(_curve(name) for name in _CURVES)],
        "compareRunSections": [
            _section(_RESULTS, "What varied and what came out", columns=1),  # or the axes stand on each other
            _section(_COURSE, "Curves", columns=2),
        ],
        "isAccordionReordered": True,
    }
    return json.dumps(state, separators=(",", ":"))


def _width(column: str) -> int:
    """Return the pixels of a column whose name can be read, up to a bound."""
    name = column.partition("`")[2].rstrip("`")
    return min(_WIDEST, max(_NARROWEST, _LETTER * len(name) + _MARGIN))


def _chart(kind: str, name: str, section: str, **more: object) -> Mapping[str, Any]:
    fixed = {"metricSectionId": section, "deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    return {"type": kind, "uuid": f"cnnexp-{kind}-{name}", **fixed, **more}


def _coordinates(varied: Sequence[str]) -> Mapping[str, Any]:
    settings = [name for name in varied if name != "seed"]
    shown = {"selectedParams": settings, "selectedMetrics": [_SCORE], "showAllRuns": True}
    return _chart("PARALLEL", _SCORE, _RESULTS, **shown)


def _bars() -> Mapping[str, Any]:
    return _chart("BAR", _SCORE, _RESULTS, metricKey=_SCORE)


def _curve(name: str) -> Mapping[str, Any]:
    axes = {"xAxisKey": "step", "yAxisKey": "metric", "xAxisScaleType": "linear", "scaleType": "linear"}
    empty = {"lineSmoothness": 0, "yAxisExpressions": [], "selectedXAxisMetricKey": "", "range": {}}
    return _chart("LINE", name, _COURSE, metricKey=name, selectedMetricKeys=[name], **axes, **empty)


def _section(key: str, name: str, *, columns: int) -> Mapping[str, Any]:
    return {"uuid": key, "name": name, "display": True, "isReordered": True, "columns": columns}
