"""How many images of a step fit into memory at a time: tried by real processes that have little of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnexp.compose import compose_config
from cnnexp.runs.batch_trials import divisors
from cnnexp.runs.found_accumulation import accumulation_notes, find_accumulation, with_accumulation
from cnnexp.runs.train_network import memory_shortage
from cnnexp.training import Checkpoint, SavedState, fitting_batches
from test_recipes import trainer
from test_training import STILL, stripes


def test_a_step_is_divided_evenly():
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
    found = with_accumulation(compose_config(["training.batch_size=12"]), None)
    assert found.training.micro_batch is None


def test_sizes_that_fit_are_reported_in_turn():
    def made(micro_batch):
        return trainer("optimizer=sgd", micro_batch=micro_batch)

    sizes = fitting_batches(made, stripes(70), [1, 3, 6], batch_size=6, sampling="shuffled", augmentation=STILL, seed=0)
    assert list(sizes) == [1, 3, 6]


def test_what_a_stopped_run_had_found_is_used_again_whatever_fits_now(tmp_path):
    config = compose_config(["training.batch_size=64", "training.accumulate=auto"])
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save("accumulation", lambda: SavedState({"batch_size": 16, "accumulate": 4, "too_large": 32}, []))
    found = find_accumulation(config, checkpoint, lambda *_: None)
    settings = with_accumulation(config, found).training
    assert (settings.batch_size, settings.accumulate, settings.images_per_step) == (16, 4, 64)
    assert config.training.images_per_step == 64
    assert accumulation_notes(found) == (
        "A step of 64 images is made in 4 parts of 16, which fit into memory; 32 at a time do not. Both was tried.",
    )


def test_states_whose_accumulation_is_lost_are_not_gone_on_with(tmp_path):
    config = compose_config(["training.freeze=backbone", "training.accumulate=auto"])
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save("rest", lambda: SavedState({}, []))
    found = find_accumulation(config, checkpoint, lambda *_: None)
    assert (found.batch_size, found.accumulate) == (32, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["accumulation.state"]


@pytest.mark.parametrize(
    ("batch", "fitting", "advice"),
    [
        (64, 16, "training.batch_size=16 training.accumulate=4 averages over as many images as now"),
        (100, 48, "training.batch_size=34 training.accumulate=3 averages over 102 images"),
        (33, None, "training.batch_size=11 training.accumulate=3 averages over as many images as now"),
        (1, 0, "Not even one image at a time fits"),
    ],
)
def test_the_batches_that_are_advised_are_counted(batch, fitting, advice):
    config = compose_config([f"training.batch_size={batch}"])
    assert advice in str(memory_shortage(config.training, fitting))


@pytest.mark.slow
def test_what_fits_is_tried_in_a_process_that_may_die_of_it(tmp_path):
    program = Path(__file__).parent / "support" / "little_memory.py"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, str(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=True)
    one, whole, part = map(int, done.stdout.split()[-3:])
    assert (one, whole) == (1, 0)
    assert 1 <= part < 256
