"""``cnnexp diagnose RUN IMAGE...``: facts of files, and the verdict on one image."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cnnexp.__main__ import main
from cnnexp.diagnosis.image.class_record import class_record
from cnnexp.diagnosis.image.file_facts import TrainingFacts, judge_file
from cnnexp.images import ImageSpec, read_image
from cnnexp.saved.file_facts import read_facts
from cnnexp.saved.image_files import ListedImage
from support import trained_model

SPEC = ImageSpec(16, 16, "rgb", "stretch", "bilinear", True, 0)
COLOUR = TrainingFacts(
    colour=True, grey=0.0, aspects=(1.0, 1.0), side=16, smallest=16, stretched=True, value_range=False
)


def photo(height=32, width=32):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 6 % 256, columns * 7 % 256, (rows + columns) * 3 % 256], axis=2).astype(np.uint8)


def titles(path, spec=SPEC, training=COLOUR):
    facts = judge_file(read_facts(ListedImage(str(path), path), read_image(path, spec), spec), training)
    return [fact.title for fact in facts]


def saved(tmp_path, image, name="a.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_an_ordinary_file_has_no_facts(tmp_path):
    assert titles(saved(tmp_path, Image.fromarray(photo()))) == []


def test_sixteen_bits_that_hold_eight_are_named(tmp_path):
    levels = Image.fromarray(photo()[..., 0].astype(np.uint16))
    found = titles(saved(tmp_path, levels))
    assert "8 of 16 bits" in found


def test_sixteen_bits_that_hold_twelve_are_named(tmp_path):
    levels = photo()[..., 0].astype(np.uint16) * 16 + 5
    assert titles(saved(tmp_path, Image.fromarray(levels)))[0] == "12 of 16 bits"


def test_sixteen_bits_in_full_are_ordinary(tmp_path):
    levels = photo()[..., 0].astype(np.uint16) * 257 + np.uint16(3)
    grey = TrainingFacts(colour=False, grey=1.0, aspects=None, side=16, smallest=16, stretched=True, value_range=False)
    assert titles(saved(tmp_path, Image.fromarray(levels)), training=grey) == []


def test_a_file_that_pillow_alone_cannot_look_through_is_judged_by_the_rest(tmp_path, monkeypatch, recwarn):
    broken = saved(tmp_path, Image.fromarray(photo()), "a.jpg", exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    assert titles(broken) == []
    frames = [Image.fromarray(photo()), Image.fromarray(photo()[::-1])]
    film = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    film.write_bytes(film.read_bytes()[:-40])  # its second frame is cut off
    assert [title for title in titles(film) if title != "several frames"] == []
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    large = saved(tmp_path, Image.fromarray(photo()), "b.png")
    assert titles(large) == []
    assert read_facts(ListedImage("b", large), read_image(large, SPEC), SPEC).kind == "PNG"
    assert [str(one.message) for one in recwarn] == []


@pytest.mark.parametrize(("level", "word"), [(0, "black"), (255, "white"), (90, "grey")])
def test_an_image_of_one_colour_is_named_first(tmp_path, level, word):
    path = saved(tmp_path, Image.new("RGB", (32, 32), (level,) * 3))
    facts = judge_file(read_facts(ListedImage("a", path), read_image(path, SPEC), SPEC), COLOUR)
    assert facts[0].title == "one colour"
    assert word in facts[0].sentence


def test_transparency_counts_only_where_it_is_used(tmp_path):
    opaque = np.dstack([photo(), np.full((32, 32), 255, np.uint8)])
    half = opaque.copy()
    half[:16, :, 3] = 0
    assert titles(saved(tmp_path, Image.fromarray(opaque))) == []
    assert titles(saved(tmp_path, Image.fromarray(half))) == ["transparency"]


def test_grey_is_unusual_only_where_training_images_have_colour(tmp_path):
    path = saved(tmp_path, Image.fromarray(photo()).convert("L"))
    some_grey = TrainingFacts(
        colour=True, grey=0.3, aspects=None, side=16, smallest=16, stretched=True, value_range=False
    )
    assert titles(path) == ["grey"]
    assert titles(path, training=some_grey) == []

    def confidence(share):
        facts = judge_file(read_facts(ListedImage("a", path), photo()[:16, :16], SPEC), replace(COLOUR, grey=share))
        return facts[0].confidence

    assert confidence(0.0) == 0.9  # certain enough to be the verdict
    assert confidence(0.004) == 0.9
    assert 0.8 < confidence(0.0075) < 0.9  # some are grey by nature, and would be accused: a hint
    assert 0.5 < confidence(0.03) < confidence(0.0075)


def test_a_wide_file_is_named_by_its_aspect_ratio(tmp_path):
    assert titles(saved(tmp_path, Image.fromarray(photo(32, 64)))) == ["aspect ratio"]
    assert titles(saved(tmp_path, Image.fromarray(photo(32, 36)))) == []


def test_what_print_and_animations_bring_is_named(tmp_path):
    assert titles(saved(tmp_path, Image.fromarray(photo()).convert("CMYK"), "a.jpg"))[0] == "colours in CMYK"
    frames = [Image.fromarray(photo()), Image.fromarray(photo()[::-1].copy())]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert "several frames" in titles(path)


def test_a_small_file_is_named(tmp_path):
    assert titles(saved(tmp_path, Image.fromarray(photo(6, 6)))) == ["few pixels"]


def test_a_file_as_small_as_training_files_is_none_to_name(tmp_path):
    path = saved(tmp_path, Image.fromarray(photo(6, 6)))
    assert titles(path, training=replace(COLOUR, smallest=6)) == []
    assert titles(path, training=replace(COLOUR, smallest=None)) == []


def test_the_record_of_a_class_is_a_row_of_the_confusion_matrix():
    labels, answers = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 1, 0, 2])
    found = class_record("a", ["a", "b", "c"], labels, answers)
    assert (found.images, found.recall, found.answered, found.answered_right) == (4, 0.25, 2, 1)
    assert found.confused_with == (("b", 2), ("c", 1))


def test_the_command_says_why_in_json_and_in_words(tmp_path, capsys):
    folder = trained_model.folder(tmp_path / "model")
    black = saved(tmp_path, Image.new("L", (8, 8), 0))
    assert main(["diagnose", str(folder), str(black), "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["verdict"]["title"] == "one colour"
    assert image["verdict"]["id"] == "I3"
    assert main(["diagnose", str(folder), str(black), "--true", "3"]) == 0
    assert "one colour" in capsys.readouterr().out


def test_an_image_that_the_network_was_trained_on_is_called_so(tmp_path, capsys):
    run, learned = trained_model.folder(tmp_path / "model"), trained_model.model().reference.pixels[0]
    paths = [
        saved(tmp_path, Image.fromarray(pixels.squeeze()), name)
        for name, pixels in {"learned.png": learned, "new.png": 255 - learned}.items()
    ]
    assert main(["diagnose", str(run), *map(str, paths), "--json"]) == 0
    images = json.loads(capsys.readouterr().out)["images"]
    assert [one["trained_on"] for one in images] == [True, False]
    assert "trained on this very image" in images[0]["verdict"]["sentence"]


def test_an_unknown_class_and_a_folder_without_a_run_are_refused(tmp_path, capsys):
    folder = trained_model.folder(tmp_path / "model")
    black = saved(tmp_path, Image.new("L", (8, 8), 0))
    assert main(["diagnose", str(folder), str(black), "--true", "cat"]) == 2
    assert "--true must be one of the model's classes" in capsys.readouterr().err
    assert main(["diagnose", str(folder)]) == 2
    assert "add images" in capsys.readouterr().err


def test_held_out_images_travel_with_the_model():
    reference = trained_model.model().reference
    trained = {image.tobytes() for image in reference.pixels}
    assert 150 <= len(reference.held_out) == len(reference.held_out_labels)
    assert not any(image.tobytes() in trained for image in reference.held_out)


def test_an_orientation_that_no_training_file_has_contradicts(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, Image.fromarray(photo(30, 40)), "a.jpg", exif=exif)
    landscape = TrainingFacts(
        colour=True, grey=0.0, aspects=(1.3, 1.4), side=16, smallest=16, stretched=True, value_range=False
    )
    facts = judge_file(read_facts(ListedImage("a", path), read_image(path, SPEC), SPEC), landscape)
    assert (facts[0].title, facts[0].confidence) == ("EXIF orientation", 0.95)
    portrait = TrainingFacts(
        colour=True, grey=0.0, aspects=(0.7, 0.8), side=16, smallest=16, stretched=True, value_range=False
    )
    facts = judge_file(read_facts(ListedImage("a", path), read_image(path, SPEC), SPEC), portrait)
    assert [(fact.title, fact.confidence) for fact in facts] == [("EXIF orientation", 0.2)]
