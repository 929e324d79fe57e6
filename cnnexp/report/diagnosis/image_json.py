"""The diagnosis of images as one JSON document."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cnnexp.diagnosis.image.confirm import Candidate
from cnnexp.diagnosis.image.sets import SetCandidate
from cnnexp.records import Finding
from cnnexp.report.prediction import answer_values
from cnnexp.saved.image_diagnosis import Diagnosis, ImageDiagnosis, SetDiagnosis


def images_as_json(target: str, found: Diagnosis, *, foreign: Mapping[str, Any] | None = None) -> str:
    """Return the document: the model that was asked, an object an image, and one for all of them together.

    `foreign`: what is known of a model that cnnexp did not train.
    """
    content = {
        "model": target,
        **({} if foreign is None else {"foreign": foreign}),
        "fitted_on": found.fitted_on,
        "together": None if found.together is None else _together(found.together),
        "images": [_image(image) for image in found.images],
    }
    return json.dumps(content, indent=2) + "\n"


def _together(found: SetDiagnosis) -> dict[str, Any]:
    suspicion = found.suspicion
    return {
        "verdict": _finding(found.verdict),
        "images": suspicion.images,
        "clean_p": suspicion.clean_p,
        "candidates": _candidates(suspicion.candidates, suspicion.named),
    }


def _image(image: ImageDiagnosis) -> dict[str, Any]:
    suspicion = image.suspicion
    return answer_values(image.prediction) | {
        "verdict": _finding(image.verdict),
        "facts": [_finding(fact) for fact in image.facts],
        "clean_p": None if suspicion is None else suspicion.clean_p,
        "kind_p": None if suspicion is None else suspicion.kind_p,
        "named_p": None if suspicion is None else suspicion.named_p,
        "candidates": [] if suspicion is None else _candidates(suspicion.candidates, suspicion.named),
        "undone": [{"kind": one.kind, "label": one.label, "probability": one.probability} for one in image.undone],
        "stability": image.stable,
        "trained_on": image.is_learned,
        "nearest": [{"file": file, "label": label} for file, label in image.nearest],
        "class": None if image.record is None else dataclasses.asdict(image.record),
    }


def _candidates(
    candidates: Sequence[Candidate] | Sequence[SetCandidate], named: Sequence[Candidate] | Sequence[SetCandidate]
) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) | {"named": one in named} for one in candidates]


def _finding(finding: Finding | None) -> dict[str, Any] | None:
    return None if finding is None else dataclasses.asdict(finding)
