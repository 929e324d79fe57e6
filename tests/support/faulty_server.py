"""A real MLflow server on this machine, and before it a proxy that does to requests what a bad network does."""

import http.client
import http.server
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# What may happen to a request; with "late", the server has done what was asked and only its answer is lost.
FAULTS = ("500", "late 500", "reset", "late reset", "hang", "page")
Decide = Callable[[str, str, int], str]  # method, path, how often it was asked before -> a fault, or ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Serve a store in `folder`; killed at the end if it is still there."""
    words = ["server", "--backend-store-uri", f"sqlite:///{folder}/served.db", "--port", str(port), "--workers", "1"]
    words += ["--artifacts-destination", str(folder / "served")]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            stdout=log,
            stderr=log,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
    try:
        for _ in range(3000):  # five minutes: a busy machine
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield server
    finally:
        kill_group(server)


def kill_group(server: "subprocess.Popen[bytes]") -> None:
    """As a machine that loses power: the server and its workers, at once."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


class FaultyServer:
    """The proxy's address, and what `decide` had happen so far."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.decide: Decide = lambda _method, _path, _count: ""
        self.authorization: str | None = None  # what a request has to say in this header
        self.seen: list[tuple[str, str, str]] = []  # method, path, fault
        self._counts: Counter[str] = Counter()

    def fault(self, method: str, path: str) -> str:
        count = self._counts[path]
        self._counts[path] += 1
        fault = self.decide(method, path, count)
        self.seen.append((method, path, fault))
        return fault

    def disturb(self, decide: Decide) -> None:
        """Decide anew, and count from nought."""
        self.decide = decide
        self.seen.clear()
        self._counts.clear()


@contextmanager
def faulty_server(folder: Path, *, hang: float = 5.0) -> Iterator[FaultyServer]:
    """A server whose store is in `folder`, behind a proxy; a request that hangs does so for `hang` seconds."""
    behind, port = free_port(), free_port()
    faulty = FaultyServer(f"http://127.0.0.1:{port}")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self._body()
            if faulty.authorization not in (None, self.headers.get("Authorization")):
                self._answer("", 401, b"{}")
                return
            fault = faulty.fault(self.command, self.path.partition("?")[0])
            if fault in ("500", "reset", "page"):
                self._answer(fault, 500 if fault == "500" else 200, b"<html>Please sign in</html>")
                return
            ahead = http.client.HTTPConnection("127.0.0.1", behind, timeout=60)
            dropped = ("host", "transfer-encoding", "content-length")
            kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
            ahead.request(self.command, self.path, body, kept)
            answer = ahead.getresponse()
            status, content = answer.status, answer.read()
            ahead.close()
            if fault == "hang":
                time.sleep(hang)
            self._answer(fault, 500 if fault == "late 500" else status, content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _answer(self, fault: str, status: int, content: bytes) -> None:
            self.close_connection = True
            if fault in ("reset", "late reset", "hang"):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if fault == "page" else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Proxy(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that has left is no error here."""

    with mlflow_server(folder, behind), Proxy(("127.0.0.1", port), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield faulty
        proxy.shutdown()
