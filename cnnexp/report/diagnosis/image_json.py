"""The diagnosis of images as one JSON document."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from cnnexp.records import Finding
from cnnexp.report.prediction import answer_values
from cnnexp.saved.image_diagnosis import ImageDiagnosis


def images_as_json(target: str, images: Sequence[ImageDiagnosis]) -> str:
    """Return the document: the model that was asked, and an object an image."""
    return json.dumps({"model": target, "images": [_image(image) for image in images]}, indent=2) + "\n"


def _image(image: ImageDiagnosis) -> dict[str, Any]:
    return answer_values(image.prediction) | {
        "verdict": _finding(image.verdict),
        "facts": [_finding(fact) for fact in image.facts],
        "nearest": [{"file": file, "label": label} for file, label in image.nearest],
        "class": None if image.record is None else dataclasses.asdict(image.record),
    }


def _finding(finding: Finding | None) -> dict[str, Any] | None:
    return None if finding is None else dataclasses.asdict(finding)
