"""The MLflow UI on the store that runs are written to, and links that land where something is to be seen.

A first visit to the UI opens its view for language models unless the link says otherwise, and a parent run's page
shows neither the curves nor the columns of its children: hence the parameters of these links.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

from cnnexp.errors import TrackingError
from cnnexp.system.store_uri import masked
from cnnexp.system.text import program
from cnnexp.tracking.store import connection

FIRST_PORT = 5000  # MLflow's own
_PORTS = 100  # how many are tried
_VIEW = "workflowType=machine_learning"
_END_SECONDS = 10.0  # a server that takes longer to end is killed
_ANNOUNCEMENT = "[MLflow] Security middleware enabled"  # said at every start, and no option says not to

# What the user set goes before.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # for judging language models: five more processes
    "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",  # MLflow's own business
}


def command(*, uri: str, run_id: str) -> str:
    """Return what a user types to open a run."""
    return f"{program()} ui --uri {shlex.quote(masked(uri))} --run {run_id}"


def run_link(base_url: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run's curves."""
    return f"{base_url.rstrip('/')}/?{_VIEW}#/experiments/{experiment_id}/runs/{run_id}/model-metrics?{_VIEW}"


def sweep_link(base_url: str, experiment_id: str, sweep_id: str) -> str:
    """Return the address of a sweep's runs: flat, best on validation first, with what varied and what came out.

    The view of this key has to be there, see `sweep_view`.
    """
    return (
        f"{base_url.rstrip('/')}/?{_VIEW}#/experiments/{experiment_id}/runs?{_VIEW}"
        f"&viewStateShareKey={sweep_id}&compareRunsMode=TABLE"
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


@contextmanager
def serving(uri: str, host: str, port: int) -> "Iterator[subprocess.Popen[str]]":
    """Run the MLflow UI on a store within the block, which gets its process.

    One worker: it is for one person, and each takes seconds and memory to start.
    """
    uri = connection.absolute_uri(uri)
    connection.reach(uri)
    words = ["--backend-store-uri", uri, "--registry-store-uri", uri, "--host", host, "--port", str(port)]
    words += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *words],
        env={**_ENVIRONMENT, **os.environ},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own: Ctrl-C is for us, and all of its processes are ended together
    )
    errors = threading.Thread(target=_pass_errors_on, args=(server,), name="cnnexp-ui", daemon=True)
    errors.start()
    try:
        yield server
    finally:
        _end(server, errors)


def _pass_errors_on(server: "subprocess.Popen[str]") -> None:
    assert server.stderr is not None
    with server.stderr as lines:
        for line in lines:
            if not line.startswith(_ANNOUNCEMENT):
                print(line, end="", file=sys.stderr, flush=True)


def _end(server: "subprocess.Popen[str]", errors: threading.Thread) -> None:
    """End the server and what it started; the last of them closes what `errors` reads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        errors.join(timeout=_END_SECONDS)
        if not errors.is_alive():
            break
    server.wait()
