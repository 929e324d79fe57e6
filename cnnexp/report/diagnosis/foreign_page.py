"""What a foreign model wants, as values of the page of a diagnosis."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.diagnosis.foreign.preprocessing import FACTORS
from cnnexp.diagnosis.foreign.verdict import wanted_sentences
from cnnexp.records import Finding
from cnnexp.report.diagnosis.foreign_text import option_text, p_text
from cnnexp.saved.foreign_diagnosis import ForeignDiagnosis


@dataclass(frozen=True, slots=True)
class Row:
    """One choice of a step."""

    step: str
    choice: str
    accuracy: str
    p: str
    outcome: str


def foreign_page(found: ForeignDiagnosis, findings: Sequence[Finding]) -> dict[str, object]:
    """Return what `foreign_part.html.j2` shows."""
    return {
        "known": found.wanted.is_known,
        "takes": found.model.said,
        "sentences": wanted_sentences(found.wanted, form=found.form),
        "findings": findings,
        "rows": [
            Row(
                step=FACTORS.get(step.factor, step.factor) if option.chosen else "",
                choice=option_text(step, option.name),
                accuracy=f"{100 * option.accuracy:.0f} %",
                p="" if option.chosen else p_text(option.p_value).removeprefix("= "),
                outcome="chosen" if option.chosen else "excluded" if option.is_excluded else "possible",
            )
            for step in found.wanted.steps
            for option in step.options
        ],
        "recipe": found.recipe,
        "class_names": found.class_names,
    }
