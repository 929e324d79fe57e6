"""``cnnexp compare --watch``: the page of a sweep that still runs, over HTTP."""

import re
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

import pytest

from cnnexp.__main__ import main
from cnnexp.cli.ui import free_port
from cnnexp.cli.watch import WatchedSweep, served
from cnnexp.tracking.tags import SWEEP_KEY
from support.browser import CHROMIUM, REASON, Browser
from support.recorded_runs import Recorder
from support.sweep_processes import recorded, start

SETTINGS = {"data": "signs", "model": "small", "optimizer.learning_rate": "0.001"}


@pytest.fixture
def watched(tmp_path):
    """Serve the page of a sweep under way; give its address, the recorder and the sweep's id."""
    recorder = Recorder(tmp_path)
    tags = {SWEEP_KEY: "k"}
    sweep = recorder.client.create_run(recorder.experiment_id, run_name="rates", tags=tags).info.run_id
    port = free_port()
    with served(WatchedSweep(sweep, recorder.uri, by=(), metric="test/accuracy"), port=port) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{port}", recorder, sweep
        server.shutdown()
        thread.join()


def read(address: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as response:
        return response.read().decode()


def finish_runs(recorder, sweep):
    for dropout, score in (("0.0", 0.8), ("0.3", 0.9)):
        for seed in range(5):
            settings = {**SETTINGS, "regularization.dropout": dropout, "seed": str(seed)}
            noise = (seed if dropout == "0.0" else 2 * seed % 5) / 100
            metrics = {"best/val_loss": 1 - score, "test/accuracy": score + noise}
            recorder.run(f"do{dropout}-s{seed}", settings, metrics, parent=sweep)


def test_there_is_no_verdict_before_the_end(watched):
    address, recorder, sweep = watched
    recorder.run("first", {**SETTINGS, "seed": "0"}, {}, parent=sweep, status="RUNNING")
    assert "The sweep runs: 0 runs ended, 1 under way." in read(address)
    before = read(f"{address}/version")
    finish_runs(recorder, sweep)
    page = read(address)
    assert "<h1>The sweep runs: 10 runs ended, 1 under way.</h1>" in page
    assert "No verdict before its end" in page
    assert "beats" not in page.partition('<script type="application/gzip"')[0]
    assert read(f"{address}/version") != before
    recorder.client.set_terminated(sweep)
    assert "<h1>Dropout 0.3 beats 0 by 10.0 points" in read(address)


def test_what_cannot_be_compared_is_said_where_the_page_would_be_and_no_browser_that_leaves_is_told_of(watched, capfd):
    address, recorder, sweep = watched
    recorder.client.delete_run(sweep)
    with pytest.raises(urllib.error.HTTPError) as answer:
        read(address)
    assert (answer.value.code, answer.value.headers.get_content_type()) == (503, "text/plain")
    assert sweep in answer.value.read().decode()
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it leaves by a reset
        browser.sendall(b"GET / HTTP/1.1\r\n")
    assert read(f"{address}/favicon.ico") == ""
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=REASON)
def test_the_page_follows_the_sweep_and_keeps_what_is_chosen(watched, tmp_path):
    address, recorder, sweep = watched
    finish_runs(recorder, sweep)
    with Browser(tmp_path) as browser:
        browser.resize(1000)
        browser.open(address, ready="document.querySelector('input[type=search]')")
        browser.click("input[type=search]")
        browser.type("seed=3")
        recorder.run("later", {**SETTINGS, "seed": "9"}, {}, parent=sweep, status="RUNNING")
        browser.wait("document.querySelector('#verdict h1')?.textContent.includes('10 runs ended, 1 under way')")
        recorder.client.set_terminated(sweep)
        browser.wait("document.querySelector('.exploratory')")  # the verdict, of what was searched for
        browser.wait("document.querySelector('input[type=search]').value === 'seed=3'")
        browser.click(".chip")
        browser.wait("document.querySelector('#verdict h1')?.textContent.startsWith('Dropout 0.3 beats 0 by')")
        assert browser.errors() == []


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=REASON)
def test_a_sweep_is_watched_while_it_trains(tmp_path):
    """Two processes and a browser: numbers move, there is no verdict before the end, and then there is."""
    words = [
        "data=digits",
        "model=small",
        "training.epochs=4",
        "optimizer.learning_rate=0.0003,0.003",
        "seed=0,1,2,3,4",
    ]
    training = start(*words, folder=tmp_path)
    until(lambda: recorded(tmp_path)[0])
    watching = start(recorded(tmp_path)[0][0].run_id, "--watch", folder=tmp_path, command="compare")
    try:
        address = re.search(r"http://[^ ]+", watching.stdout.readline())[0]
        seen = set()
        with Browser(tmp_path) as browser:
            browser.resize(1000)
            browser.open(address, ready="document.querySelector('h1')")
            while "The sweep runs" in (text := browser.evaluate("document.body?.innerText || 'The sweep runs'")):
                assert training.poll() in (None, 0), training.stdout.read()
                if "No verdict before its end" in text:  # and not a page that loads, or waits for the first number
                    assert not any(claim in text for claim in ("beats", "told from zero", "p =", "p <"))
                    seen.add(browser.evaluate("document.querySelector('#table tbody').innerText"))
                time.sleep(0.5)
            assert len(seen) >= 3  # numbers moved
            assert not any(mark in rows for rows in seen for mark in "▼▲≈")
            heading = browser.evaluate("document.querySelector('h1').textContent")
            assert re.match("Learning rate|No difference shown", heading), heading
            browser.wait("document.querySelectorAll('#table tbody tr').length === 2")
            assert browser.errors() == []
    finally:
        for process in (watching, training):
            process.terminate()
            process.communicate(timeout=60)


def until(condition, *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_page_is_for_this_machine_alone(watched):
    address, *_ = watched
    with pytest.raises(urllib.error.HTTPError, match="403"):
        read(address, Host="evil.example")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        read(f"{address}/mlflow.db")


def test_what_no_run_has_recorded_is_refused_as_soon_as_one_has_ended(watched, capsys):
    address, recorder, sweep = watched
    recorder.run("pruned", {**SETTINGS, "seed": "8"}, {"best/val_loss": 1.0}, parent=sweep, tags={"pruned": "true"})
    assert "The sweep runs" in read(address)  # nothing is known of it yet
    recorder.run("first", {**SETTINGS, "seed": "0"}, {"best/val_loss": 0.2, "test/f1": 0.8}, parent=sweep)
    with pytest.raises(urllib.error.HTTPError) as answer:  # it was right when the page was opened
        read(address)
    assert "got 'test/accuracy', allowed are best/val_loss, test/f1" in answer.value.read().decode()
    where = [sweep, f"tracking.uri={recorder.uri}", "--watch"]
    assert main(["compare", *where, "--metric", "test/f11"]) == 2
    assert "got 'test/f11', allowed are best/val_loss, test/f1. Did you mean test/f1?" in capsys.readouterr().err
    assert main(["compare", *where, "--metric", "test/f1", "--by", "optimizer.learning_rat"]) == 2
    assert "Did you mean optimizer.learning_rate?" in capsys.readouterr().err


def test_one_sweep_is_watched(tmp_path, capsys):
    recorder = Recorder(tmp_path)
    assert main(["compare", "a", "b", f"tracking.uri={recorder.uri}", "--watch"]) == 2
    assert "--watch takes one sweep" in capsys.readouterr().err
    assert main(["compare", "a", f"tracking.uri={recorder.uri}", "--watch"]) == 2
    assert "no sweep at" in capsys.readouterr().err
