"""A setting that does not exist yet: all that the program does with it follows from its own field."""

import dataclasses
import json

import hydra
import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from cnnexp.__main__ import main
from cnnexp.comparison import compare
from cnnexp.compose import columns, compose_config, other_settings, parameters, quote_texts, run_name
from cnnexp.config import VARIANTS, BuiltinDataConfig, TrackingConfig
from cnnexp.config.columns import SETTINGS
from cnnexp.config.defaults import CONF
from cnnexp.config.setting import setting, settings
from cnnexp.records import DatasetInfo
from cnnexp.sweeps.run_hash import hash_run
from cnnexp.sweeps.sweep_records import sweep_spec
from test_comparison_verdicts import summary

FACTS = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))


@settings
class LaterDataConfig(BuiltinDataConfig):
    """Settings as a later version might add them."""

    blur: float = setting(column="if set", short="bl", neutral=0.0)
    share: float | None = setting(affects="subset", neutral=None)
    lanes: str = setting(affects="machine", column="if set", short="", neutral="auto")
    spare: str | None = setting(affects="place")


PLAIN = "defaults: [/schema/data/builtin@_here_, /shared/data@_here_, _self_]\nname: mine\n"
LATER = "defaults: [/schema/data/later@_here_, /shared/data@_here_, _self_]\nname: mine\n"
VALUES = "blur: 0\nshare: null\nlanes: auto\nspare: null\n"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A user's ``data=mine`` before the settings were added, and after."""
    monkeypatch.setitem(VARIANTS["data"], "later", LaterDataConfig)
    ConfigStore.instance().store(group="schema/data", name="later", node=LaterDataConfig)
    for name, text in (("before", PLAIN), ("after", LATER + VALUES)):
        file = tmp_path / name / "data" / "mine.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def composed(folders, *overrides, version="after"):
    return compose_config(["data=mine", *overrides], config_dir=folders / version)


def sweep_hash(folders, *overrides, version="after"):
    words = ["hydra.mode=MULTIRUN", f"hydra.searchpath=['file://{folders / version}']", "data=mine", *overrides]
    with hydra.initialize_config_dir(str(CONF), job_name="cnnexp", version_base="1.3"):
        config = GlobalHydra.instance().config_loader().load_configuration("config", words, run_mode=RunMode.MULTIRUN)
    config.hydra.overrides.hydra = []  # the folders have different names
    tracking = TrackingConfig(
        uri="sqlite:///a.db", artifacts=None, experiment="e", run_name=None, outbox="outbox", models="all"
    )
    return sweep_spec(config, {}, tracking).key


@pytest.mark.parametrize(
    ("override", "same_run", "same_sweep"),
    [
        ("data.blur=0.0", True, True),
        ("data.lanes=auto", True, True),
        ("data.spare=/tmp", True, True),
        ("data.blur=2", False, False),
        ("data.share=0.5", False, False),
        ("data.lanes=4", False, False),
    ],
)
def test_hashes_change_by_what_it_affects_and_not_at_its_neutral_value(folders, override, same_run, same_sweep):
    before = composed(folders, version="before")
    assert hash_run(composed(folders), FACTS) == hash_run(before, FACTS)
    assert (hash_run(composed(folders, override), FACTS) == hash_run(before, FACTS)) is same_run
    swept = sweep_hash(folders, version="before")
    assert sweep_hash(folders) == swept
    assert (sweep_hash(folders, override) == swept) is same_sweep


def test_columns_tag_and_name_follow(folders):
    overrides = ["data.blur=2", "data.share=0.5", "data.lanes=4", "data.spare=/tmp"]
    config = composed(folders, *overrides)
    assert {"data.blur", "data.share"} <= columns(config, overrides).keys()
    assert "data.spare" not in parameters(config)
    shown, kept = columns(config, []), json.loads(other_settings(config, [])[SETTINGS])
    assert ("data.blur" in shown, kept["data.blur"], kept["data.lanes"]) == (False, "2.0", "4")
    assert run_name(config, ["data=mine", *overrides]) == "mine-bl2-share0.5-baseline"


def test_its_paths_begin_at_home_and_its_subsets_share_one_data_set(folders):
    config = composed(folders, "data.spare=~/my spare", "data.share=0.5")
    assert config.data.spare == "~/my spare"
    assert quote_texts(["data.spare=~/a"]) == ["data.spare='~/a'"]
    assert composed(folders, "data.spare=a").data.with_absolute_paths().spare.startswith("/")
    assert composed(folders).data.dataset_key == composed(folders, "data.share=0.5").data.dataset_key


def test_a_comparison_warns_of_it_and_takes_runs_without_it_for_neutral(folders):
    old, new = summary(0.9, seed=0, model="a"), summary(0.9, seed=1, model="a", data__blur="0.0")
    assert compare([old, new], metric_name="test/accuracy", by=()).settings == ()
    fast, slow = summary(0.9, model="a", data__lanes="4"), summary(0.8, model="b", data__lanes="2")
    warnings = compare([fast, slow], metric_name="test/accuracy", by=["model"]).warnings
    assert any("different lanes (2, 4)" in sentence for sentence in warnings)


def test_a_dry_run_lists_it(folders, monkeypatch, capfd):
    monkeypatch.chdir(folders)
    after = str(folders / "after")
    assert main(["-m", "--config-dir", after, "data=mine", "data.blur=0,2", "sweep.dry_run=true"]) == 0
    assert "data.blur" in capfd.readouterr().out


def test_a_setting_means_the_same_in_every_variant():
    from cnnexp.config import ExperimentConfig, all_settings, types_of
    from cnnexp.config.setting import settings_of

    described = all_settings()
    for group in ExperimentConfig.__annotations__:
        for owner in types_of(group):
            assert settings_of(owner, group=group).items() <= described.items(), owner


@pytest.mark.parametrize(
    ("group", "option"),
    [
        *(("data", option) for option in ("digits", "folder", "table", "npz")),
        *(("optimizer", option) for option in ("adam", "adamw", "sgd")),
        ("augmentation", "basic"),
        ("tracking", "default"),
        ("training", "default"),
    ],
)
def test_a_users_file_of_before_has_the_neutral_values(tmp_path, group, option):
    path = ["data.path=x"] if group == "data" else []
    usual = getattr(compose_config([f"{group}={option}", *path]), group)
    added = {field.name for field in dataclasses.fields(usual) if field.default is not dataclasses.MISSING}
    assert added - {"path"}
    lines = (CONF / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition(":")[0] not in added]
    (tmp_path / group).mkdir()
    (tmp_path / group / "own.yaml").write_text("\n".join(kept), encoding="utf-8")
    own = getattr(compose_config([f"{group}=own", *path], config_dir=tmp_path), group)
    assert own == usual
