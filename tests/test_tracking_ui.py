"""The UI server on a real store, and what its links ask it for."""

import json
import time
import urllib.request

import pytest

from cnnexp.cli.ui import _link
from cnnexp.tracking import prepare_store, recording, ui
from cnnexp.tracking.tags import SWEEP_KEY, VARIED
from support import tracking_inputs


@pytest.mark.slow
def test_the_ui_serves_the_store_on_loopback(tmp_path):
    settings = tracking_inputs.settings(tmp_path)
    experiment_id = prepare_store(settings)
    with recording(settings, run_name="größe", parameters={}, config_yaml="", tags={"sweep_id": "s1"}) as recorder:
        recorder.finish(tracking_inputs.result(), tracking_inputs.FILES)
    port = ui.free_port("127.0.0.1")
    with ui.serving(settings.uri, "127.0.0.1", port):
        base = f"http://127.0.0.1:{port}"
        page = read_when_up(ui.run_link(base, experiment_id, recorder.receipt.run_id))
        assert b"<title>MLflow</title>" in page
        listed = read_when_up(f"{base}/ajax-api/2.0/mlflow/artifacts/list?run_id={recorder.receipt.run_id}")
        assert {file["path"] for file in json.loads(listed)["files"]} >= {"images", *tracking_inputs.FILES}


@pytest.mark.slow
def test_a_sweep_opens_with_what_varied_and_what_came_out(tmp_path):
    settings = tracking_inputs.settings(tmp_path)
    prepare_store(settings)
    tags = {SWEEP_KEY: "k", VARIED: "optimizer.learning_rate, seed"}
    with recording(settings, run_name="sweep", parameters={}, config_yaml="", tags=tags) as recorder:
        recorder.finish(tracking_inputs.result(), tracking_inputs.FILES)
    port = ui.free_port("127.0.0.1")
    with ui.serving(settings.uri, "127.0.0.1", port):
        base, sweep = f"http://127.0.0.1:{port}", recorder.receipt.run_id
        read_when_up(base)
        assert f"viewStateShareKey={sweep}" in _link(base, sweep)
        found = json.loads(read_when_up(f"{base}/api/2.0/mlflow/experiments/get-by-name?experiment_name=signs"))
    views = {tag["key"]: tag["value"] for tag in found["experiment"]["tags"]}
    view = json.loads(views[f"mlflow.sharedViewState.{sweep}"])
    assert view["searchFilter"] == f"tags.sweep_id = '{sweep}'"
    assert view["selectedColumns"][:2] == ["params.`optimizer.learning_rate`", "params.`seed`"]
    assert view["compareRunCharts"][0]["selectedParams"] == ["optimizer.learning_rate"]


def read_when_up(address: str) -> bytes:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as response:
                return response.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
