"""Images that stay on a device: on the processor, bit for bit what comes of batches that are made outside."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from cnnexp import training
from cnnexp.errors import NonFiniteLossError
from cnnexp.records import Augmentation
from cnnexp.system.signals import StopRequest
from cnnexp.training import Checkpoint, GraphCache
from cnnexp.training.batches import batches, moves_images, plans
from cnnexp.training.device_images import DeviceImages, fits_device
from support.sweep_processes import recorded, start
from test_recipes import trainer, weights_of
from test_training import fit_config, stripes

NONE = Augmentation(flip=False, shift=0, zoom=0)
ALL = Augmentation(flip=True, shift=0.1, zoom=0.2, rotation=20, crop=0.5)
CROPPED = dataclasses.replace(ALL, size=(5, 6))
IN_TURN = Augmentation(flip=True, shift=0.2, zoom=0, alternates=True, whole_pixels=True)
FLIPPED = dataclasses.replace(NONE, flip=True)


@dataclasses.dataclass
class Part:
    """Some of many images, not in their order."""

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.rows)


@pytest.fixture
def part():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 8, 9, 3), dtype=np.uint8)
    return Part(images, random.permutation(50)[:23], random.integers(0, 3, 23))


@pytest.mark.parametrize(
    "augmentation", [NONE, FLIPPED, IN_TURN, ALL, CROPPED], ids=["none", "flip", "in turn", "all", "cropped"]
)
@pytest.mark.parametrize("sampling", ["shuffled", "balanced"])
def test_batches_made_on_the_device_are_those_made_outside(augmentation, sampling, part):
    how = {"batch_size": 5, "epochs": 2, "sampling": sampling, "augmentation": augmentation, "seed": 4, "first_step": 3}
    size = augmentation.size or (8, 9)
    there = DeviceImages(part, size=size, moves=moves_images(part, augmentation))
    compared = 0
    for (images, labels), plan in zip(batches(part, **how), plans(part, **how), strict=True):
        made, own = there.batch(*plan)
        np.testing.assert_array_equal(made.numpy(), images.numpy())
        np.testing.assert_array_equal(own.numpy(), labels.numpy())
        compared += 1
    assert compared == 2 * 5 - 3


def fitted(*, on_device, graphs, folder=None, stop_at=None, augmentation=FLIPPED, learning_rate=0.02):
    train, validation = stripes(70), stripes(30, seed=1)
    made = graphs.reuse(trainer("optimizer=adam"))
    config = fit_config(
        train=train,
        epochs=4,
        batch_size=16,
        learning_rate=learning_rate,
        augmentation=augmentation,
        steps_per_execution=3,
    )
    stop = StopRequest(lambda _: None, text="")

    def on_steps(done, _):
        if stop_at is not None and done >= stop_at:
            stop.requested = KeyboardInterrupt()

    history = training.fit(
        made,
        dataclasses.replace(config, on_device=on_device),
        train=train,
        validation=validation,
        on_epoch=lambda _: False,
        on_steps=on_steps,
        checkpoint=Checkpoint(folder, stop=stop),
    )
    epochs = [dataclasses.replace(values, seconds=0.0) for values in history.epochs]
    return weights_of(made), epochs


@pytest.mark.parametrize("augmentation", [NONE, ALL], ids=["none", "all"])
def test_a_training_has_the_same_bits_also_in_a_cached_graph_and_resumed(augmentation, tmp_path):
    graphs = GraphCache()
    weights, epochs = fitted(on_device=False, graphs=graphs, augmentation=augmentation)
    for _ in range(2):
        there, of_there = fitted(on_device=True, graphs=graphs, augmentation=augmentation)
        assert of_there == epochs
        assert all(np.array_equal(one, other) for one, other in zip(there, weights, strict=True))
    with pytest.raises(KeyboardInterrupt):
        fitted(on_device=True, graphs=graphs, folder=tmp_path, stop_at=9, augmentation=augmentation)
    resumed, of_resumed = fitted(on_device=True, graphs=graphs, folder=tmp_path, augmentation=augmentation)
    assert of_resumed == epochs
    assert all(np.array_equal(one, other) for one, other in zip(resumed, weights, strict=True))


def test_a_loss_that_is_not_finite_ends_it_at_the_same_step():
    said = []
    for on_device in (False, True):
        with pytest.raises(NonFiniteLossError) as error:
            fitted(on_device=on_device, graphs=GraphCache(), learning_rate=1e38)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_images_stay_on_a_device_where_they_fit_and_only_move(part):
    assert fits_device(part, ALL, memory=2**20)
    assert not fits_device(part, ALL, memory=None)
    assert not fits_device(part, ALL, memory=23 * 8 * 9 * 3 * 3)
    for change in ({"brightness": 0.1}, {"mixup": 0.2}, {"erasing": 0.1}, {"policy": "rand_augment"}):
        assert not fits_device(part, dataclasses.replace(ALL, **change), memory=2**30)
    features = dataclasses.replace(part, images=np.zeros((50, 7), np.float32))
    assert not fits_device(features, NONE, memory=2**30)


def test_a_gpu_has_all_operations_that_make_a_batch():
    """By the kernels that this TensorFlow has: others would be computed outside, and sent there and back."""
    from tensorflow.python.framework import kernels

    if not tf.sysconfig.get_build_info().get("is_cuda_build"):
        pytest.skip("this TensorFlow is built without CUDA")

    def on_gpu(operation, attribute, dtype):
        found = kernels.get_registered_kernels_for_op(operation).kernel
        types = [
            set(constraint.allowed_values.list.type)
            for kernel in found
            if kernel.device_type in ("GPU", "DEFAULT")  # of any device
            for constraint in kernel.constraint
            if constraint.name == attribute
        ]
        return any(dtype.as_datatype_enum in one for one in types)

    for operation, attribute, dtype in (
        ("ResourceGather", "dtype", tf.uint8),
        ("ResourceGather", "dtype", tf.int64),
        ("ImageProjectiveTransformV3", "dtype", tf.uint8),
        ("VarHandleOp", "dtype", tf.uint8),
        ("AssignVariableOp", "dtype", tf.uint8),
        ("AddV2", "T", tf.int64),
        ("Cast", "SrcT", tf.uint8),
        ("IsFinite", "T", tf.float32),
        ("SelectV2", "T", tf.int64),
    ):
        assert on_gpu(operation, attribute, dtype), (operation, dtype)


def test_a_run_on_a_made_up_gpu_has_the_bits_of_the_processor(tmp_path, monkeypatch):
    words = ["training=smoke", "training.threads=1", "training.precision=float32"]
    found = []
    for gpus in ([], [{"name": "Made-up GPU", "memory": 2**33}]):
        monkeypatch.setenv("CNNEXP_GPUS", json.dumps(gpus))
        (folder := tmp_path / str(len(gpus))).mkdir()
        process = start(*words, folder=folder, multirun=False)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
        (run,) = recorded(folder)[1]
        found.append({name: value for name, value in run.metrics.items() if not name.startswith("seconds/")})
    assert found[0] == found[1]
