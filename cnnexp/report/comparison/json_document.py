"""A comparison as one JSON document."""

import dataclasses
import json
from typing import Any

from cnnexp.comparison.endings import Endings
from cnnexp.comparison.paired import Estimate
from cnnexp.comparison.result import Comparison, Difference, Effect, FoldDifference, Row, Share
from cnnexp.report.comparison.advice import advice_sentences
from cnnexp.report.comparison.headline import failure_words, interaction_words
from cnnexp.report.comparison.table_cells import failed_learning
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import effect_sentence


def estimate_numbers(estimate: Estimate) -> dict[str, float | int | None]:
    """Return an estimate under the names that tables and JSON give it."""
    return {"n": estimate.n, "mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def difference_numbers(difference: Difference) -> dict[str, Any]:
    """Return a difference, its test and its standing under these names."""
    return {
        **estimate_numbers(difference.gain),
        "p": difference.p,
        "p_adjusted": difference.p_adjusted,
        "standing": difference.standing.value,
        "basis": difference.basis,
    }


def json_text(comparison: Comparison) -> str:
    """The whole comparison as JSON; differences are positive when better, unknown numbers null."""
    content = {
        "verdict": verdict(comparison),
        "metric": comparison.metric.name,
        "objective": None if comparison.objective is None else comparison.objective.name,
        "settings": [
            {"name": s.name, "levels": s.levels, "moves_with": s.confounded_with} for s in comparison.settings
        ],
        "rows": [_row(row) for row in comparison.rows],
        "effects": [_effect(effect, comparison) for effect in comparison.effects],
        "models": {
            "test": comparison.model_test,
            "reference": comparison.reference.best_run.run_id,
            "differences": [
                {
                    "run": model.run.run_id,
                    **difference_numbers(model.difference),
                    "only_this_right": model.only_this_right,
                    "only_reference_right": model.only_reference_right,
                    **_by_fold(model.by_fold),
                }
                for model in comparison.models
            ],
        },
        "endings": _endings(comparison.endings),
        "lost": [
            {"settings": one.values, "runs": [run.run_id for run in one.runs], "endings": _endings(one.endings)}
            for one in comparison.lost
        ],
        "failures": {
            "by_level": [
                {
                    "setting": one.setting.name,
                    "level": one.level,
                    "endings": _endings(one.endings),
                    "others": _endings(one.others),
                    "p": one.p,
                }
                for one in comparison.by_level
            ],
            "interactions": [
                {
                    "setting": one.setting.name,
                    "level": one.level,
                    "other": one.other.name,
                    "fails_with": {level: _endings(cell) for level, cell in one.fails_with.items()},
                    "not_with": {level: _endings(cell) for level, cell in one.not_with.items()},
                    "p": one.p,
                    "sentence": failure_words(one),
                }
                for one in comparison.failure_interactions
            ],
        },
        "importance": [
            {"setting": one.setting.name, "share": _share(one.share), "learned": one.learned and _share(one.learned)}
            for one in comparison.importance
        ],
        "interactions": [
            {
                "setting": one.setting.name,
                "level": one.level,
                "against": one.against,
                "other": one.other.name,
                "other_level": one.other_level,
                "other_against": one.other_against,
                "gain_with": one.gain_with,
                "gain_without": one.gain_without,
                **difference_numbers(one.difference),
                "sentence": interaction_words(one, comparison.metric),
            }
            for one in comparison.score_interactions
        ],
        "slices": {
            "run": comparison.reference.best_run.run_id,
            "parts": [
                {
                    "property": one.by,
                    "label": one.label,
                    "images": one.images,
                    "accuracy": one.accuracy,
                    "other_images": one.other_images,
                    "other_accuracy": one.other_accuracy,
                    "low": one.difference.low,
                    "high": one.difference.high,
                    "p": one.p,
                    "p_adjusted": one.p_adjusted,
                }
                for one in comparison.slices
            ],
            "differences": [
                {
                    "property": one.by,
                    "label": one.label,
                    "images": one.images,
                    "accuracy": one.accuracy,
                    "reference_accuracy": one.reference_accuracy,
                    **estimate_numbers(one.gain),
                    "p": one.p,
                    "p_adjusted": one.p_adjusted,
                }
                for one in comparison.slice_differences
            ],
        },
        "left_out": [{"run": run.run_id, "name": run.name, "reason": reason} for run, reason in comparison.left_out],
        **_if_any("advice", advice_sentences(comparison)),
        "refusals": comparison.refusals,
        "warnings": comparison.warnings,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _by_fold(found: FoldDifference | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {"by_fold": {**estimate_numbers(found.gain), "p": found.p, "better_in": found.better_in}}


def _endings(endings: Endings) -> dict[str, Any]:
    return {
        "learned": endings.learned,
        "learned_nothing": endings.learned_nothing,
        "not_finished": endings.not_finished,
    }


def _share(share: Share) -> dict[str, Any]:
    return {**dataclasses.asdict(share), "told_from_zero": share.told_from_zero}


def _if_any(name: str, value: object) -> dict[str, Any]:
    """Return a key of the JSON document that is there only where it says something."""
    return {name: value} if value else {}


def _row(row: Row) -> dict[str, Any]:
    return {
        "settings": row.configuration.values,
        "runs": [run.run_id for run in row.configuration.runs],
        "seeds": row.seeds,
        "standing": row.standing.value,
        "objective": None if row.objective is None else estimate_numbers(row.objective),
        "score": estimate_numbers(row.score),
        "score_of_all_runs": estimate_numbers(row.score_all),
        "gain": None if row.over_seeds is None else difference_numbers(row.over_seeds),
        **_if_any("gain_of_all_runs", row.over_all_seeds and difference_numbers(row.over_all_seeds)),
        "endings": _endings(row.endings),
        "means": row.means,
        **_if_any("failed_learning", failed_learning(row)),
    }


def _effect(effect: Effect, comparison: Comparison) -> dict[str, Any]:
    return {
        "setting": effect.setting.name,
        "level": effect.level,
        "against": effect.against,
        **difference_numbers(effect.difference),
        "blocks": effect.blocks,
        "reversed_in": effect.reversed_in,
        **_if_any("of_all_runs", effect.all_runs and difference_numbers(effect.all_runs)),
        "sentence": effect_sentence(effect, comparison.metric),
    }
