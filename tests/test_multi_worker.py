"""A batch that several machines compute in parts: the numbers of one machine, up to rounding."""

import json
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.training.determinism import configure_tensorflow
from cnnexp.training.gradient_part import GradientPart
from cnnexp.training.machine_parallel import random_state_of
from support.cluster import kill_tree, ray_cluster
from support.sweep_processes import recorded, start, wait_for
from test_data_parallel import fitted

SMALL = ["training=smoke", "training.batch_size=50", "training.precision=float32"]


_parts = []  # of the process that stands for the other machines


def _load(spec, count):
    configure_tensorflow(threads=1, seed=0)
    _parts[:] = [GradientPart(spec, number=number) for number in range(1, count + 1)]


def _gradients(values, parts):
    pairs = zip(_parts, parts, strict=True)
    return [(len(labels), part(values, images, labels)) for part, (images, labels) in pairs if len(labels)]


class InOtherProcess:
    """What other machines compute, in one process beside this one, without Ray between."""

    def __init__(self, process, count):
        self.count = count
        self._process = process
        self._key = None

    def load(self, key, spec):
        if self._key is not key:
            self._key = key
            self._process.submit(_load, spec(), self.count).result()

    def begin(self, values, parts):
        self._answers = self._process.submit(_gradients, list(values), list(parts))

    def end(self):
        return self._answers.result()

    def raise_failure(self):
        pass


@pytest.fixture(scope="module")
def other_process():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize(
    ("overrides", "of_trainer"),
    [(["optimizer=adam", "optimizer.clip_norm=0.1"], {"ema": 0.9}), (["optimizer=sgd"], {"micro_batch": 5})],
)
def test_machines_have_the_numbers_of_one(overrides, of_trainer, other_process):
    """The last batch of 65 images has one, which leaves some machines without any."""
    one, alone = fitted(*overrides, images=65, **of_trainer)
    for count in (1, 2):
        others = InOtherProcess(other_process, count)
        several, history = fitted(*overrides, images=65, machines=others, **of_trainer)
        for ours, theirs in zip(several, one, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
        assert history.epochs[-1].train_loss == pytest.approx(alone.epochs[-1].train_loss, rel=1e-4)
        assert history.epochs[-1].train_accuracy == alone.epochs[-1].train_accuracy


def test_each_machine_drops_out_by_a_seed_of_its_own():
    state = np.array([7, 3], np.int64)
    seeds = {int(random_state_of(state, number=number)[0]) for number in range(1, 100)}
    assert len(seeds) == 99
    assert 7 not in seeds
    assert random_state_of(state, number=5)[1] == 3


def test_it_is_for_a_single_run_on_the_first_gpu_of_each_machine():
    with pytest.raises(ConfigError, match=r"on the first GPU of each machine: .* auto or gpu, got gpu:1"):
        compose_config(["training.strategy=multi_worker", "training.device=gpu:1"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["training.cluster=somewhere"], "training.cluster must be auto, or host:port of the head of a cluster"),
        (["training.cluster=127.0.0.1:9"], "training.cluster must answer within"),
        (["-m", "seed=0,1"], "training.strategy=multi_worker is for a single run"),
        (["data.folds=2"], "training.strategy=multi_worker is for a single run"),
    ],
)
def test_it_is_refused_in_a_line_where_it_cannot_be(words, message, tmp_path):
    pytest.importorskip("ray", reason="needs the extra cnnexp[ray]")
    process = start(*SMALL, "training.strategy=multi_worker", *words, folder=tmp_path, multirun=False)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert message in printed
    assert "Traceback" not in printed


@pytest.mark.slow
def test_two_nodes_give_the_numbers_of_one_and_one_that_is_lost_ends_the_run_as_resumable(tmp_path):
    pytest.importorskip("ray", reason="needs the extra cnnexp[ray]")
    cache = tmp_path / "cache"

    def begun(*words):
        return start(*SMALL, "training.patience=null", f"data.cache={cache}", *words, folder=tmp_path, multirun=False)

    def run(*words, code=0):
        process = begun(*words)
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == code, printed
        return printed

    run()  # smoke: few epochs
    long = "training.epochs=400"  # rounding grows with the epochs
    with ray_cluster() as ray:
        where = ["training.strategy=multi_worker", f"training.cluster={ray.address}"]
        assert "needs another machine in the Ray cluster" in run(*where, code=2)
        second = ray.node()
        printed = run(*where)
        assert re.search(r"batch 50 \(25 on each of 2 devices\)", printed)
        assert "processor on each of 2 machines, 1 thread" in printed
        process = begun(*where, long)
        wait_for(lambda: list(cache.glob("checkpoints/*/rest.state")), seconds=300)
        kill_tree(second)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 1, printed
        assert "or its process for the run is gone" in printed
        assert "Traceback" not in printed
        assert re.search(r"resume +.* resume ", printed)
        ray.node()
        assert "Its saved state is used" in run(*where, long)
        run(*where, long, "training.resume=never")
    one, several, resumed, whole = recorded(tmp_path)[1]
    assert several.params["used.device"] == "cpu on each of 2 machines"
    for name in ("train/loss", "val/loss", "test/accuracy"):
        assert several.metrics[name] == pytest.approx(one.metrics[name], rel=1e-3), name
        assert resumed.metrics[name] == whole.metrics[name], name
    files = [json.loads(file.read_text()) for file in tmp_path.glob("mlartifacts/**/environment.json")]
    assert sorted(file.get("machines", 1) for file in files) == [1, 2, 2, 2]
