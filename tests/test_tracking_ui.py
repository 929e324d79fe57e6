"""The UI on a real store: what its links ask it for, and what a browser shows there."""

import json
import re
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cnnexp.cli.ui import free_port, link_host, serving
from cnnexp.errors import TargetError, TrackingError
from cnnexp.tracking import mlflow_ui, recording
from cnnexp.tracking.receipt import Receipt
from cnnexp.tracking.run_page import page_of
from cnnexp.tracking.tags import PARENT, SWEEP_ID, SWEEP_KEY, VARIED
from support import tracking_inputs, users_modules
from support.browser import Browser

CHROMIUM = Path("/usr/bin/chromium")


@contextmanager
def served(folder: Path):
    """Serve the store in a folder; give the address."""
    port = free_port()
    with serving(tracking_inputs.settings(folder).uri, port):
        yield f"http://127.0.0.1:{port}"


def read(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as response:
        return response.read()


def record_sweep(folder: Path) -> tuple[str, list[str]]:
    """Record a sweep of two runs; return the id of its parent and those of its runs."""
    settings, result, runs = tracking_inputs.settings(folder), tracking_inputs.result(), []
    tracking_inputs.create_store(settings)
    tags = {SWEEP_KEY: "k", VARIED: "optimizer.learning_rate, seed"}
    with recording(settings, run_name="the sweep", parameters={}, config_yaml="", tags=tags) as parent:
        while parent.run_id is None:
            parent.check()
        for rate in (0.1, 0.02):
            parameters = {"optimizer.learning_rate": rate, "seed": 0, "model": "small"}
            tags = {PARENT: parent.run_id, SWEEP_ID: parent.run_id}
            with recording(settings, run_name=f"größe-{rate}", parameters=parameters, config_yaml="", tags=tags) as run:
                for values in result.history.epochs:
                    run.epoch(values)
                run.finish(result, tracking_inputs.FILES)
            runs.append(run.receipt.run_id)
    return parent.receipt.run_id, runs


@pytest.mark.slow
def test_the_ui_serves_the_store_on_loopback(tmp_path, monkeypatch):
    sweep_id, (run_id, _) = record_sweep(tmp_path)
    users_modules.place(tmp_path)
    monkeypatch.chdir(tmp_path)
    with served(tmp_path) as server:
        assert b"<title>MLflow</title>" in read(mlflow_ui.link(server, run_id))
        listed = read(f"{server}/ajax-api/2.0/mlflow/artifacts/list?run_id={run_id}")
        assert {file["path"] for file in json.loads(listed)["files"]} >= {"images", *tracking_inputs.FILES}
        assert f"viewStateShareKey={sweep_id}" in mlflow_ui.link(server, sweep_id)
        found = json.loads(read(f"{server}/api/2.0/mlflow/experiments/get-by-name?experiment_name=signs"))
        with pytest.raises(TargetError, match="has no run"):
            mlflow_ui.link(server, "0" * 32)
    views = {tag["key"]: tag["value"] for tag in found["experiment"]["tags"]}
    view = json.loads(views[f"mlflow.sharedViewState.{sweep_id}"])
    assert view["searchFilter"] == f"tags.sweep_id = '{sweep_id}'"
    assert view["selectedColumns"][2:] == ["params.`optimizer.learning_rate`", "params.`seed`"]
    assert view["compareRunCharts"][0]["selectedParams"] == ["optimizer.learning_rate"]


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs a browser: there is no {CHROMIUM}")
def test_a_browser_shows_the_runs_of_a_sweep_and_the_curves_of_a_run(tmp_path):
    """Fails when the installed MLflow has changed its routes or its saved views: correct tracking/mlflow_ui.py."""
    sweep_id, (run_id, _) = record_sweep(tmp_path)
    with served(tmp_path) as server:
        sweep = shown(mlflow_ui.link(server, sweep_id), tmp_path)
        charts = shown(mlflow_ui.link(server, sweep_id).replace("=TABLE", "=CHART"), tmp_path)
        run = shown(mlflow_ui.link(server, run_id), tmp_path)
        experiments = shown(mlflow_ui.link(server, None), tmp_path)
    assert "|optimizer.learning_rate|seed|best/val_loss|test/accuracy|" in re.sub(r"\|+", "|", sweep)
    assert ("größe-0.1" in sweep, "größe-0.02" in sweep, "the sweep" in sweep) == (True, True, False)
    assert "matching runs" in sweep
    assert [text for text in ("What varied and what came out", "Curves", "val/loss") if text not in charts] == []
    curves = ["größe-0.1", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate"]
    assert [curve for curve in curves if curve not in run] == []
    assert "signs" in experiments


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs a browser: there is no {CHROMIUM}")
def test_mlflows_assistant_stays_closed_under_the_name_in_links(tmp_path):
    """Fails when MLflow opens the pane by another rule: correct `link_host` in cli/ui.py, and docs/compare.md."""
    sweep_id, _ = record_sweep(tmp_path)
    column = "[...document.querySelectorAll('.ag-header-cell')].find(cell => cell.innerText.includes('learning_rate'))"
    with served(tmp_path) as server, Browser(tmp_path) as browser:
        browser.resize(1400)
        link = mlflow_ui.link(server, sweep_id)
        browser.open(link.replace("127.0.0.1", "cnnexp.localhost"))
        browser.wait(f"document.body.innerText.includes('matching runs') && {column}", seconds=60)
        assert "MLflow Assistant" not in browser.evaluate("document.body.innerText")
        assert browser.evaluate(f"{column}.getBoundingClientRect().right < innerWidth")
        browser.open(link)
        browser.wait("document.body.innerText.includes('MLflow Assistant')", seconds=60)


def shown(address: str, folder: Path) -> str:
    """Return the text of a page as a browser shows it, after its scripts."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'browser'}"]
    options += ["--window-size=1600,4000", "--virtual-time-budget=60000", "--run-all-compositor-stages-before-draw"]
    command = [str(CHROMIUM), *options, "--dump-dom", address]
    page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s*<[^>]*>\s*", "|", page)


@pytest.mark.parametrize(
    ("addresses", "variable", "host"),
    [
        (["127.0.0.1", "::1"], None, "cnnexp.localhost"),
        (["127.0.0.1", "10.0.0.7"], None, "127.0.0.1"),  # a name server that answers to every name
        ([], None, "127.0.0.1"),
        (["127.0.0.1"], "SSH_CONNECTION", "127.0.0.1"),
        (["127.0.0.1"], "MLFLOW_SERVER_ALLOWED_HOSTS", "127.0.0.1"),
    ],
)
def test_links_have_a_name_of_their_own_where_a_browser_knows_it(monkeypatch, addresses, variable, host):
    def resolve(*_, **__):
        if not addresses:
            raise OSError("unknown name")
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    for name in ("SSH_CONNECTION", "MLFLOW_SERVER_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, "anything")
    assert link_host() == host


@contextmanager
def store_that_takes_no_tags():
    """An MLflow server with one sweep, "s1", whose user may only read."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.endswith("run_id=page"):
                self._answer(200, "<html>Sign in</html>")
                return
            known = self.path.endswith("run_id=s1")
            run = {"info": {"experiment_id": "7"}, "data": {"tags": [{"key": SWEEP_KEY, "value": "k"}]}}
            self._answer(200 if known else 404, {"run": run})

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(403, {})

        def _answer(self, status, content):
            self.send_response(status)
            self.end_headers()
            self.wfile.write((content if isinstance(content, str) else json.dumps(content)).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_sweep_whose_view_cannot_be_saved_opens_at_its_own_run():
    with store_that_takes_no_tags() as server:
        view = "workflowType=machine_learning"
        assert mlflow_ui.link(f"{server}/", "s1") == f"{server}/?{view}#/experiments/7/runs/s1?{view}"
        address = f"{server}/?{view}#/experiments/7/runs/s1/artifacts/run.html?{view}"
        assert mlflow_ui.artifact_link(server, "s1", "run.html") == address
        assert page_of(Receipt("s1", "open", None, ""), uri=server) == address
        assert page_of(Receipt("s2", "open", None, ""), uri=server) is None
        assert mlflow_ui.link(server, None) == f"{server}/?{view}#/experiments?{view}"
        with pytest.raises(TargetError, match="has no run 's2'"):
            mlflow_ui.link(server, "s2")
        with pytest.raises(TrackingError, match=r"does not answer: what answers is no MLflow server"):
            mlflow_ui.link(server, "page")
        assert page_of(Receipt("page", "open", None, ""), uri=server) is None
    with pytest.raises(TrackingError, match="does not answer"):
        mlflow_ui.link(server, "s1")
    assert page_of(Receipt("s1", "open", None, ""), uri=server) is None


@pytest.mark.slow
def test_the_ui_opens_a_store_in_a_folder_of_any_name_and_names_it_to_nobody(tmp_path):
    folder = tmp_path / "50% of what? #1"
    folder.mkdir()
    _, (run_id, _) = record_sweep(folder)
    before = running_commands()
    with served(folder) as server:
        assert run_id in mlflow_ui.link(server, run_id)
        started = running_commands() - before
    assert any("mlflow" in command for command in started)
    assert not any("mlflow.db" in command for command in started)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def running_commands() -> set[str]:
    """Return the command lines that ``ps`` shows to everybody."""
    found = subprocess.run(["ps", "-eo", "pid,args", "ww"], capture_output=True, text=True, check=True).stdout
    return set(found.splitlines())
