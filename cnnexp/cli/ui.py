"""``cnnexp ui``: look at what was recorded."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import click

from cnnexp.compose import compose_config
from cnnexp.errors import TargetError, TrackingError
from cnnexp.system.store_uri import StoreUri

HOST = "127.0.0.1"
START_SECONDS = 60.0  # a server that takes longer to start will not


def run(settings: Sequence[str], *, uri: str | None, run_id: str | None, port: int | None) -> int:
    """Serve MLflow's UI until Ctrl-C; return the server's exit code.

    Args:
        settings: overrides, such as ``tracking.uri=URI``.
        uri: the store, instead of the settings'.
        run_id: the run or the sweep whose view is printed as a link.
        port: on this machine; the first free one where it is None.

    Raises:
        TargetError: there is no store, or it has no such run.
        TrackingError: the server does not start or answer.

    """
    uri = uri or compose_config(settings).tracking.uri
    if StoreUri(uri).is_server:
        click.echo(f"This store is a server and brings its own UI: {_link(uri, run_id)}")
        return 0
    _require_store(uri)
    from cnnexp.tracking import raising_on_sigterm, ui  # with NumPy, which the refusal of an empty store spares

    port = port or ui.free_port(HOST)
    with raising_on_sigterm(signal.SIGHUP), ui.serving(uri, HOST, port) as server:
        address = f"http://{HOST}:{port}"
        _wait(server, address)
        click.echo(f"Open {_link(address, run_id)}")
        return server.wait()


def _require_store(uri: str) -> None:
    """Refuse to create an empty store by looking at one."""
    file = StoreUri(uri).database
    if file is not None and not file.exists():
        raise TargetError(
            f"There is nothing to show: {file.absolute()} does not exist. Runs create it: python -m cnnexp; a store in "
            "another place is named by tracking.uri=sqlite:///PATH."
        )


def _wait(server: "subprocess.Popen[str]", address: str) -> None:
    """Wait until the server answers, so that the link works when it is printed."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TrackingError("The MLflow UI did not start; it said why above.")


def _link(address: str, run_id: str | None) -> str:
    """Return where something is to be seen: a run's curves, or the experiments."""
    from cnnexp.tracking import mlflow_ui, ui
    from cnnexp.tracking.tags import SWEEP_KEY, VARIED

    if run_id is None:
        # Without the parameter a first visit lands in MLflow's view for language models.
        return f"{address.rstrip('/')}/?workflowType=machine_learning#/experiments?workflowType=machine_learning"
    run = _ask(address, f"runs/get?run_id={run_id}", run_id=run_id)["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    experiment = str(run["info"]["experiment_id"])
    if SWEEP_KEY not in tags:
        return ui.run_link(address, experiment, run_id)
    state = mlflow_ui.view(run_id, tags[VARIED].split(", "))
    tag = {"experiment_id": experiment, "key": f"{mlflow_ui.TAG}{run_id}", "value": state}
    _ask(address, "experiments/set-experiment-tag", run_id=run_id, content=tag)
    return ui.sweep_link(address, experiment, run_id)


def _ask(address: str, question: str, *, run_id: str, content: Mapping[str, str] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address.rstrip('/')}/api/2.0/mlflow/{question}",
        data=None if content is None else json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != HTTPStatus.NOT_FOUND:
            raise TrackingError(f"The store at {address} refused {question.partition('?')[0]}: {error}.") from None
        raise TargetError(f"The store at {address} has no run {run_id!r}.") from None
    except OSError as error:
        raise TrackingError(f"The store at {address} does not answer: {error}.") from None
