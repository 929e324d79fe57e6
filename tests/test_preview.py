"""``cnnexp preview``: the page of what the network would see, without training and without TensorFlow."""

import re
import subprocess
import sys

import numpy as np
import pytest

from cnnexp.__main__ import main
from cnnexp.compose import compose_config
from cnnexp.datasets import load_splits
from cnnexp.runs.preview import EPOCHS, build_preview, of_all_classes
from cnnexp.runs.resolved_settings import resolve_augmentation


@pytest.fixture(scope="module")
def digits():
    return load_splits(compose_config([]).data, seed=0, on_progress=lambda *_: None)


def previewed(digits, *overrides, images=6, seed=0):
    config = compose_config(overrides)
    augmentation = resolve_augmentation(config.augmentation, config.data, digits.spec)
    return build_preview(digits, augmentation, images=images, seed=seed)


def test_every_kind_is_shown_alone_in_its_epochs_and_changes_the_images(digits):
    preview = previewed(digits, "augmentation=mix", images=12)
    names = [name.split()[0] for name, _ in preview.alone]
    assert names == ["rotation", "crop", "brightness", "contrast", "erasing", "mixup", "cutmix", "TrivialAugment"]
    for name, images in (*preview.alone, ("together", preview.together)):
        assert images.shape == (EPOCHS, *preview.plain.shape), name
        assert all((epoch != preview.plain).any() for epoch in images), name
        assert (images[0] != images[1]).any(), name


def test_the_seed_decides(digits):
    one, again, other = (previewed(digits, "augmentation=strong", seed=seed).together for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_classes_take_turns(digits):
    train = digits.train
    assert train.labels[of_all_classes(train, 10)].tolist() == list(range(10))
    assert train.labels[of_all_classes(train, 13)].tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]
    assert len(of_all_classes(train, 10**6)) == len(train)


def test_the_page_is_written_where_it_says_and_stands_alone(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "augmentation=strong"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("rotation 11.5, crop 0.64")
    assert said.strip().endswith(str(tmp_path / "preview.html"))
    page = (tmp_path / "preview.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2 + 6
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "cnnexp preview augmentation=strong --html preview.html --images 8" in page


def test_it_can_be_printed_and_says_where_nothing_changes(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "augmentation=none", "--html", "-"]) == 0
    page = capfd.readouterr().out
    assert page.startswith("<!doctype html>")
    assert "No augmentation" in page
    assert page.count("<img") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["augmentation=stong"], "augmentation=stong does not exist"),
        (["--images", "1"], "See cnnexp preview --help."),
        (["--html", "/nowhere/a.html"], "--html must be a file that can be written"),
        (["augmentation.crop=0"], "augmentation.crop must be above 0 and at most 1; got 0.0."),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(arguments, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["preview", *arguments]) == 2
    assert message in capfd.readouterr().err


def test_it_needs_no_tensorflow(tmp_path):
    code = (
        "import sys; from cnnexp.__main__ import main; code = main(['preview', 'augmentation=mix']); "
        "sys.exit(code or int('tensorflow' in sys.modules or 'keras' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
