"""Runs over different data are different rows, and the same test images are the same pixels."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from cnnexp.comparison import Standing, compare
from cnnexp.records import RecordedPredictions, RunSummary
from cnnexp.report.comparison import csv_text, json_text, markdown_text, print_comparison, verdict
from cnnexp.report.console import open_console

READING = '{"height": 8, "width": 8}'
PIXELS = tuple(f"{number:016x}" for number in range(8))
OTHERS = tuple(f"{number:016x}" for number in range(100, 108))
FILES = tuple(f"{name}/{number}.png" for name in "ab" for number in range(4))
LABELS = np.repeat([0, 1], 4)


def predictions(hits="11111111", *, pixels=PIXELS, files=FILES, reading=READING, content="c1", labels=LABELS):
    """What a run recorded; without pixels, as version 0.1.0 did."""
    right = np.array([mark == "1" for mark in hits])
    probabilities = np.where((right == (labels == 0))[:, None], [[0.9, 0.1]], [[0.2, 0.8]]).astype(np.float32)
    new = (pixels, reading, content) if pixels is not None else (None, None, None)
    return RecordedPredictions(("a", "b"), files, *new, labels, probabilities)


def run(name, recorded, *, digest="d1", source="/home/me/photos", score=0.9, seed=0, **settings):
    named = {key.replace("__", "."): value for key, value in settings.items()}
    return RunSummary(
        run_id=name, name=name, experiment="e", status="FINISHED", parent_id=None, started=0.0, seconds=2.0,
        settings={"data": "folder", "data.test": "0.2", "seed": str(seed), **named}, tags={},
        data_digest=digest, data_source=source,
        metrics={"test/accuracy": score, "best/val_loss": 1 - score},
        read_curves=dict, read_predictions=lambda: recorded, read_findings=tuple,
    )  # fmt: skip


compared = partial(compare, metric_name="test/accuracy", by=())


def levels(comparison):
    return {
        one.run_id: {name: row.configuration.values[name] for name in row.configuration.values}
        for row in comparison.rows
        for one in row.configuration.runs
    }


def old(**changes):
    return predictions(pixels=None, **changes)


def test_a_copy_with_other_pixels_is_other_data_and_other_test_images():
    first = run("good", predictions(), score=0.91)
    inverted = run(
        "inverted", predictions("00000000", pixels=OTHERS, content="c2"), score=0.1, digest="d2", source="/home/me/copy"
    )
    comparison = compared([first, inverted])
    assert levels(comparison) == {"good": {"data.path": "photos"}, "inverted": {"data.path": "copy"}}
    assert "different sets: 1 like good (data=folder, data.path=photos, digest d1)" in comparison.refusals[0]
    assert not comparison.models
    assert all("copy" in text for text in (csv_text(comparison), json_text(comparison), markdown_text(comparison)))
    assert verdict(comparison)[0].startswith("Refused: ")


def test_other_training_data_with_the_same_test_images_are_compared_as_a_setting():
    clean = run("clean", predictions("11111111"), score=1.0, source="/data/clean")
    noisy = run("noisy", predictions("11111000", content="c2"), score=0.6, digest="d2", source="/data/noisy")
    comparison = compared([clean, noisy])
    assert not comparison.refusals
    assert levels(comparison) == {"clean": {"data.path": "clean"}, "noisy": {"data.path": "noisy"}}
    (model,) = comparison.models
    assert (model.only_this_right, model.only_reference_right) == (0, 3)
    (warning,) = [one for one in comparison.warnings if "different data sets" in one]
    assert "data.path: clean, noisy" in warning
    assert not any("by file names" in one for one in comparison.warnings)


def test_seeds_over_two_data_sets_are_an_effect_of_the_data():
    luck = (0.004, -0.003, 0.001, -0.002, 0.005)
    runs = [
        run(
            f"{place}{seed}", predictions(content=place), digest=place, source=f"/data/{place}",
            score=mean + spread * luck[seed], seed=seed,
        )
        for place, mean, spread in (("clean", 0.9, 1.0), ("noisy", 0.8, 1.2))
        for seed in range(5)
    ]  # fmt: skip
    comparison = compared(runs)
    assert [row.seeds for row in comparison.rows] == [5, 5]
    assert [row.standing for row in comparison.rows] == [Standing.REFERENCE, Standing.WORSE]
    (effect,) = comparison.effects
    assert (effect.setting.name, effect.level, effect.against) == ("data.path", "noisy", "clean")


def test_rows_that_average_over_data_say_so():
    runs = [
        run(f"{place}{rate}", predictions(content=place), digest=place, source=place, optimizer__learning_rate=rate)
        for place in ("clean", "noisy")
        for rate in ("0.1", "0.01")
    ]
    comparison = compare(runs, metric_name="test/accuracy", by=("optimizer.learning_rate",))
    assert len(comparison.rows) == 2
    assert any("--by data.path keeps them apart" in one for one in comparison.warnings)
    assert len(compare(runs, metric_name="test/accuracy", by=("data.path",)).rows) == 2


SAME_DATA = {
    "moved": ({"source": "/elsewhere/pictures"}, {}),
    "another seed thins them": ({"digest": "d2", "data__limit": "4", "seed": 1}, {}),
    "split in another way": ({"digest": "d2", "data__test": "0.3"}, {}),
    "moved and thinned": ({"digest": "d2", "data__limit": "4", "source": "/elsewhere"}, {}),
    "read in another way": ({"digest": "d2", "data__size": "[9, 9]"}, {"reading": "9", "content": "c2"}),
}


@pytest.mark.parametrize("case", SAME_DATA)
def test_the_same_data_are_one_setting_whatever_their_digest(case):
    changes, recorded = SAME_DATA[case]
    comparison = compared([run("first", predictions()), run("second", predictions(**recorded), **changes)])
    assert not any("data.path" in values or "data.digest" in values for values in levels(comparison).values())
    assert not any("different data sets" in one for one in comparison.warnings)


OTHER_DATA = {
    "another place": ({"digest": "d2", "source": "/home/me/others"}, {"content": "c2"}, "data.path", "others"),
    "the same name elsewhere": ({"digest": "d2", "source": "/m/photos"}, {"content": "c2"}, "data.path", "m/photos"),
    "changed in its place": ({"digest": "d2"}, {"content": "c2"}, "data.digest", "photos d2"),
    "changed and thinned by another seed": (
        {"digest": "d2", "data__limit": "4", "seed": 1}, {"content": "c2"}, "data.digest", "photos d2",
    ),
    "changed so that they are read in another way": (
        {"digest": "d2"}, {"reading": "9", "content": "c2"}, "data.digest", "photos d2",
    ),
    "of another kind": ({"digest": "d2", "data": "zip", "source": "a.zip"}, {"content": "c2"}, None, None),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER_DATA)
def test_other_data_are_another_setting(case):
    changes, recorded, name, level = OTHER_DATA[case]
    second = run("second", predictions(pixels=OTHERS, **recorded), **changes)
    found = levels(compared([run("first", predictions()), second]))
    if name is None:  # `data` says it already
        assert "data.path" not in found["second"]
        assert found["second"]["data"] == "zip"
    else:
        assert found["second"][name] == level
        assert found["first"][name] != level


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"digest": "d2"}, "data.digest"),
        ({"digest": "d2", "source": "/home/me/copy"}, "data.path"),
        ({"source": "/home/me/copy"}, None),
        ({"digest": "d2", "data__limit": "4", "seed": 1}, None),
        ({"digest": "d2", "data__size": "[9, 9]"}, None),
    ],
)
def test_runs_of_version_0_1_0_by_what_they_recorded(changes, named):
    comparison = compared([run("first", old()), run("second", old(), **changes)])
    assert not comparison.refusals
    assert {name for values in levels(comparison).values() for name in values} >= ({named} if named else set())
    said = [one for one in comparison.warnings if "by file names and labels alone: cnnexp 0.1.0 recorded no" in one]
    assert bool(said) == (named is not None)


def test_an_earlier_run_with_the_same_digest_is_over_the_same_data():
    comparison = compared([run("old", old()), run("new", predictions()), run("other", old(), digest="d2", seed=1)])
    found = levels(comparison)
    assert found["old"] == found["new"]
    assert found["other"] != found["old"]


def test_an_earlier_run_goes_with_the_run_over_its_data_where_names_fit_several():
    runs = [
        run("old", old(), digest="d1"),
        run("same", predictions(), digest="d1", seed=1),
        run("inverted", predictions(pixels=OTHERS, content="c2"), digest="d2", source="/home/me/copy"),
    ]
    refusal = compared(runs).refusals[0]
    assert "2 different sets: 2 like old" in refusal


def test_renamed_files_are_the_same_images_and_are_paired_by_their_pixels():
    files = tuple(f"{'ab'[label]}/new {place}.png" for place, label in enumerate(LABELS[::-1]))
    first = run("first", predictions("11110000"), score=0.5)
    second = run(
        "second",
        predictions("00001111", pixels=PIXELS[::-1], files=files, labels=LABELS[::-1], content="c2"),
        digest="d2", score=0.4, source="/home/me/renamed",
    )  # fmt: skip
    comparison = compared([first, second])
    assert not comparison.refusals
    (model,) = comparison.models
    assert (model.only_this_right, model.only_reference_right) == (0, 0)


def test_names_that_changed_places_are_paired_by_their_pixels():
    swapped = (FILES[1], FILES[0], *FILES[2:])
    first = run("first", predictions("10111111"), model="small")
    second = run("second", predictions("10111111", files=swapped), digest="d2", model="vgg")
    (model,) = compared([first, second]).models
    assert (model.only_this_right, model.only_reference_right) == (0, 0)


def test_copies_among_the_test_images_are_paired_by_name():
    pixels = (PIXELS[0], *PIXELS[:7])  # the first two are copies
    order = (1, 0, 2, 3, 4, 5, 6, 7)
    first = run("first", predictions("10111111", pixels=pixels))
    second = run(
        "second",
        predictions("01111111", pixels=pixels, files=tuple(FILES[place] for place in order)),
        digest="d2", model="vgg",
    )  # fmt: skip
    (model,) = compared([first, second]).models
    assert (model.only_this_right, model.only_reference_right) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"pixels": (*PIXELS[:7], OTHERS[0])},
        {"pixels": (*PIXELS[:7], PIXELS[0])},
        {"labels": np.array([0, 0, 0, 1, 1, 1, 1, 1])},
        {"pixels": PIXELS[:7], "files": FILES[:7], "labels": LABELS[:7], "hits": "1111111"},
    ],
    ids=["one other image", "a copy instead", "another label", "one less"],
)
def test_any_other_test_image_or_label_is_refused(change):
    second = run("second", predictions(**{"content": "c2", **change}), digest="d2", source="/home/me/copy")
    assert "same test images" in compared([run("first", predictions()), second]).refusals[0]


def test_the_same_names_read_in_another_way_over_other_data_are_compared_with_a_word():
    second = run("second", predictions(reading="9", content="c2", pixels=OTHERS), digest="d2", source="/other")
    comparison = compared([run("first", predictions()), second])
    assert not comparison.refusals
    assert any("by file names and labels alone: they are read in another way" in one for one in comparison.warnings)


def test_models_that_know_other_classes_are_evaluated_on_other_images_of_the_same_data():
    fewer = {"pixels": PIXELS[:4], "files": FILES[:4], "labels": LABELS[:4]}
    runs = [
        replace(run("both", predictions()), tags={"cnnexp.evaluates": "first"}),
        replace(run("one", predictions("1111", **fewer)), tags={"cnnexp.evaluates": "second"}),
    ]
    assert "same test images" in compared(runs).refusals[0]
    assert not compared([runs[0], replace(runs[0], run_id="again", tags={"cnnexp.evaluates": "third"})]).refusals


def test_one_digest_needs_no_file():
    runs = [
        replace(run(f"s{seed}", None, seed=seed), read_predictions=lambda: pytest.fail("read")) for seed in range(3)
    ]
    (row,) = compare(runs, metric_name="best/val_loss", by=()).rows
    assert row.seeds == 3


def test_json_names_the_setting():
    second = run("second", predictions(content="c2"), digest="d2", source="/home/me/copy")
    content = json.loads(json_text(compared([run("first", predictions()), second])))
    assert [one["name"] for one in content["settings"]] == ["data.path"]
    assert [row["settings"] for row in content["rows"]] == [{"data.path": "photos"}, {"data.path": "copy"}]


def test_the_terminal_shows_brackets_as_they_are_and_no_markup(capsys):
    runs = [run(ends, predictions(), data__value_range=ends) for ends in ("[8, 9]", "[9, 10]")]
    print_comparison(compared(runs), open_console())
    shown = capsys.readouterr().out
    assert "[8, 9]" in shown
    assert not {"[bold]", "[dim]", "[yellow]", "\\["} & set(shown.split())
    assert "bold" not in shown
