"""The data sets known by name, in every form they are published in."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cnnexp.config import BuiltinDataConfig
from cnnexp.datasets.sources import builtin
from cnnexp.errors import ConfigError, DataError
from support import TESTS
from support.image_folders import load, write_classes

SHARED = Path(__file__).parents[2] / "shared" / "data"
IMPORTS = (
    f"import sys; sys.path.insert(0, {str(TESTS)!r}); from support.image_folders import load; "
    "from cnnexp.config import BuiltinDataConfig;"
)
TEST_DECLARED = {"validation": 0.1, "calibration": 0.1, "test": 0}


def rows_of(splits):
    return np.sort(np.concatenate([splits[name].rows for name in ("train", "validation", "calibration", "test")]))


def test_digits_are_those_of_scikit_learn(tmp_path):
    splits = load(BuiltinDataConfig, cache=tmp_path)
    reference = load_digits()
    assert splits.class_names == tuple("0123456789")
    np.testing.assert_array_equal(splits.train.images[..., 0], np.rint(reference.images * 255 / 16))
    for name in ("train", "validation", "calibration", "test"):
        split = splits[name]
        np.testing.assert_array_equal(split.labels, reference.target[split.rows])
        assert split.files == tuple(f"index-{row}" for row in split.rows)
    np.testing.assert_array_equal(rows_of(splits), np.arange(1797))
    assert not list(tmp_path.iterdir()), "digits need no cache"


def test_digits_need_no_heavy_import(tmp_path):
    code = (
        f"{IMPORTS} load(BuiltinDataConfig, cache={str(tmp_path)!r});"
        "print({'sklearn', 'scipy', 'pandas', 'pyarrow', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "set()"


def small_mnist():
    """The four arrays of MNIST, 40 and 20 images."""
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (60, 28, 28)).astype(np.uint8)
    labels = np.tile(np.arange(10), 6).astype(np.uint8)
    return images[:40], labels[:40], images[40:], labels[40:]


def write_idx(folder, arrays, *, zipped):
    folder.mkdir(parents=True)
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    for name, array in zip(names, arrays, strict=True):
        content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content)) if zipped else (folder / name).write_bytes(content)
    return folder


def check_small_mnist(splits):
    train_images, train_labels, test_images, test_labels = small_mnist()
    np.testing.assert_array_equal(splits.test.rows, np.arange(40, 60))
    np.testing.assert_array_equal(splits.test.images[splits.test.rows, :, :, 0], test_images)
    np.testing.assert_array_equal(splits.test.labels, test_labels)
    np.testing.assert_array_equal(splits.train.labels, train_labels[splits.train.rows])
    np.testing.assert_array_equal(splits.train.images[:40, :, :, 0], train_images)
    np.testing.assert_array_equal(rows_of(splits), np.arange(60))


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_keep_their_declared_test_split(zipped, tmp_path):
    path = write_idx(tmp_path / "mnist", small_mnist(), zipped=zipped)
    check_small_mnist(load(BuiltinDataConfig, cache=tmp_path / "cache", name="mnist", path=path, **TEST_DECLARED))


def test_keras_archive(tmp_path):
    path = tmp_path / "any.npz"
    np.savez(path, **dict(zip(("x_train", "y_train", "x_test", "y_test"), small_mnist(), strict=True)))
    check_small_mnist(load(BuiltinDataConfig, cache=tmp_path / "cache", name="mnist", path=path, **TEST_DECLARED))


def test_a_given_path_comes_first_then_the_system_then_the_cache_of_keras(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    places = [
        tmp_path / "keras" / "datasets" / "fashion-mnist",
        tmp_path / "system" / "fashion-mnist",
        tmp_path / "given",
    ]
    for path in places:
        write_idx(path, small_mnist(), zipped=True)
        given = path if path.name == "given" else None
        found = load(BuiltinDataConfig, cache=tmp_path / "cache", name="fashion_mnist", path=given, **TEST_DECLARED)
        assert found.source == str(path)
    assert found.class_names[0] == "T-shirt/top"


def test_a_data_set_that_is_nowhere_says_where_it_was_looked_for(tmp_path):
    environment = {
        **os.environ,
        "KERAS_HOME": str(tmp_path / "keras"),
        "https_proxy": "http://127.0.0.1:9",  # nothing listens there: the download fails at once, network or not
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    code = f"{IMPORTS} load(BuiltinDataConfig, name='mnist', cache={str(tmp_path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], env=environment, capture_output=True, check=False
    )
    message = done.stderr.decode().strip().splitlines()[-1]
    assert "DataError" in message
    for part in ("data.path is not set", "/usr/share/datasets/mnist", str(tmp_path / "keras"), "could not download"):
        assert part in message


def test_a_path_that_does_not_exist_is_not_replaced_by_another_place(tmp_path):
    with pytest.raises(DataError, match=r"data\.path must exist"):
        load(BuiltinDataConfig, cache=tmp_path, name="fashion_mnist", path=tmp_path / "nowhere")


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cifar100"):
        load(BuiltinDataConfig, cache=tmp_path, name="cifar100")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: b"not gzip" + content,
        lambda content: gzip.compress(gzip.decompress(content)[:-1]),
        lambda content: gzip.compress(gzip.decompress(content) + b"\0"),
        lambda content: gzip.compress(b"\0\0\x0d" + gzip.decompress(content)[3:]),
        lambda content: gzip.compress(b""),
    ],
)
def test_a_damaged_idx_file_is_said_to_be_that(damage, tmp_path):
    path = write_idx(tmp_path / "mnist", small_mnist(), zipped=True)
    file = path / "train-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        load(BuiltinDataConfig, cache=tmp_path / "cache", name="mnist", path=path)


def write_batches(folder):
    """CIFAR-10 as its authors publish it, 20 images a batch; returns the images."""
    folder.mkdir(parents=True)
    random = np.random.RandomState(1)
    images = random.randint(0, 256, (120, 32, 32, 3)).astype(np.uint8)
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        part = images[number * 20 : number * 20 + 20]
        batch = {
            b"batch_label": b"a batch",
            b"labels": np.tile(np.arange(10), 2).tolist(),
            b"data": part.transpose(0, 3, 1, 2).reshape(20, -1),
            b"filenames": [b"x.png"] * 20,
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return images


def test_cifar10_batches(tmp_path):
    images = write_batches(tmp_path / "cifar-10-batches-py")
    splits = load(BuiltinDataConfig, cache=tmp_path / "cache", name="cifar10", path=tmp_path, **TEST_DECLARED)
    np.testing.assert_array_equal(splits.train.images, images)
    np.testing.assert_array_equal(splits.test.rows, np.arange(100, 120))
    assert splits.class_names[3] == "cat"


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_in_a_batch_is_executed(tmp_path):
    write_batches(tmp_path / "batches")
    sprung = tmp_path / "sprung"
    (tmp_path / "batches" / "data_batch_3").write_bytes(pickle.dumps({b"data": Trap(str(sprung)), b"labels": []}))
    with pytest.raises(DataError, match=r"data_batch_3 .*mkdir"):
        load(BuiltinDataConfig, cache=tmp_path / "cache", name="cifar10", path=tmp_path / "batches", **TEST_DECLARED)
    assert not sprung.exists()


def test_cifar10_as_folders_of_files(tmp_path):
    for split, count in (("train", 10), ("test", 4)):
        write_classes(tmp_path / "cifar" / split, {"cat": count, "dog": count}, size=(32, 32))
    splits = load(BuiltinDataConfig, cache=tmp_path / "cache", name="cifar10", path=tmp_path / "cifar", **TEST_DECLARED)
    assert splits.name == "cifar10"
    assert len(splits.test) == 8
    assert splits.spec.shape == (32, 32, 3)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "cifar10.zip").exists(), reason="needs cifar10.zip beside the repository")
def test_cifar10_from_its_archive(tmp_path):
    splits = load(BuiltinDataConfig, cache=tmp_path, name="cifar10", path=SHARED / "cifar10.zip", **TEST_DECLARED)
    assert [len(splits[name]) for name in ("train", "validation", "calibration", "test")] == [40000, 5000, 5000, 10000]
    assert splits.class_names == builtin.CLASS_NAMES["cifar10"]
    assert splits.spec.shape == (32, 32, 3)


@pytest.mark.skipif(not (builtin.SYSTEM / "fashion-mnist").is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_of_the_system(tmp_path):
    splits = load(BuiltinDataConfig, cache=tmp_path, name="fashion_mnist", **TEST_DECLARED)
    assert [len(splits[name]) for name in ("train", "validation", "calibration", "test")] == [48000, 6000, 6000, 10000]
    assert splits.spec.shape == (28, 28, 1)
    np.testing.assert_array_equal(np.bincount(splits.test.labels), [1000] * 10)
    assert isinstance(splits.train.images, np.memmap)
