"""A Ray cluster of two nodes and an MLflow server on PostgreSQL, all on this machine and ended with their test."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import matplotlib
import pytest

from support.sweep_processes import children, runs_in, wait_for

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
POSTGRES_USER = "postgres"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def descendants(pid):
    return [one for child in children(pid) for one in (child, *descendants(child))]


def kill_tree(process):
    """End a process and all it has started at once, as a machine that loses its power."""
    for pid in (process.pid, *descendants(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=30)


class RayCluster:
    """A head and a second node, with a core each."""

    def __init__(self, folder):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.home = folder / "home"  # of the head's user
        self.home.mkdir()
        self._folder = folder
        self._processes = []

    def head(self, *, cores=1, gpus=0):
        words = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        offered = [f"--num-cpus={cores}", f"--num-gpus={gpus}"]
        return self._start(*words, *offered, "--node-ip-address=127.0.0.1", HOME=str(self.home))

    def node(self, **environment):
        return self._start(f"--address={self.address}", "--num-cpus=1", "--node-ip-address=127.0.0.1", **environment)

    def _start(self, *words, **environment):
        log = self._folder / f"{len(self._processes)}.log"
        command = [*RAY, "start", *words, "--object-store-memory=100000000", "--block"]
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **environment})
        self._processes.append(process)
        wait_for(lambda: "Ray runtime started" in log.read_text(), seconds=180)
        return process

    def end(self):
        for process in reversed(self._processes):
            kill_tree(process)


@contextmanager
def ray_cluster(**offered):
    """Begin a head, for which this process and those it starts have the token; `offered` are its cores and GPUs."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets in it must have short names
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # Ray has its workers wait for everybody else of the machine
        patch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # or fonts are listed again for every new home
        cluster = RayCluster(folder)
        try:
            cluster.head(**offered)
            yield cluster
        finally:
            cluster.end()
            shutil.rmtree(folder, ignore_errors=True)


def postgres_programs():
    """Return the folder of PostgreSQL's programs; skip where there is none."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        pytest.skip("PostgreSQL is not installed (Debian's package is postgresql)")
    return places[-1]


@contextmanager
def postgres():
    """Begin a server in a folder of its own; yield the address of an empty database."""
    programs, port = postgres_programs(), free_port()
    user = POSTGRES_USER if os.getuid() == 0 else None  # it refuses to serve as root
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    data = str(folder / "data")

    def run(name, *words):
        subprocess.run([programs / name, *words], user=user, cwd=folder, check=True, capture_output=True, timeout=120)

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "-D", data, "-U", "tester", "--auth=trust")
        run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        with suppress(subprocess.CalledProcessError):  # it has not started
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def mlflow_server(database, folder):
    """Begin a server; yield its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    words = ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *words, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # a dozen processes for what is not used
        process = subprocess.Popen([*command, "--workers", "1"], stdout=log, stderr=log, env=quiet)
    try:
        wait_for(lambda: answers(address), seconds=180)
        yield address
    finally:
        kill_tree(process)


def answers(address):
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2):
            return True
    except OSError:
        time.sleep(0.2)
        return False


class Site:
    """All of it, and what the server says."""

    def __init__(self, ray, server):
        self.ray = ray
        self._server = server

    def words(self, experiment):
        """Return the words of a command that does its runs here."""
        place = ["hydra/launcher=ray", f"hydra.launcher.address={self.ray.address}"]
        return [*place, f"tracking.uri={self._server}", f"tracking.experiment={experiment}"]

    def recorded(self, experiment):
        """Return (parents, other runs)."""
        return runs_in(self._server, experiment)

    def busy(self, experiment):
        """Return the running runs that have an epoch: with two of them, both nodes are at work."""
        _, runs = self.recorded(experiment)
        return [run for run in runs if run.status == "RUNNING" and "val/loss" in run.metrics]


@contextmanager
def site(folder):
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        server = stack.enter_context(mlflow_server(database, folder))
        yield Site(stack.enter_context(ray_cluster()), server)
