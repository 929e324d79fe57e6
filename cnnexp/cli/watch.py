"""``cnnexp compare --watch``: the page of a sweep while it runs, served on this machine alone."""

import hashlib
import json
import signal
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cnnexp.cli.compare import find_and_compare
from cnnexp.cli.targets import separate_store
from cnnexp.cli.ui import free_port
from cnnexp.comparison import require_recorded
from cnnexp.compose import typed_again
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.records import RunSummary
from cnnexp.report.comparison.html_page import page, waiting_page
from cnnexp.report.comparison.page_document import Running
from cnnexp.system.secrets import masked
from cnnexp.system.signals import raising_on_sigterm
from cnnexp.system.streams import print_required
from cnnexp.system.text import plural
from cnnexp.tracking.store.find_runs import find_runs, find_sweep

_HOST = "127.0.0.1"


def run(targets: Sequence[str], *, by: Sequence[str], metric: str) -> int:
    """Serve the page of a sweep until Ctrl-C, built from what is recorded whenever it is asked for.

    Args:
        targets: id or name of the sweep, or ``latest``, and perhaps ``tracking.uri=URI``.
        by: the settings to compare; if empty, all that vary.
        metric: what is compared, such as ``test/accuracy``.

    Raises:
        ConfigError: not one sweep is named, or no run that has finished recorded the metric.
        TargetError: there is no such sweep.
        TrackingError: no port is free.

    """
    names, uri = separate_store(targets)
    if len(names) != 1:
        raise ConfigError(f"--watch takes one sweep, its id or name, or latest; got {plural(len(names), 'target')}.")
    sweep = WatchedSweep(find_sweep(uri, names[0]).run_id, uri, by=by, metric=metric)
    sweep.require_recorded()
    server = served(sweep, port=free_port())
    print_required(f"Open http://{_HOST}:{server.server_port}/ and end with Ctrl-C; the page follows the sweep.")
    with server, raising_on_sigterm(signal.SIGHUP):
        server.serve_forever()
    return 0


class WatchedSweep:
    """A sweep as its store has it at the moment."""

    def __init__(self, sweep_id: str, uri: str, *, by: Sequence[str], metric: str) -> None:
        self._id, self._uri, self._by, self._metric = sweep_id, uri, by, metric

    def version(self) -> str:
        """Return a text that changes when a run begins or ends, or the sweep does."""
        states = [self._has_ended(), sorted((run.run_id, run.status) for run in self._runs())]
        return hashlib.sha256(json.dumps(states).encode()).hexdigest()

    def page(self) -> str:
        """Return the page; without a verdict as long as the sweep runs."""
        version = self.version()  # first: what changes from here on is asked for again
        running = None if self._has_ended() else Running(running_sentence(self._runs()), version)
        try:
            found = find_and_compare([self._id, f"tracking.uri={self._uri}"], by=self._by, metric=self._metric)
        except ConfigError:
            if running is None:
                raise
            self.require_recorded()
            return waiting_page(running.sentence)
        return page(found.comparison, command=found.command, running=running, typed_again=typed_again)

    def require_recorded(self) -> None:
        """Refuse what is compared where runs have ended as they should and did not record it."""
        require_recorded(self._runs(), metric_name=self._metric, by=self._by)

    def _has_ended(self) -> bool:
        return find_sweep(self._uri, self._id).status != "RUNNING"

    def _runs(self) -> tuple[RunSummary, ...]:
        return find_runs([self._id], uri=self._uri)


def running_sentence(runs: Sequence[RunSummary]) -> str:
    """Say how far a sweep is."""
    ended = [run for run in runs if run.status not in ("RUNNING", "SCHEDULED")]
    begun = [run for run in runs if run.status == "RUNNING"]
    return f"The sweep runs: {plural(len(ended), 'run')} ended, {len(begun)} under way."


def served(sweep: WatchedSweep, *, port: int) -> ThreadingHTTPServer:
    """Return a server of the sweep's page on this machine, which answers once its `serve_forever` is called.

    A request whose Host is another name is refused, so that no page of the web can read this one under its own name.
    """
    allowed = {f"{name}:{port}" for name in (_HOST, "localhost")}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                self._serve()
            except CnnexpError as error:  # such as a store that is locked at the moment
                self._answer(503, "text/plain", masked(str(error)))

        def _serve(self) -> None:
            if self.headers.get("Host", "") not in allowed:
                self._answer(403, "text/plain", "This page is for this machine alone.")
            elif self.path == "/":
                self._answer(200, "text/html", sweep.page())
            elif self.path == "/favicon.ico":  # which browsers ask for
                self._answer(204, "image/x-icon", "")
            elif self.path == "/version":
                self._answer(200, "application/json", sweep.version())
            else:
                self._answer(404, "text/plain", "There is one page: /")

        def _answer(self, status: int, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing: each look at the version would be a line."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - sockets of any kind
            """Print nothing about a browser that has left."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    return Server((_HOST, port), Handler)
