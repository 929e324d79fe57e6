"""Whole comparisons of runs whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from cnnexp.comparison import Standing, compare
from cnnexp.errors import ConfigError
from cnnexp.records import RecordedPredictions, RunSummary
from cnnexp.report.comparison import effect_sentence, verdict

SEED_LUCK = (0.004, -0.003, 0.001, -0.002, 0.005)
OWN_LUCK = (0.001, -0.002, 0.0015, -0.0005, 0.0002)


def summary(score: float, *, seed: int = 0, validation: float | None = None, status: str = "FINISHED", **settings: str):
    named = {key.replace("__", "."): value for key, value in settings.items()}
    name = "-".join([*named.values(), f"s{seed}"])
    return RunSummary(
        run_id=name, name=name, experiment="e", status=status, parent_id=None, started=0.0, seconds=2.0,
        settings={**named, "seed": str(seed)}, tags={}, data_digest="d", data_source=None,
        metrics={"test/accuracy": score, "best/val_loss": 1 - (score if validation is None else validation)},
        read_curves=dict, read_predictions=lambda: None, read_findings=tuple,
    )  # fmt: skip


def predicted(right: str, files: tuple[str, ...] | None = None) -> RecordedPredictions:
    """``right`` is one character an image: 1 where the model is right."""
    labels = np.zeros(len(right), dtype=np.int64)
    hits = np.array([mark == "1" for mark in right])
    probabilities = np.where(hits[:, None], [[0.9, 0.1]], [[0.2, 0.8]]).astype(np.float32)
    return RecordedPredictions(
        ("a", "b"), files or tuple(f"{i}.png" for i in range(len(right))), None, None, None, labels, probabilities
    )


def with_predictions(run: RunSummary, recorded: RecordedPredictions) -> RunSummary:
    return replace(run, read_predictions=lambda: recorded)


def dropouts(gain: float, *, seeds: int = 5) -> list[RunSummary]:
    return [
        summary(0.9 + SEED_LUCK[s] + (gain + OWN_LUCK[s]) * (level == "0.3"), seed=s, regularization__dropout=level)
        for level in ("0.0", "0.3")
        for s in range(seeds)
    ]


def test_a_real_gain_is_found_and_said():
    comparison = compare(dropouts(0.008), metric_name="test/accuracy", by=())
    (effect,) = comparison.effects
    assert effect.difference.standing is Standing.BETTER
    assert effect.difference.gain.mean == pytest.approx(0.008 + np.mean(OWN_LUCK))
    assert effect_sentence(effect, comparison.metric).startswith("regularization.dropout=0.3 gains 0.80 points ± 0.17")
    assert [row.standing for row in comparison.rows] == [Standing.REFERENCE, Standing.WORSE]


def test_luck_alone_is_not_a_gain():
    comparison = compare(dropouts(0.0), metric_name="test/accuracy", by=())
    assert comparison.effects[0].difference.standing is Standing.ALIKE
    assert verdict(comparison)[0].startswith("No difference shown")
    assert "still allow differences" in " ".join(verdict(comparison))


def test_below_five_seeds_there_is_no_verdict_about_a_setting():
    comparison = compare(dropouts(0.05, seeds=4), metric_name="test/accuracy", by=())
    assert comparison.effects[0].difference.standing is Standing.UNTESTED
    assert "needs 5 seeds" in effect_sentence(comparison.effects[0], comparison.metric)
    assert any("Only 4 seeds" in warning for warning in comparison.warnings)


def test_pairs_are_matched_by_seed_not_by_order():
    runs = dropouts(0.008)
    shuffled = [runs[i] for i in (7, 2, 9, 4, 0, 5, 3, 8, 1, 6)]
    first, second = (compare(r, metric_name="test/accuracy", by=()).effects for r in (runs, shuffled))
    assert first[0].difference.p == pytest.approx(second[0].difference.p)


def test_seeds_not_combinations_are_the_unit():
    runs = [
        summary(
            0.9 + SEED_LUCK[s] + 0.01 * (d == "0.3"), seed=s, optimizer__learning_rate=rate, regularization__dropout=d
        )
        for rate in ("0.1", "0.01", "0.001")
        for d in ("0.0", "0.3")
        for s in range(2)
    ]
    effect = compare(runs, metric_name="test/accuracy", by=("regularization.dropout",)).effects[0]
    assert (effect.difference.gain.n, effect.blocks) == (2, 3)
    assert effect.difference.standing is Standing.UNTESTED


def test_ranked_on_validation_not_on_test():
    runs = [summary(0.95, validation=0.80, model="vgg"), summary(0.90, validation=0.85, model="small")]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    assert comparison.reference.configuration.values == {"model": "small"}


def test_a_loss_that_falls_is_a_gain():
    runs = [
        replace(run, metrics={**run.metrics, "test/log_loss": 1 - run.metrics["test/accuracy"]})
        for run in dropouts(0.02)
    ]
    effect = compare(runs, metric_name="test/log_loss", by=()).effects[0]
    assert effect.difference.standing is Standing.BETTER
    assert effect.difference.gain.low > 0


def test_a_setting_that_follows_another_is_not_a_second_one():
    runs = [
        summary(0.9, optimizer="sgd", optimizer__momentum="0.9", optimizer__learning_rate="0.1"),
        summary(0.9, optimizer="adam", optimizer__learning_rate="0.1"),
    ]
    assert [s.name for s in compare(runs, metric_name="test/accuracy", by=()).settings] == ["optimizer"]


def test_settings_that_moved_together_are_named():
    runs = [summary(0.9, optimizer__learning_rate=r, training__batch_size=b) for r, b in (("0.1", "32"), ("0.2", "64"))]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    assert comparison.settings[0].confounded_with == ("training.batch_size",)
    assert any("never changed without training.batch_size" in warning for warning in comparison.warnings)


def test_numbers_drawn_at_random_do_not_count_as_moving_together():
    drawn = (("0.1", "32"), ("0.2", "128"), ("0.3", "64"))
    runs = [summary(0.9, optimizer__learning_rate=r, training__batch_size=b) for r, b in drawn]
    assert len(compare(runs, metric_name="test/accuracy", by=()).settings) == 2


def test_a_number_drawn_at_random_is_shown_by_the_digits_that_tell_it_apart():
    runs = [summary(0.9, optimizer__learning_rate=r) for r in ("0.00187145006", "0.00187149999", "0.01")]
    (rate,) = compare(runs, metric_name="test/accuracy", by=()).settings
    assert [rate.text(level) for level in rate.levels] == ["0.00187145", "0.0018715", "0.01"]


def test_two_models_on_the_same_images_by_mcnemar():
    # 7 images only the second has right, 1 only the first: mid-p 0.0391 (Fagerland 2013)
    first = with_predictions(summary(0.6, validation=0.9, model="small"), predicted("1" * 12 + "1" + "0" * 7))
    second = with_predictions(summary(0.9, validation=0.8, model="vgg"), predicted("1" * 12 + "0" + "1" * 7))
    comparison = compare([first, second], metric_name="test/accuracy", by=())
    (model,) = comparison.models
    assert model.difference.p == pytest.approx(0.0391, abs=5e-5)
    assert (model.only_this_right, model.only_reference_right) == (7, 1)
    assert comparison.rows[1].standing is Standing.BETTER
    said = verdict(comparison)
    assert (
        said[0] == "On these images model vgg beats small by 30 points; about settings a verdict needs 5 seeds, not 1."
    )
    assert "No verdict about the settings" in " ".join(said[1:])


def test_the_order_of_recorded_images_does_not_matter():
    files = tuple(f"{i}.png" for i in range(20))
    first = with_predictions(summary(0.6, validation=0.9, model="small"), predicted("1" * 13 + "0" * 7, files))
    second = with_predictions(summary(0.9, model="vgg"), predicted(("1" * 12 + "0" + "1" * 7)[::-1], files[::-1]))
    same_images = replace(second, data_digest=first.data_digest)
    (model,) = compare([first, same_images], metric_name="test/accuracy", by=()).models
    assert (model.only_this_right, model.only_reference_right) == (7, 1)


def test_different_test_images_are_refused():
    first = with_predictions(summary(0.6, model="small"), predicted("1100"))
    other = predicted("1101", ("0.png", "1.png", "2.png", "other.png"))
    second = replace(with_predictions(summary(0.9, model="vgg"), other), data_digest="changed")
    comparison = compare([first, second], metric_name="test/accuracy", by=())
    assert "same test images" in comparison.refusals[0]
    assert not comparison.models
    assert {row.standing for row in comparison.rows} == {Standing.UNTESTED}


def test_another_training_set_with_the_same_test_images_is_compared():
    first = with_predictions(summary(0.6, model="small"), predicted("1100"))
    second = replace(with_predictions(summary(0.9, model="vgg"), predicted("1101")), data_digest="fewer")
    comparison = compare([first, second], metric_name="test/accuracy", by=())
    assert not comparison.refusals
    assert any("2 different data sets (data.digest: " in warning for warning in comparison.warnings)


def test_effects_are_measured_within_one_data_set_when_several_are_there():
    runs = [
        replace(run, settings={**run.settings, "data": d}, data_digest=d, run_id=run.run_id + d)
        for run in dropouts(0.008)
        for d in ("digits", "mnist")
    ]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    assert comparison.refusals
    assert [effect.setting.name for effect in comparison.effects] == ["regularization.dropout"]
    assert comparison.effects[0].difference.standing is Standing.BETTER


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metrics": {"updates": 100.0}}, "Numbers of training steps differ"),
        ({"settings": {"training.threads": "2"}}, "different threads"),
        ({"settings": {"training.precision": "bfloat16"}}, "different precision"),
        ({"settings": {"data.validation": "0.3"}}, "split their data differently"),
        ({"tags": {"search.objective": "test/accuracy"}}, "selected on the test split"),
    ],
)
def test_what_is_unfair_is_said(change, sentence):
    base = {"training.threads": "1", "training.precision": "float32", "data.validation": "0.1"}
    runs = [replace(r, settings={**r.settings, **base}, metrics={**r.metrics, "updates": 800.0}) for r in dropouts(0.0)]
    assert not [w for w in compare(runs, metric_name="test/accuracy", by=()).warnings if sentence in w]
    changed = [
        replace(run, **{field: {**getattr(run, field), **values} for field, values in change.items()})
        if run.settings["regularization.dropout"] == "0.3" and run.settings["seed"] != "4"
        else run
        for run in runs
    ]
    found = compare(changed, metric_name="test/accuracy", by=("regularization.dropout",)).warnings
    assert [w for w in found if sentence in w]


def test_what_was_not_finished_is_counted_and_named():
    runs = [*dropouts(0.0), summary(0.9, status="FAILED", model="x"), summary(0.9, status="RUNNING", model="y")]
    comparison = compare(runs, metric_name="test/accuracy", by=())
    assert [reason for _, reason in comparison.left_out] == ["failed", "running"]


def test_repeats_of_a_seed_are_not_more_evidence():
    runs = dropouts(0.008)
    repeated = [*runs, *(replace(run, run_id=f"{run.run_id}-again") for run in runs)]
    once, twice = (compare(r, metric_name="test/accuracy", by=()) for r in (runs, repeated))
    assert once.effects[0].difference == twice.effects[0].difference
    assert twice.rows[0].seeds == 5


def test_rows_that_surely_differ_are_told_where_no_effect_is_shown():
    """One change at a time: effects pair rows with a base of another luck, and the two changed rows have the same."""
    luck = np.array([0.03, -0.02, 0.01, -0.03, 0.02])

    def rows(lost):
        return [
            run
            for seed in range(5)
            for run in (
                summary(0.9 + luck[seed], seed=seed, model__width="8", model__dense="32"),
                summary(0.92 - luck[seed], seed=seed, model__width="16", model__dense="32"),
                summary(0.92 - luck[seed] - lost - OWN_LUCK[seed], seed=seed, model__width="8", model__dense="64"),
            )
        ]

    found, not_enough = (compare(rows(lost), metric_name="test/accuracy", by=()) for lost in (0.02, 0.003))
    assert not any(effect.difference.more_than_chance for effect in found.effects)
    assert [row.standing for row in found.rows] == [Standing.REFERENCE, Standing.ALIKE, Standing.WORSE]
    assert verdict(found)[0] == "Model dense 32, model width 16 beats 1 of 2 other settings."
    assert {row.standing for row in not_enough.rows[1:]} == {
        Standing.ALIKE
    }  # three pairs and 0.008 are 0.023: by itself a claim


def test_unknown_names_get_a_suggestion():
    with pytest.raises(ConfigError, match=r"Did you mean test/accuracy\?"):
        compare(dropouts(0.0), metric_name="test/acuracy", by=())
    with pytest.raises(ConfigError, match=r"Did you mean regularization\.dropout\?"):
        compare(dropouts(0.0), metric_name="test/accuracy", by=("regularisation.dropout",))


def test_an_effect_that_turns_round_is_said():
    runs = [
        summary(
            0.9 + SEED_LUCK[s] + OWN_LUCK[s] * (d == "0.3") + gain * (d == "0.3"),
            seed=s,
            model=m,
            regularization__dropout=d,
        )
        for m, gain in (("vgg", 0.05), ("small", -0.02))
        for d in ("0.0", "0.3")
        for s in range(5)
    ]
    effects = compare(runs, metric_name="test/accuracy", by=()).effects
    dropout = next(effect for effect in effects if effect.setting.name == "regularization.dropout")
    assert dropout.reversed_in == ("model=small",)


def test_one_model_is_no_evidence_about_its_setting_beside_a_mean_over_seeds():
    many = [with_predictions(run, predicted("1" * 20)) for run in dropouts(0.0)]
    lone = with_predictions(summary(0.2, regularization__dropout="0.9"), predicted("0" * 20))
    comparison = compare([*many, lone], metric_name="test/accuracy", by=())
    row = next(row for row in comparison.rows if row.configuration.values["regularization.dropout"] == "0.9")
    assert row.standing is Standing.UNTESTED
    assert "0.9" not in verdict(comparison)[0]
    assert any(model.run is lone and model.difference.standing is Standing.WORSE for model in comparison.models)
