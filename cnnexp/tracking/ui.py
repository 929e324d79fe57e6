"""The MLflow UI on the store that runs are written to, and links that land where something is to be seen.

A first visit to the UI opens its view for language models unless the link says otherwise, and a parent run's page
shows neither the curves nor the columns of its children: hence the parameters of these links.
"""

import os
import shlex
import socket
import subprocess
import sys
from urllib.parse import quote

from cnnexp.errors import TrackingError
from cnnexp.tracking import store

FIRST_PORT = 5000  # MLflow's own
_PORTS = 100  # how many are tried
_VIEW = "workflowType=machine_learning"


def command(*, uri: str, run_id: str) -> str:
    """Return what a user types to open a run."""
    return f"cnnexp ui --uri {shlex.quote(store.masked(uri))} --run {run_id}"


def run_link(base_url: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run's curves."""
    return f"{base_url.rstrip('/')}/?{_VIEW}#/experiments/{experiment_id}/runs/{run_id}/model-metrics?{_VIEW}"


def sweep_link(base_url: str, experiment_id: str, sweep_id: str, metric: str) -> str:
    """Return the address of a sweep's runs: flat, best first, as charts."""
    search = quote(f"tags.sweep_id = '{sweep_id}'")
    order = quote(f"metrics.`{metric}`")
    return (
        f"{base_url.rstrip('/')}/?{_VIEW}#/experiments/{experiment_id}/runs?{_VIEW}"
        f"&searchFilter={search}&orderByKey={order}&orderByAsc=false&compareRunsMode=CHART"
    )


def compare_link(base_url: str, experiment_id: str, run_ids: list[str]) -> str:
    """Return the address of MLflow's comparison of runs, with their artifacts side by side."""
    runs, experiments = quote(str(run_ids).replace("'", '"')), quote(f'["{experiment_id}"]')
    return f"{base_url.rstrip('/')}/?{_VIEW}#/compare-runs?runs={runs}&experiments={experiments}&{_VIEW}"


def free_port(host: str) -> int:
    """Return the first port from 5000 that nothing listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise TrackingError(
        f"The MLflow UI needs a free port; {FIRST_PORT} to {FIRST_PORT + _PORTS - 1} are all taken. Give one."
    )


def serve_ui(uri: str, host: str, port: int) -> "subprocess.Popen[bytes]":
    """Start the MLflow UI on a store and return its process, which the caller waits for and ends.

    One worker: it is for one person, and each takes seconds and memory to start.
    """
    uri = store.absolute_uri(uri)
    store.reach(uri)
    words = ["server", "--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": os.environ.get("MLFLOW_DISABLE_TELEMETRY", "true")}
    return subprocess.Popen([sys.executable, "-m", "mlflow", *words], env=environment)
