"""What a foreign model wants, as values of a JSON document."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from scipy.special import expit

from cnnexp.diagnosis.foreign.verdict import wanted_sentences
from cnnexp.records import Finding
from cnnexp.saved.foreign_diagnosis import ForeignDiagnosis


def foreign_values(found: ForeignDiagnosis, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the values: what the model takes, what it wants, each step with its choices, findings, and the recipe."""
    wanted = found.wanted
    return {
        "takes": found.model.said,
        "sentences": list(wanted_sentences(wanted, form=found.form)),
        "known": wanted.is_known,
        "wants": dataclasses.asdict(wanted.preprocessing),
        "size": list(found.size),
        "outputs": found.form,
        "class_names": list(found.class_names),
        "accuracy": wanted.accuracy,
        "chance": wanted.chance,
        "boundary": None if wanted.fitted.boundary is None else float(expit(wanted.fitted.boundary)),
        "images": {"data": found.images.origin, "chose": wanted.chose, "confirmed": len(wanted.confirm)},
        "steps": {
            step.factor: {
                "told": step.is_told,
                "choices": [dataclasses.asdict(option) | {"excluded": option.is_excluded} for option in step.options],
            }
            for step in wanted.steps
        },
        "given_as": [{**dataclasses.asdict(one), "accuracy": accuracy} for one, accuracy in wanted.common],
        "recipe": list(found.recipe),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
