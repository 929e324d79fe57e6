"""``cnnexp ui``: look at what was recorded."""

import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from cnnexp.compose import compose_config
from cnnexp.config import TrackingConfig
from cnnexp.errors import ConfigError, TrackingError

# Without the parameter a first visit lands in MLflow's view for language models.
LANDING = "/#/experiments?workflowType=machine_learning"


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="Port on this machine.")
def command(overrides: tuple[str, ...], port: int) -> int:
    """Open the MLflow UI on the store that runs are written to, for this machine alone; Ctrl-C ends it.

    Settings choose another store, as for a run: cnnexp ui tracking.uri=sqlite:///other.db
    """
    tracking = compose_config(overrides).tracking
    if urlsplit(tracking.uri).scheme in ("http", "https"):
        click.echo(f"This store is a server and brings its own UI: {tracking.uri.rstrip('/')}{LANDING}")
        return 0
    _require_store(tracking.uri)
    _require_port(port)
    click.echo(f"Open http://127.0.0.1:{port}{LANDING}")
    return subprocess.call(_server(tracking, port))


def _server(tracking: TrackingConfig, port: int) -> list[str]:
    server = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking.uri]
    if tracking.artifacts is not None:
        server += ["--artifacts-destination", tracking.artifacts]
    return [*server, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def _require_store(uri: str) -> None:
    """Refuse to create an empty store by looking at one."""
    file = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not file.exists():
        raise TrackingError(
            f"There is nothing to show: {file.absolute()} does not exist. Runs create it: python -m cnnexp; a store in "
            "another place is named by tracking.uri=sqlite:///PATH."
        )


def _require_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigError(
                f"Port {port} of this machine is taken, perhaps by a UI that is open already; choose --port X."
            ) from None
