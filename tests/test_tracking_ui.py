"""The UI server on a real store, and what its links ask it for."""

import json
import time
import urllib.request

import pytest
import tracking_samples as samples

from cnnexp.tracking import prepare_store, recording, ui


@pytest.mark.slow
def test_the_ui_serves_the_store_on_loopback(tmp_path):
    settings = samples.settings(tmp_path)
    experiment_id = prepare_store(settings)
    with recording(settings, run_name="größe", parameters={}, config_yaml="", tags={"sweep_id": "s1"}) as recorder:
        recorder.finish(samples.result(), samples.FILES)
    port = ui.free_port("127.0.0.1")
    with ui.serving(settings.uri, "127.0.0.1", port):
        base = f"http://127.0.0.1:{port}"
        page = read_when_up(ui.run_link(base, experiment_id, recorder.receipt.run_id))
        assert b"<title>MLflow</title>" in page
        listed = read_when_up(f"{base}/ajax-api/2.0/mlflow/artifacts/list?run_id={recorder.receipt.run_id}")
        assert {file["path"] for file in json.loads(listed)["files"]} >= {"images", *samples.FILES}


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
