"""A view of a sweep for the MLflow UI: the columns that varied, what came out, and the charts of both.

The UI keeps views that a person shares as JSON in a tag of the experiment and opens one that its address names. The
columns and charts of a sweep are written there when its link is made, so that nothing has to be configured.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

TAG = "mlflow.sharedViewState."  # and the key of the view
_OBJECTIVE, _SCORE = "best/val_loss", "test/accuracy"
_CURVES = ("val/loss", "val/accuracy", "train/loss", "train/accuracy")
_RESULTS, _COURSE = "cnnexp-results", "cnnexp-course"  # sections of charts


def view(sweep_id: str, varied: Sequence[str]) -> str:
    """Return the view as the UI reads it: the sweep's runs, best on validation first."""
    state = {
        "searchFilter": f"tags.sweep_id = '{sweep_id}'",
        "orderByKey": f"metrics.`{_OBJECTIVE}`",
        "orderByAsc": True,
        "selectedColumns": [
            *(f"params.`{name}`" for name in varied),
            *(f"metrics.`{name}`" for name in (_OBJECTIVE, _SCORE)),
        ],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [_coordinates(varied), _bars(), *(_curve(name) for name in _CURVES)],
        "compareRunSections": [_section(_RESULTS, "What varied and what came out"), _section(_COURSE, "Curves")],
        "isAccordionReordered": True,
    }
    return json.dumps(state, separators=(",", ":"))


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


def _section(key: str, name: str) -> Mapping[str, Any]:
    return {"uuid": key, "name": name, "display": True, "isReordered": True}
