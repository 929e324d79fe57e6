"""What ``auto``, and settings that depend on the data, come to."""

import subprocess
import sys

import numpy as np
import pytest

from cnnexp.compose import compose_config
from cnnexp.config import AdamConfig
from cnnexp.datasets import Split
from cnnexp.images import ImageSpec
from cnnexp.runs.resolved_settings import (
    channel_statistics,
    fit_scaling,
    resolve_augmentation,
    resolve_execution,
    scaled_learning_rate,
)


@pytest.mark.parametrize(("rule", "expected"), [("none", 0.01), ("linear", 0.04), ("sqrt", 0.02)])
def test_the_learning_rate_follows_the_batch_size_by_its_rule(rule, expected):
    adam = AdamConfig(
        name="adam",
        learning_rate=0.01,
        batch_scaling=rule,
        reference_batch_size=32,
        clip_norm=None,
        layer_decay=1.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
    )
    assert scaled_learning_rate(adam, batch_size=128) == pytest.approx(expected)


def augmentation(flip="auto"):
    return compose_config([f"augmentation.flip={flip}"]).augmentation


def test_digits_are_not_flipped_by_default():
    digits, photographs = (compose_config([f"data={name}"]).data for name in ("digits", "cifar10"))
    spec = ImageSpec(8, 8, "rgb", "stretch", "bilinear", antialias=True, background=0)
    assert not resolve_augmentation(augmentation(), digits, spec).flip
    assert resolve_augmentation(augmentation(), photographs, spec).flip
    assert resolve_augmentation(augmentation(flip="always"), digits, spec).flip
    assert not resolve_augmentation(augmentation(flip="never"), photographs, spec).flip


def test_small_work_gets_one_thread_and_float32():
    config = compose_config(["training.batch_size=32", "model.width=32"])
    assert resolve_execution(config, images=1000, height=8, width=8, cores=4) == (1, "float32")
    threads, _ = resolve_execution(config, images=1000, height=224, width=224, cores=4)
    assert threads == 4
    assert resolve_execution(config, images=1, height=64, width=64, cores=4)[0] == 1  # a batch of one image
    given = compose_config(["training.threads=3", "training.precision=bfloat16"])
    assert resolve_execution(given, images=1, height=8, width=8, cores=4) == (3, "bfloat16")


def test_standardizing_gives_mean_zero_and_deviation_one():
    images = np.random.default_rng(0).integers(0, 256, (1500, 5, 4, 3), dtype=np.uint8)
    images[..., 2] = 7  # a constant channel
    rows = np.arange(1, 1500)
    train = Split(images, rows, np.zeros(len(rows), np.int64), tuple(map(str, rows)))
    scaling = fit_scaling("standardize", channel_statistics(train))
    scaled = images[1:] * np.array(scaling.scale) + np.array(scaling.offset)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(axis=(0, 1, 2)), [1, 1, 0], atol=1e-9)
    assert fit_scaling("unit", channel_statistics(train)).scale == (1 / 255,) * 3


def test_a_sweep_resolves_without_keras_and_pillow():
    code = (
        "import sys, cnnexp.runs.resolved_settings; print({'tensorflow', 'keras', 'PIL', 'scipy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_head_alone_is_trained_in_float32_and_on_one_core_where_images_are_few():
    frozen = compose_config(["training.freeze=backbone", "training.precision=bfloat16", "training.batch_size=256"])
    size = {"height": 224, "width": 224, "cores": 4}
    assert resolve_execution(frozen, images=500, **size) == (1, "float32")
    assert resolve_execution(frozen, images=50_000, **size) == (4, "float32")
