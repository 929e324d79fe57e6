"""Mismatches of single images and of sets: simulated, told apart, confirmed; without a network, by pixels alone."""

import functools
import re
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import ndimage

from cnnexp.__main__ import main
from cnnexp.compose import compose_config
from cnnexp.diagnosis.image import changes, simulation
from cnnexp.diagnosis.image.confirm import Candidate, Suspicion, is_first_of, suspect
from cnnexp.diagnosis.image.detector import recognized
from cnnexp.diagnosis.image.fit_detector import fit_detector
from cnnexp.diagnosis.image.gaussians import fit_gaussians
from cnnexp.diagnosis.image.kinds import KINDS, OTHER, kinds_for
from cnnexp.diagnosis.image.orbit import CLEAN, TURNS, Orbit, after, undoing, views_for
from cnnexp.diagnosis.image.pixel_numbers import pixel_numbers
from cnnexp.diagnosis.image.restore import RESTORES, Usual
from cnnexp.diagnosis.image.sets import SetCandidate, SetSuspicion, draw_sets, suspect_set
from cnnexp.diagnosis.image.simulation import described_views, simulate
from cnnexp.diagnosis.image.stability import stability
from cnnexp.diagnosis.image.verdict import ImageEvidence, judge, judge_set
from cnnexp.records import Finding
from support import trained_model

VIEWED = tuple(name for name in views_for(3) if name != CLEAN)
SOME = (*VIEWED, "too dark", "blurred", "noise", OTHER)


def scenes(count, seed):
    """Colour images with a bright sky, a darker ground and two blobs."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :16]
    images = []
    for _ in range(count):
        image = np.empty((16, 16, 3))
        image[...] = 190 - 7 * rows[..., None] + rng.normal(0, 2, (16, 16, 3))
        for _ in range(2):
            y, x, size = rng.integers(3, 13), rng.integers(3, 13), rng.uniform(1.5, 3.5)
            image[np.hypot(rows - y, columns - x) < size] = rng.integers(20, 250, 3)
        images.append(image)
    return changes.to_bytes(np.stack(images))


def fitted():
    chosen = tuple(kind for kind in kinds_for(3) if kind.name in SOME)
    simulated = simulate(scenes(120, seed=0), chosen, pixel_numbers, seed=0)
    return fit_detector(simulated, pixel_numbers=simulated.values.shape[1] - 4), chosen


detector = functools.cache(fitted)


def named(images, by=None):
    found = by or detector()[0]
    usual = Usual.of(scenes(120, seed=0))

    def restored(place, kind):
        return pixel_numbers(RESTORES[kind](images[place : place + 1], usual))

    views = described_views(images, pixel_numbers)
    return [[one.kind for one in suspicion.named] for suspicion in suspect(views, found, restored)]


def together(images):
    found, chosen = detector()
    views, answers = described_views(images, pixel_numbers), np.arange(len(images)) % 3
    return suspect_set(views, answers, found, np.arange(120) % 3, seed=0), chosen


FAULTS = {
    "inverted": lambda x: 255 - x,
    "too dark": lambda x: (x * 0.28).astype(np.uint8),
    "blurred": lambda x: ndimage.uniform_filter(x, (0, 3, 3, 0)),
    "noise": lambda x: changes.to_bytes(x + np.random.default_rng(1).normal(0, 26, x.shape)),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_of_another_strength_is_named(fault):
    found = named(FAULTS[fault](scenes(40, seed=2)))
    assert np.mean([names == [fault] for names in found]) >= 0.8
    assert sum(bool(names) and fault not in names for names in found) <= 1  # this ground and sky inverted: upside down


def test_as_few_images_as_photographs_of_224_pixels_leave_room_for_tell_the_faults(monkeypatch):
    many, _ = detector()
    monkeypatch.setattr(simulation, "PIXELS", simulation.PIXELS * 16**2 // 224**2)
    few, _ = fitted()
    assert len(few.rows) < len(many.rows) / 1.5
    assert len(few.clean_rows) == 100
    assert min(np.bincount(few.row_kinds)) >= 40
    right = {
        fault: np.mean([one == [fault] for one in named(change(scenes(40, seed=2)), by=few)])
        for fault, change in FAULTS.items()
    }
    assert min(right.values()) >= 0.7, right
    assert sum(map(bool, named(scenes(100, seed=3), by=few))) <= 2


def test_the_mean_of_a_form_is_that_of_all_images_though_it_was_made_of_four():
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 1, (200, 6)).astype(np.float32)
    shifted, noise = clean[:4] + 0.5, rng.normal(0, 1, (4, 6)).astype(np.float32)
    values, forms = np.concatenate([clean, shifted, noise]), np.repeat([0, 1, 2], [200, 4, 4])
    found = fit_gaussians(values, forms, np.r_[:200, :4, :4], 3)
    means = found.means @ found.whiten.T * found.scale + found.centre
    assert np.allclose(means[1], clean.mean(axis=0) + 0.5, atol=0.05)
    assert np.abs(means[1] - shifted.mean(axis=0)).max() > 0.2  # what these four are by chance
    assert np.abs(means[2] - noise.mean(axis=0)).max() < np.abs(clean.mean(axis=0) - clean[:4].mean(axis=0)).max()


def test_an_image_is_described_alike_among_many_and_alone():
    images = scenes(30, seed=13).repeat(7, axis=1).repeat(7, axis=2)
    alone = np.concatenate([pixel_numbers(image[None]) for image in images])
    assert np.allclose(pixel_numbers(images), alone, atol=1e-5)


def test_out_of_focus_is_the_mean_over_a_disk():
    images = scenes(2, seed=14)
    steps = range(-3, 4)
    disk = [(y, x) for y in steps for x in steps if y * y + x * x <= 9.5]
    wide = np.pad(images.astype(int), ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
    mean = np.mean([wide[:, 3 + y : 19 + y, 3 + x : 19 + x] for y, x in disk], axis=0)
    blurred = changes.disk_blur(6.0)(images, np.random.default_rng(0))  # of 16 × 16 pixels: a radius of 3
    assert (blurred == changes.to_bytes(mean.astype(np.float32))).all()


def test_a_change_of_finer_levels_leaves_no_gaps_between_them():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 120, (4, 16, 16, 3)).astype(np.uint8)
    images[:, :4] = 0
    doubled = changes.affine(2.0, 0.0)
    apart, even = doubled(images, generator), changes.finer(doubled)(images, generator)
    assert (apart % 2).max() == 0
    assert 0.4 < (even[:, 4:] % 2).mean() < 0.6
    assert np.abs(even.astype(int) - apart).max() <= 1
    assert (even[images == 0] == 0).all()


def test_gaps_between_levels_are_described():
    rng = np.random.default_rng(0)
    images = changes.to_bytes(rng.normal(90, 25, (40, 16, 16, 3)))
    gain = changes.affine(1.6, 0.0)
    apart, even = pixel_numbers(gain(images, rng)), pixel_numbers(changes.finer(gain)(images, rng))
    assert np.abs((apart.mean(axis=0) - even.mean(axis=0)) / (apart.std(axis=0) + 0.01)).max() > 5


def test_ordinary_images_are_not_accused():
    assert sum(bool(names) for names in named(scenes(100, seed=3))) <= 2  # of 100, one is expected


def test_a_rank_of_two_is_not_the_first_though_rounding_makes_it_less():
    assert any(2 / count * count < 2 for count in range(100, 600))
    assert [is_first_of(2 / count, count) for count in range(100, 600)] == [False] * 500
    assert all(is_first_of(1 / count, count) for count in range(100, 600))


def test_what_was_never_simulated_gets_no_name():
    rng = np.random.default_rng(4)
    patterns = rng.integers(0, 2, (20, 16, 16, 1)).repeat(3, axis=3).astype(np.uint8) * 255
    striped = scenes(20, seed=5)
    striped[:, ::3] = (255, 0, 255)
    assert not any(named(patterns))
    assert not any(named(striped))


def test_other_things_are_not_called_too_dark_because_they_are():
    rng = np.random.default_rng(6)
    plaids = rng.integers(0, 200, (40, 16, 1, 3)) + rng.integers(0, 200, (40, 1, 16, 3)) / 4
    dark = changes.to_bytes(0.3 * ndimage.gaussian_filter(plaids, (0, 0.7, 0.7, 0)))
    assert sum(bool(names) for names in named(dark)) <= 2  # of 40, one in twenty
    assert sum(names == ["too dark"] for names in named(FAULTS["too dark"](scenes(40, seed=6)))) >= 30


def test_what_is_distorted_is_not_called_blurred_because_it_was_interpolated():
    slanted = ndimage.rotate(scenes(40, seed=7), 25, axes=(1, 2), reshape=False, order=1, mode="nearest")
    assert sum("blurred" in names for names in named(slanted)) <= 2


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_set_with_one_fault_is_named_once(fault):
    suspicion, chosen = together(FAULTS[fault](scenes(20, seed=6)))
    assert [one.kind for one in suspicion.named] == [fault]
    assert suspicion.explained >= 15
    verdict = judge_set(suspicion, chosen)
    assert verdict.id == "I3"
    assert verdict.title == fault


def test_a_set_of_turned_images_is_told_though_mirroring_makes_another_turn_of_it():
    turned = changes.turn(1)(scenes(20, seed=8), np.random.default_rng(0))
    suspicion, _ = together(turned)  # mirrored scenes are ordinary: transposed ones look the same
    assert {"turned left"} <= {one.kind for one in suspicion.named} <= {"turned left", "transposed"}


def test_a_set_is_compared_with_ordinary_images_that_are_answered_alike():
    answers, like = np.arange(120) % 3, np.array([0, 0, 1, 2, 2])
    assert (answers[draw_sets(answers, 5, 0, like)] == like).all()
    few = np.arange(120) % 60  # two images of each answer: sets of them would be the same two again and again
    of_one = np.mean([len(set(few[places])) == 1 for places in draw_sets(few, 5, 0, like)])
    assert 0.45 < of_one < 0.55


def test_an_ordinary_set_is_ordinary():
    suspicion, chosen = together(scenes(20, seed=7))
    assert not suspicion.is_accused
    assert judge_set(suspicion, chosen).id == "I4"


@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_keeps_shape_and_type_and_changes_something(channels):
    images = scenes(6, seed=8)[..., :channels]
    for kind in kinds_for(channels):
        for form in kind.forms:
            changed = form(images, np.random.default_rng(0))
            assert changed.shape == images.shape
            assert changed.dtype == np.uint8
            assert (changed != images).any(), kind.name


def test_every_view_is_a_kind_and_one_view_undoes_it():
    images, generator = scenes(3, seed=9), np.random.default_rng(0)
    kinds, views = {kind.name: kind for kind in KINDS}, views_for(3)
    for name in VIEWED:
        (form,) = kinds[name].forms
        assert (form(images, generator) == views[name](images, generator)).all()
        assert (views[undoing(name)](form(images, generator), generator) == images).all(), name


def test_a_restored_image_has_usual_levels_colours_and_no_frame():
    images, generator = scenes(20, seed=11), np.random.default_rng(0)
    usual = Usual.of(images)
    dark = RESTORES["too dark"](changes.affine(0.3, 0)(images, generator), usual)
    assert abs(dark.mean() - images.mean()) < 3
    red = RESTORES["colour cast"](changes.channel_gains(1.0, 0.5, 0.7)(images, generator), usual)
    assert np.allclose(red.mean(axis=(0, 1, 2)) / red.mean(), images.mean(axis=(0, 1, 2)) / images.mean(), atol=0.05)
    framed = changes.pad(0.5, 1.0, 0)(images, generator)
    opened = RESTORES["padded"](framed, usual)
    assert np.abs(opened.astype(float) - images).mean() < 0.4 * np.abs(framed.astype(float) - images).mean()
    assert (RESTORES["padded"](np.zeros_like(images), usual) == 0).all()
    assert set(RESTORES) <= {kind.name for kind in KINDS}


def test_what_is_wrong_in_more_than_one_way_is_not_named_after_one_of_them():
    rng = np.random.default_rng(12)
    patterns = rng.integers(0, 2, (20, 16, 16, 1)).repeat(3, axis=3).astype(np.uint8) * 60
    assert not any(named(patterns))


def test_a_grey_file_is_only_grey_where_it_looks_like_ordinary_images_without_colour():
    grey = Finding(id="I3", cause=5, title="grey", sentence="", evidence={}, confidence=0.9, repair="", declared=True)
    found = Candidate(kind="grey", share=0.95, share_p=0.5, typical_p=0.5, undone_p=None)
    suspicion = Suspicion(clean_p=0.001, kind_p=0.002, named_p=0.002, is_beyond=True, candidates=(found,))
    image = evidence_of(suspicion, facts=(grey,))
    assert judge(image, KINDS) is grey
    shoe = replace(suspicion, candidates=(replace(found, typical_p=0.004),))
    assert judge(replace(image, suspicion=shoe), KINDS).id == "I1"
    assert judge(replace(image, suspicion=None), KINDS) is grey


def evidence_of(suspicion, facts=()):
    return ImageEvidence(
        facts=facts, label="a", probability=0.9, prediction_set=("a",), true_label=None, p_value=0.5, unlike_p=0.01,
        record=None, neighbours=[], suspicion=suspicion,
    )  # fmt: skip


def test_a_kind_that_is_not_all_that_is_wrong_makes_an_image_unlike_the_training_images():
    padded = Candidate(kind="padded", share=0.95, share_p=0.5, typical_p=0.5, undone_p=None, restored_p=0.5)
    suspicion = Suspicion(clean_p=0.001, kind_p=0.002, named_p=0.002, is_beyond=True, candidates=(padded,))
    image = evidence_of(suspicion)
    assert judge(image, KINDS).title == "padded"
    other = replace(suspicion, candidates=(replace(padded, restored_p=0.001),))
    verdict = judge(replace(image, suspicion=other), KINDS)
    assert verdict.id == "I1"
    assert "as if it stands in an even frame, but with that undone it stays as unlike" in verdict.sentence


def test_no_kind_is_named_alone_where_what_has_no_name_is_possible():
    blurred = Candidate(kind="blurred", share=0.95, share_p=0.5, typical_p=0.5, undone_p=None)
    suspicion = Suspicion(clean_p=0.001, kind_p=0.002, named_p=0.002, is_beyond=True, candidates=(blurred,))
    assert judge(evidence_of(suspicion), KINDS).title == "blurred"
    verdict = judge(evidence_of(replace(suspicion, unnamed_p=0.2)), KINDS)
    assert verdict.id == "I1"
    assert (
        "It may be that it is blurred, or was enlarged from fewer pixels, but changes without a name"
        in verdict.sentence
    )


def test_a_kind_that_is_possible_but_not_typical_is_mentioned():
    turned = Candidate(kind="upside down", share=1.0, share_p=0.5, typical_p=0.03, undone_p=0.8)
    suspicion = Suspicion(clean_p=0.001, kind_p=0.002, named_p=0.002, is_beyond=True, candidates=(turned,))
    verdict = judge(evidence_of(suspicion), KINDS)
    assert verdict.id == "I1"
    assert "It may be that it is upside down, but hardly any image that is so looks like it" in verdict.sentence


def test_no_set_is_named_where_what_has_no_name_is_possible():
    blurred = SetCandidate(kind="blurred", share=1.0, share_p=0.5, typical=0.5, explained=20, undone_p=None)
    suspicion = SetSuspicion(images=20, clean_p=0.001, candidates=(blurred,))
    assert suspicion.named == (blurred,)
    unnamed = replace(blurred, kind=OTHER, share=0.0, share_p=0.085)
    assert not replace(suspicion, candidates=(blurred, unnamed)).named
    excluded = replace(unnamed, share_p=0.075)  # a kind with a name would be possible
    assert replace(suspicion, candidates=(blurred, excluded)).named
    assert replace(excluded, kind="cropped").is_possible


def test_two_turns_make_a_third_one():
    assert (after("turned left", "turned left"), after("turned left", "turned right")) == ("upside down", CLEAN)
    assert {after(view, "mirrored") for view in TURNS} == set(TURNS)


def test_the_votes_of_all_views_tell_a_turn_that_the_image_alone_does_not():
    """A weak sense of where up is: one unit of log-odds for the true turn, and noise of one unit."""
    rng, names = np.random.default_rng(0), list(TURNS)
    columns = {name: place for place, name in enumerate(names)}

    def seen(turn):
        log_posterior = rng.normal(0, 1, (400, len(names)))
        log_posterior[:, columns[turn]] += 1
        return log_posterior

    views = {view: seen(after(view, "flipped")) for view in TURNS}
    alone = (views[CLEAN].argmax(axis=1) == columns["flipped"]).mean()
    together = (Orbit(columns).votes(views).turns.argmax(axis=1) == columns["flipped"]).mean()
    assert (alone < 0.5, together > 0.8) == (True, True), (alone, together)


def test_votes_that_say_nothing_leave_all_views_as_probable_as_before():
    columns = {view: place for place, view in enumerate(views_for(3))}
    even = {view: np.full((2, len(columns)), -np.log(len(columns))) for view in columns}
    orbit = Orbit(columns)
    assert np.allclose(orbit.divide(even[CLEAN], orbit.votes(even)), even[CLEAN])


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 24, 3), (33, 20, 3)])
def test_numbers_of_pixels_are_finite_for_any_image(shape):
    rng = np.random.default_rng(0)
    flat = np.full(shape, 7, np.uint8)
    numbers = pixel_numbers(np.stack([flat, flat * 0, rng.integers(0, 256, shape).astype(np.uint8)]))
    assert np.isfinite(numbers).all()
    assert np.abs(numbers).max() < 30


def test_stability_is_the_share_of_small_changes_that_keep_the_answer():
    images = scenes(2, seed=10)
    assert stability(images, lambda x: np.zeros(len(x), np.int64)) == [1.0, 1.0]
    shares = stability(images, lambda x: (x.mean(axis=(1, 2, 3)) > images.mean(axis=(1, 2, 3))).astype(np.int64))
    assert all(0 < share < 1 for share in shares)


def test_the_detector_of_a_model_is_fitted_once_and_kept(tmp_path, monkeypatch):
    from cnnexp.saved.held_out import travelling
    from cnnexp.saved.mismatches import mismatches_of

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fits, model = [], trained_model.model()
    first = mismatches_of(model, travelling(model), on_fit=lambda: fits.append(1))
    second = mismatches_of(model, travelling(model), on_fit=lambda: fits.append(2))
    assert fits == [1]
    assert (first.answers == second.answers).all()
    images = model.reference.held_out[:5]
    asked = [one.detector.assess(described_views(255 - images, one.describe)) for one in (first, second)]
    assert np.allclose(asked[0].share, asked[1].share, atol=0.02)
    (kept,) = (tmp_path / "cnnexp" / "diagnosis").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    mismatches_of(model, travelling(model), on_fit=lambda: fits.append(3))
    assert fits == [1, 3]


def test_an_image_is_answered_again_with_what_is_wrong_undone(tmp_path, monkeypatch):
    from PIL import Image

    from cnnexp.saved import list_images
    from cnnexp.saved.held_out import travelling
    from cnnexp.saved.image_diagnosis import diagnose_images
    from cnnexp.saved.mismatches import answers_of, mismatches_of

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = trained_model.model()
    mismatches = mismatches_of(model, travelling(model), on_fit=lambda: None)
    images = model.reference.held_out[:4]
    for place, image in enumerate(images):
        Image.fromarray(255 - image[..., 0]).save(tmp_path / f"{place}.png")
    items = list(list_images([str(tmp_path / f"{place}.png") for place in range(4)], root=None))
    found = diagnose_images(model, items, mismatches=mismatches, recorded=None, true_label=None)
    answers = [model.card.class_names[answer] for answer in answers_of(model, images)]
    told = [
        (one.undone, image, answer)
        for one, image, answer in zip(found.images, images, answers, strict=True)
        if one.undone
    ]
    assert len(told) >= 2
    for (undone, *_), image, answer in told:
        assert (undone.kind, undone.label) == ("inverted", answer)
        assert (undone.pixels == image).all()


def test_the_forward_pass_that_is_prepared_for_many_images_answers_alike():
    model = trained_model.model()
    images = model.reference.held_out[:9]
    assert model.prepare is not None
    for found, prepared in zip(model.forward(images), model.prepare()(images), strict=True):
        assert np.abs(found - prepared).max() < 1e-5
    with pytest.raises(TypeError):
        model.prepare()(images / np.float32(255))


def test_what_a_detector_was_fitted_on_is_part_of_its_key(tmp_path, monkeypatch):
    from cnnexp.errors import ModelError
    from cnnexp.saved.held_out import HeldOut
    from cnnexp.saved.mismatches import mismatches_of

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model, fits = trained_model.model(), []
    images, labels = model.reference.held_out, model.reference.held_out_labels

    def fitted(key, count):
        held_out = HeldOut(name="images", key=key, read=lambda: (images[:count], labels[:count]))
        return len(mismatches_of(model, held_out, on_fit=lambda: fits.append(key)).answers)

    assert [fitted("a", 100), fitted("b", 120), fitted("a", 100)] == [100, 120, 100]
    assert fits == ["a", "b"]
    with pytest.raises(ModelError, match="There are 99 images"):
        fitted("c", 99)


def test_predict_prints_the_command_that_says_why(tmp_path, capsys):
    from PIL import Image

    folder = trained_model.folder(tmp_path / "model")
    rng = np.random.default_rng(0)
    for place in range(3):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{place}.png")
    main(["predict", str(folder), *(str(tmp_path / f"{place}.png") for place in range(3))])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("why ")]
    assert f"diagnose {folder}" in line


def test_a_repair_names_settings_that_exist():
    config = asdict(compose_config([]))
    named = [found for kind in KINDS for found in re.findall(r"\b(augmentation|data|training)\.(\w+)", kind.repair)]
    assert len(named) > 5
    assert [f"{group}.{name}" for group, name in named if name not in config[group]] == []


def test_images_of_the_runs_data_set_are_those_of_calibration_and_validation():
    from cnnexp.saved.evaluation_set import load_trained_splits
    from cnnexp.saved.held_out import of_run

    model, config = trained_model.model(), compose_config(["training=smoke", "data.limit=null"])
    splits = load_trained_splits(
        config.data, model.card, seed=config.seed, purpose="a test", on_progress=lambda done, total: None
    )
    images, labels = of_run(model, lambda: splits).read()
    assert len(images) == len(labels) == len(splits.calibration) + len(splits.validation)
    held_out = {image.tobytes() for image in images}
    for split in (splits.train, splits.test):
        assert not held_out & {image.tobytes() for image in split.images[split.rows]}


@pytest.mark.slow
def test_a_run_whose_model_carries_too_few_images_reads_those_of_its_data_set(tmp_path, monkeypatch, capsys):
    import json

    from PIL import Image

    from cnnexp.portable.card import REFERENCE_FILE, Card, digest_of

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = f"tracking.uri=sqlite:///{tmp_path / 'mlflow.db'}"
    places = (store, f"tracking.artifacts={tmp_path / 'artifacts'}", f"tracking.outbox={tmp_path / 'outbox'}")
    line = [sys.executable, "-m", "cnnexp", "training=smoke", "data.limit=null", *places, "-q"]
    subprocess.run(line, check=True, cwd=tmp_path)
    (reference,) = (tmp_path / "artifacts").rglob(REFERENCE_FILE)
    with np.load(reference) as arrays:
        kept = {name: arrays[name] for name in arrays.files if not name.startswith("held_out")}
    with reference.open("wb") as file:
        np.savez(file, **kept)
    card = Card.from_json((reference.parent / "card.json").read_text())
    files = dict(card.files) | {REFERENCE_FILE: digest_of(reference.read_bytes())}
    trained_model.with_card(reference.parent, files=files)
    photo = tmp_path / "photo.png"
    Image.fromarray(255 - trained_model.digits()[0][3]).save(photo)
    capsys.readouterr()
    assert main(["diagnose", "latest", str(photo), "--json", store]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fitted_on"] == "calibration and validation images of its run's data set"
    assert found["images"][0]["clean_p"] < 0.05
    assert main(["diagnose", str(reference.parent), str(photo)]) == 0
    assert "0 travel with it" in capsys.readouterr().err


def test_kinds_that_one_image_tells_are_known_before_any_is_asked():
    known = recognized(detector()[0])
    assert set(known) == set(SOME)
    assert min(known["inverted"], known["too dark"], known["noise"]) > 0.9
