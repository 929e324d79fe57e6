"""``cnnexp ui``: MLflow's own UI on the store that runs are recorded in, for one person on this machine.

The UI opens the pane of its assistant by itself at a first visit, where the address says localhost, 127.0.0.1 or ::1;
its script asks for nothing else, no setting of the server and none of a view (MLflow 3.17). The pane covers a quarter
of the table. So the server also answers to a name of its own, which browsers and most resolvers take for this machine
(RFC 6761), and links have that name where it is known here.
"""

import http.client
import ipaddress
import os
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from cnnexp.cli.targets import name_variable
from cnnexp.compose import compose_config
from cnnexp.errors import TargetError, TrackingError
from cnnexp.system import own_process
from cnnexp.system.files import is_there
from cnnexp.system.signals import raising_on_sigterm
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.streams import print_required

_HOST = "127.0.0.1"
_NAME = "cnnexp.localhost"
_FIRST_PORT = 5000  # MLflow's own
_PORTS = 100  # how many are tried
_START_SECONDS = 60.0  # a server that takes longer to start will not
_RESOLVE_SECONDS = 2.0  # a name server that is out of reach takes longer
_END_SECONDS = 10.0  # a server that takes longer to end is killed

# Hosts that MLflow answers to: those of this machine and of private networks, as by default, and the name above.
_ALLOWED_HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"
_HOSTS = (
    *(f"{host}{port}" for host in ("localhost", _HOST, "0.0.0.0", _NAME) for port in ("", ":*")),
    *("[::1]", "[[]::1]:*", "192.168.*", "10.*", "fc00:*", "fd00:*"),
    *(f"172.{number}.*" for number in range(16, 32)),
)

# Uvicorn would put the current folder before all modules; those of Python are first in any process.
_UVICORN = shlex.join(["--log-level", "warning", "--app-dir", sysconfig.get_path("stdlib")])

# What the user has set takes precedence.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # for evaluating language models: five more processes
    _ALLOWED_HOSTS: ",".join(_HOSTS),
    "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",  # nothing a user of MLflow can change
}


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
    name_variable(uri)
    if StoreUri(uri).is_server:
        print_required(f"This store is a server and has its own UI: {_link(uri, run_id)}")
        return 0
    _require_store(uri)
    port = port or free_port()
    with raising_on_sigterm(signal.SIGHUP), serving(uri, port) as server:
        print_required(f"Open {_link(_address(port), run_id).replace(_HOST, link_host(), 1)}")
        return server.wait()


def _link(server: str, run_id: str | None) -> str:
    from cnnexp.tracking import mlflow_ui  # with NumPy, which the refusal of an empty store spares

    return mlflow_ui.link(server, run_id)


def link_host() -> str:
    """Return the name that keeps MLflow's assistant closed; the plain address where a browser may not know the name.

    Over SSH the browser is on another machine.
    """
    if "SSH_CONNECTION" in os.environ or _ALLOWED_HOSTS in os.environ:
        return _HOST
    found: list[str] = []
    asking = threading.Thread(target=_resolve, args=(_NAME, found), name="cnnexp-resolver", daemon=True)
    asking.start()
    asking.join(timeout=_RESOLVE_SECONDS)
    return _NAME if found and all(ipaddress.ip_address(one).is_loopback for one in found) else _HOST


def _resolve(name: str, found: list[str]) -> None:
    with suppress(OSError):
        found += {str(address[0]) for *_, address in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}


def _address(port: int) -> str:
    return f"http://{_HOST}:{port}"


def _require_store(uri: str) -> None:
    """Refuse to create an empty store by looking at one."""
    file = StoreUri(uri).database
    if file is not None and not is_there(file):
        raise TargetError(
            f"There is nothing to show: {file.absolute()} does not exist. Runs create it: python -m cnnexp; a store in "
            "another place is named by tracking.uri=sqlite:///PATH."
        )


def free_port() -> int:
    """Return the first port from 5000 that nothing listens on.

    Raises:
        TrackingError: A hundred ports are taken.

    """
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise TrackingError(
        f"The MLflow UI needs a free port; {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} are all taken. Give one."
    )


@contextmanager
def serving(uri: str, port: int) -> "Iterator[subprocess.Popen[str]]":
    """Run MLflow's server on a store within the block, for this machine alone; it answers when the block begins.

    One worker: it is for one person, and each takes seconds and memory to start.

    Raises:
        TrackingError: The store cannot be reached, or the server does not start.

    """
    from cnnexp.tracking.store import connection
    from cnnexp.tracking.store.calls import mlflow_uri

    uri = connection.absolute_uri(uri)
    connection.reach(uri)
    address = mlflow_uri(uri)
    store = {"MLFLOW_BACKEND_STORE_URI": address, "MLFLOW_REGISTRY_STORE_URI": address}  # arguments are seen by all
    origin = {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{_NAME}:{port}"}
    arguments = ["--host", _HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", _UVICORN]
    process = subprocess.Popen(
        own_process.command_of("mlflow", "server", *arguments),
        env={**_ENVIRONMENT, **origin, **os.environ, **store, own_process.SAFE_PATH: "1"},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own: Ctrl-C is for us, and all of its processes are ended together
    )
    errors = threading.Thread(target=_print_errors, args=(process,), name="cnnexp-ui", daemon=True)
    errors.start()
    try:
        _wait_until_up(process, port)
        yield process
    finally:
        _end(process, errors)


def _wait_until_up(process: "subprocess.Popen[str]", port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{_address(port)}/health", timeout=1).close()
        except (OSError, http.client.HTTPException):  # the latter where another program has the port
            time.sleep(0.2)
        else:
            return
    raise TrackingError("The MLflow UI did not start; its own message is above.")


def _print_errors(process: "subprocess.Popen[str]") -> None:
    from cnnexp.tracking.mlflow_ui import SERVER_ANNOUNCEMENT

    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            if not line.startswith(SERVER_ANNOUNCEMENT):
                print(line, end="", file=sys.stderr, flush=True)


def _end(process: "subprocess.Popen[str]", errors: threading.Thread) -> None:
    """End the server and what it started; the last of these processes closes what `errors` reads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        errors.join(timeout=_END_SECONDS)
        if not errors.is_alive():
            break
    process.wait()
