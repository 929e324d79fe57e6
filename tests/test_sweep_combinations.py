"""Which runs the overrides of a sweep mean, and which of them are the same run."""

import time

import hydra
import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode

from cnnexp.compose import check_sweep, compose_config
from cnnexp.config.defaults import CONF
from cnnexp.errors import ConfigError
from cnnexp.records import DatasetInfo
from cnnexp.sweeps.combinations import combinations, from_jobs
from cnnexp.sweeps.jobs import Composer, Grid
from cnnexp.sweeps.run_hash import hash_run, hash_sweep, resolve
from cnnexp.system.devices import Devices

NONE = Devices()  # beside the processor
INFO = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))


def combined(*overrides, params=None, zipped=()):
    return combinations(overrides, params=params or {}, zipped=zipped)


def test_every_combination_the_last_list_fastest():
    found = combined("model=small", "training.batch_size=16,64", "seed=range(2)")
    assert found.fixed == ("model=small",)
    assert found.varied == ("training.batch_size", "seed")
    assert list(found) == [
        ("training.batch_size=16", "seed=0"),
        ("training.batch_size=16", "seed=1"),
        ("training.batch_size=64", "seed=0"),
        ("training.batch_size=64", "seed=1"),
    ]
    assert len(found) == 4
    assert found.values == {"training.batch_size": "16, 64", "seed": "0, 1"}


def test_without_lists_there_is_one_run():
    assert list(combined("model=small")) == [()]


def test_zipped_lists_are_walked_together():
    overrides = ("training.batch_size=16,64", "seed=0,1,2", "optimizer.learning_rate=1e-3,4e-3")
    found = combined(*overrides, zipped=["training.batch_size", "optimizer.learning_rate"])
    assert len(found) == 6
    assert list(found)[3] == ("training.batch_size=64", "optimizer.learning_rate=0.004", "seed=0")


def test_zipped_lists_must_be_equally_long():
    with pytest.raises(ConfigError, match=r"training\.batch_size has 3, seed has 2"):
        combined("training.batch_size=1,2,3", "seed=0,1", zipped=["training.batch_size", "seed"])


def test_what_is_zipped_must_be_a_list():
    with pytest.raises(ConfigError, match=r"seed is not. Lists: training.batch_size"):
        combined("training.batch_size=1,2", "seed=0", zipped=["training.batch_size", "seed"])


def test_the_command_line_replaces_what_a_preset_brings():
    params = {"training.batch_size": "16,32,64", "seed": "0,1"}
    assert list(combined("training.batch_size=8", params=params)) == [("seed=0",), ("seed=1",)]


def test_an_interval_is_for_a_search():
    with pytest.raises(ConfigError, match="hydra/sweeper=optuna"):
        combined("optimizer.learning_rate=interval(1e-4,1e-1)")


def test_jobs_of_another_sweeper_differ_in_what_varies():
    found = from_jobs([["model=small", "seed=0"], ["model=small", "seed=1"]])
    assert (found.varied, list(found)[1]) == (("seed",), ("model=small", "seed=1"))


def run_hash(*overrides, info=INFO):
    return hash_run(resolve(compose_config(overrides), info, cores=2, devices=NONE), info)


@pytest.mark.parametrize(
    ("overrides", "same"),
    [
        (["tracking.uri=sqlite:///other.db"], True),
        (["tracking.run_name=a"], True),
        (["data.cache=/tmp"], True),
        (["sweep.workers=7"], True),
        (["regularization=dropout", "regularization.dropout=0"], True),
        (["training.threads=1"], True),  # what auto comes to for so small a model
        (["training.threads=2"], False),
        (["training.precision=bfloat16"], False),
        (["seed=1"], False),
        (["training.batch_size=33"], False),
        (["data.limit=100"], False),
        (["model=small"], False),
    ],
    ids=str,
)
def test_the_same_run_is_what_gives_the_same_result(overrides, same):
    assert (run_hash(*overrides) == run_hash()) is same


def test_other_data_make_another_run():
    assert run_hash(info=DatasetInfo(digest="d2", height=8, width=8, class_counts=(500, 488))) != run_hash()


@pytest.mark.parametrize(
    ("overrides", "threads"),
    [
        ([], 1),
        (["training.batch_size=988"], 7),  # 988 × 8 × 8 × 32 values
        (["training.batch_size=988", "data.limit=100"], 1),  # no update is larger than what there is to train on
        (["training.threads=3"], 3),
    ],
    ids=str,
)
def test_threads_are_decided_by_the_work_and_the_cores_there_are(overrides, threads):
    assert resolve(compose_config(overrides), INFO, cores=7, devices=NONE).training.threads == threads


@pytest.mark.parametrize(("overrides", "threads"), [([], 7), (["data.imbalance=100"], 1)], ids=str)
def test_threads_are_decided_by_the_images_that_an_imbalance_leaves(overrides, threads):
    info = DatasetInfo(digest="d1", height=8, width=8, class_counts=(100,) * 10)
    config = compose_config(["training.batch_size=1000", "data.limit=null", *overrides])
    assert resolve(config, info, cores=7, devices=NONE).training.threads == threads


def test_a_sweep_is_known_by_its_overrides_and_not_by_how_it_is_executed():
    def sweep_hash(overrides, experiment="a", settings="seed: 0", varied=None):
        return hash_sweep(overrides, experiment=experiment, settings=settings, varied=varied or {"seed": "0, 1"})

    key = sweep_hash(["seed=0,1", "model=small"])
    manners = ["sweep.workers=3", "sweep.resume=never", "sweep.dry_run=true", "hydra.sweep.dir=/tmp", "sweep.retries=0"]
    places = ["tracking.uri=sqlite:///a.db", "tracking.uri=sqlite:///b.db", "tracking.run_name=it", "data.cache=/tmp"]
    assert sweep_hash(["model=small", "seed=0,1", *manners, *places]) == key
    assert sweep_hash(["model=small", "seed=0,1", "seed=0,1"]) == key  # as `cnnexp resume` repeats overrides
    assert sweep_hash(["seed=0,1,2", "model=small"]) != key
    assert sweep_hash(["seed=0,1", "model=small"], experiment="b") != key
    assert sweep_hash(["seed=0,1", "model=small", "sweep.zip=[seed]"]) != key
    assert sweep_hash(["seed=0,1", "model=small"], settings="seed: 1") != key  # a preset was edited
    assert sweep_hash(["seed=0,1", "model=small"], varied={"seed": "0, 1, 2"}) != key


@pytest.fixture
def composer():
    """What Hydra hands a launcher in a multirun."""
    with hydra.initialize_config_dir(str(CONF), job_name="cnnexp", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", ["hydra.mode=MULTIRUN"], run_mode=RunMode.MULTIRUN)
        config.hydra.job.config_name = "config"
    return Composer(HydraContext(config_loader=loader, callbacks=Callbacks(config)), config)


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.learning_rate=1e-3", "training.batch_size=64", "seed=3"],
        ["optimizer=sgd", "optimizer.learning_rate=0.3", "optimizer.momentum=0.5"],
        ["model=regularized", "regularization.dropout=0.1"],
        ["training=smoke", "training.epochs=7", "data.limit=null", "training.patience=null"],
        ["data.size=[16,16]", "data.mirror=true", "training.threads=2", "tracking.run_name='a b'"],
    ],
    ids=" ".join,
)
def test_a_job_is_composed_as_a_run_alone(composer, overrides):
    varied = [override.partition("=")[0] for override in overrides]
    for _ in range(2):  # the second time from what is known
        assert composer.compose(0, tuple(overrides), varied).config == compose_config(overrides)


def test_a_job_with_a_wrong_value_is_refused(composer):
    with pytest.raises(ConfigError, match=r"training.epochs must be a whole number; got 'many'"):
        composer.compose(0, ("training.epochs=many",), ["training.epochs"])
    with pytest.raises(ConfigError, match=r"optimizer=adam has no setting 'momentum'"):
        composer.compose(0, ("optimizer.momentum=1",), ["optimizer.momentum"])


def test_combinations_that_contradict_each_other_do_not_end_the_list(composer):
    overrides = ["schedule=warmup_cosine", "training.epochs=2,20", "schedule.warmup_epochs=1,5"]
    grid = Grid(composer, combined(*overrides))
    assert [job.number for job in grid] == [0, 2, 3]
    assert len(grid.refusals) == 1


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (["seed=range(1000000000)"], "these lists mean 1,000,000,000, of which seed has 1,000,000,000 values"),
        (["seed=range(1000)", "data.split_seed=range(0,1000)"], "these lists mean 1,000,000"),
        (["optimizer.learning_rate=range(0,1,1e-9)"], "these lists mean 1,000,000,000"),
        (["seed=shuffle(range(4000000000))"], "these lists mean 4,000,000,000"),
        (["seed=range(0,10,0)"], "The step of a range must not be 0"),
    ],
)
def test_a_sweep_of_too_many_runs_is_refused_before_they_are_listed(lists, message):
    began = time.perf_counter()
    for look in (lambda: check_sweep(lists), lambda: combinations(lists, params={}, zipped=[])):
        with pytest.raises(ConfigError, match=message):
            look()
    assert time.perf_counter() - began < 5


def test_lists_that_are_zipped_are_counted_once():
    lists = ["seed=range(1000)", "data.split_seed=range(1000)"]
    assert len(combinations(lists, params={}, zipped=["seed", "data.split_seed"])) == 1000
