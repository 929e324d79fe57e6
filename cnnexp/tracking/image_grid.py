"""Pictures for the image grid of MLflow's UI, which shows those of several runs side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.tracking.outbox import Entry

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FOLDER = "images"  # MLflow's; one foreign file in it hides all of the run's images


def send_image_grid(client: "MlflowClient", run_id: str, files: Path, entries: Sequence[Entry]) -> None:
    """Log the artifacts named by ``image`` entries; what is in the grid is left, since MLflow would add it again."""
    asked = [entry for entry in entries if entry["kind"] == "image"]
    if not asked or client.list_artifacts(run_id, _FOLDER):
        return
    from PIL import Image

    for entry in asked:
        with Image.open(files / entry["file"]) as image:
            client.log_image(run_id, image, key=entry["key"], step=entry["step"], timestamp=entry["time"])
