"""Crops from larger images than the network takes: they change training alone."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from cnnexp.__main__ import main
from cnnexp.compose import compose_config
from cnnexp.config import FolderDataConfig
from cnnexp.datasets import load_splits
from cnnexp.datasets.larger_images import about_larger, with_larger
from cnnexp.errors import ConfigError, DataError
from cnnexp.images import read_image
from cnnexp.records import Augmentation
from cnnexp.runs import experiment
from cnnexp.training.batches import batches


@pytest.fixture
def photos(tmp_path):
    """Twelve noisy photographs of 80 × 60 in two classes."""
    random = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(15):
            pixels = random.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path


def settings(photos, *overrides):
    where = [f"data.path={photos}/photos", f"data.cache={photos}/cache", "data.size=[16,16]", "training.threads=1"]
    return compose_config(["data=folder", *where, *overrides])


def splits_of(config):
    return load_splits(config.data, seed=0, on_progress=lambda *_: None)


def larger_splits(config, factor=1.5):
    return with_larger(splits_of(config), config.data, factor=factor, on_progress=lambda *_: None)


def test_larger_images_are_the_same_images_read_by_the_same_reader(photos):
    config = settings(photos)
    plain, larger = splits_of(config), larger_splits(config)
    assert about_larger(plain, 1.5) == "reading images of 24 × 24 to crop from (51.8 kB)"
    spec = dataclasses.replace(plain.spec, height=24, width=24)
    for row, file in zip(larger.train.rows, larger.train.files, strict=True):
        expected = read_image(photos / "photos" / file, spec)
        np.testing.assert_array_equal(larger.train.to_crop.images[row], expected)
    np.testing.assert_array_equal(larger.train.images, plain.train.images)
    assert (larger.digest, larger.content_digest, larger.spec) == (plain.digest, plain.content_digest, plain.spec)
    assert larger.test.larger is None


def test_batches_have_the_size_of_the_network_and_more_detail_than_its_images(photos):
    larger = larger_splits(settings(photos), factor=2)
    made = Augmentation(flip=False, shift=0, zoom=0, crop=0.25, size=(16, 16))
    whole = {"batch_size": 8, "epochs": 1, "sampling": "shuffled", "seed": 0}
    same = Augmentation(flip=False, shift=0, zoom=0, crop=0.25)
    cropped, blurred = (
        np.concatenate([images for images, _ in batches(train, augmentation=change, **whole).as_numpy_iterator()])
        for train, change in ((larger.train.to_crop, made), (larger.train, same))
    )
    assert cropped.shape == blurred.shape == (len(larger.train), 16, 16, 3)

    def detail(images):
        return np.abs(np.diff(images.astype(float), axis=2)).mean()

    assert detail(cropped) > 1.2 * detail(blurred)


def test_a_run_evaluates_saves_and_describes_images_of_its_own_size(photos):
    overrides = ["training.epochs=1", "augmentation=strong", "augmentation.crop=0.5", "augmentation.crop_from=1.5"]
    config = settings(photos, *overrides)
    stages = set()
    result = experiment.run(
        config,
        name="x",
        on_start=lambda _: None,
        on_epoch=lambda _: False,
        on_progress=lambda stage, *_: stages.add(stage),
    )
    assert "reading images of 24 × 24 to crop from (51.8 kB)" in stages
    assert (result.card["image"]["height"], result.card["image"]["width"]) == (16, 16)
    assert result.example.shape[1:] == (16, 16, 3)
    plain = splits_of(config)
    np.testing.assert_array_equal(result.example, plain.test.images[plain.test.rows[:2]])
    assert result.gallery.seen.shape[1:] == (16, 16, 3)
    assert result.info.data_digest == plain.digest


def test_what_makes_no_sense_is_refused(photos):
    with pytest.raises(ConfigError, match=r"Set augmentation.crop=0.35"):
        settings(photos, "augmentation.crop_from=1.2")
    with pytest.raises(ConfigError, match="at least 1 and at most 4"):
        settings(photos, "augmentation=strong", "augmentation.crop_from=0.5")


def test_a_changed_folder_is_noticed(photos):
    config = settings(photos)
    splits = splits_of(config)
    (photos / "photos" / "a" / "0.png").unlink()
    with pytest.raises(DataError, match="changed while"):
        with_larger(splits, config.data, factor=2, on_progress=lambda *_: None)
    assert isinstance(config.data, FolderDataConfig)


def test_the_preview_crops_from_them_too(photos, monkeypatch, capfd):
    monkeypatch.chdir(photos)
    where = ["data=folder", "data.path=photos", "data.cache=cache", "data.size=[16,16]"]
    assert main(["preview", *where, "augmentation=strong", "augmentation.crop_from=2"]) == 0
    assert "crop 0.64" in capfd.readouterr().out
