"""Options of one's own by ``--extend``: found, checked, composed, and refused in one line where they do not fit."""

import dataclasses
import pickle

import pytest

from cnnexp.__main__ import main
from cnnexp.compose import columns, compose_config, run_name
from cnnexp.config.extended import TABLE
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.extensions.load import loaded
from cnnexp.records import DatasetInfo
from cnnexp.sweeps.run_hash import hash_run

FACTS = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))

HEAD = """
from dataclasses import dataclass, field
from typing import Literal
import keras
from cnnexp.extend import augmentation, data, loss, model, optimizer, schedule
"""
TINY = """
@dataclass
class TinySettings:
    width: int = 8
    kernels: list[int] = field(default_factory=lambda: [3])
    act: Literal["relu", "gelu"] = "relu"
    slope: float | None = None

    def __post_init__(self):
        if self.width > 100:
            raise ValueError(f"width must be at most 100; got {self.width}.")

@model("tiny", TinySettings)
def tiny(settings, input_shape, num_classes):
    "A small network."
    pixels = keras.Input(input_shape)
    x = keras.layers.Conv2D(settings.width, settings.kernels[0], activation=settings.act)(pixels)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, keras.layers.Dense(num_classes)(x))
"""
OWN_SGD = """
@dataclass
class Settings:
    learning_rate: float = 0.05
    momentum: float = 0.5

@optimizer("own_sgd", Settings)
def own_sgd(settings, learning_rate):
    return keras.optimizers.SGD(learning_rate, momentum=settings.momentum)
"""
SAW = """
@schedule("saw")
def saw(settings, epoch, epochs):
    return 1 - epoch % 1
"""


@pytest.fixture
def things(tmp_path):
    """Write a file and return what is typed after --extend."""

    def write(text, name="my_things.py", head=HEAD):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(autouse=True)
def table():
    assert TABLE == {}
    yield
    assert TABLE == {}, "a command leaves nothing behind"


def test_an_option_is_composed_checked_named_and_a_column_like_a_built_in_one(things):
    with loaded([things(TINY + OWN_SGD + SAW)]):
        overrides = ["model=tiny", "model.width=16", "optimizer=own_sgd", "schedule=saw", "model.act=gelu"]
        config = compose_config(overrides)
        assert dataclasses.asdict(config.model) == {
            "name": "tiny", "width": 16, "kernels": [3], "act": "gelu", "slope": None,
        }  # fmt: skip
        assert (config.optimizer.learning_rate, config.optimizer.momentum) == (0.05, 0.5)
        assert config.optimizer.batch_scaling == compose_config([]).optimizer.batch_scaling
        shown = columns(config, overrides)
        assert (shown["model"], shown["model.width"], shown["model.kernels"]) == ("tiny", 16, "[3]")
        assert run_name(config, overrides) == "tiny-act_gelu-w16-own_sgd-saw"
    with pytest.raises(ConfigError, match="model=tiny does not exist; choose from airbench"):
        compose_config(["model=tiny"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.width=wide", "model.width must be a whole number; got 'wide'."),
        ("model.widht=3", "model=tiny has no setting 'widht'; choose from width, kernels, act, slope. Did you mean"),
        ("model.act=rely", "model.act must be one of relu, gelu; got 'rely'. Did you mean relu?"),
        ("model.kernels=[a]", "model.kernels must be a list of whole numbers such as [28, 28]; got 'a'."),
        ("model.slope=no", "model.slope must be a number or null; got 'no'."),
        ("model.width=101", "model=tiny refuses its settings: width must be at most 100; got 101."),
        ("model=tinny", "model=tinny does not exist; choose from airbench"),
    ],
)
def test_a_wrong_value_is_refused_as_for_built_in_options(things, override, message):
    with loaded([things(TINY)]), pytest.raises(ConfigError) as refusal:
        compose_config(["model=tiny", override])
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "adds nothing; write a decorator"),
        ("import no_such_module", "my_things.py:6: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "my_things.py:6: SyntaxError"),
        ("raise SystemExit(3)", "my_things.py:6: SystemExit: 3"),
        ("1 / 0", "my_things.py:6: ZeroDivisionError: division by zero"),
        (TINY.replace('"tiny"', '"resnet"'), "model=resnet comes with cnnexp"),
        (TINY.replace('"tiny"', '"plain"'), "model=plain comes with cnnexp"),
        (TINY.replace('"tiny"', '"My Net"'), "Options are named like small_net; got 'My Net'"),
        (TINY + TINY.replace("def tiny", "def other"), "model=tiny is added by"),
        (TINY.replace("@dataclass\n", ""), "The settings of model=tiny must be a dataclass; got <class"),
        (TINY.replace("width: int", "width: bytes"), "A setting of model=tiny must be bool, int"),
        (TINY.replace("width: int", "name: str"), "name is recorded of every option"),
        (TINY.replace("width: int", "dense: str"), "model.dense is int in others and str in model=tiny"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(things, text, message):
    with pytest.raises(ConfigError) as refusal, loaded([things(text)]):
        pass
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("json.py", "json is a module. Rename the file."),
        ("keras.py", "keras is a module. Rename the file."),
        ("my-things.py", "my-things.py is no name for it"),
    ],
)
def test_a_file_whose_name_is_taken_is_refused(things, name, message):
    with pytest.raises(ConfigError, match="--extend must be a file") as refusal, loaded([things(TINY, name)]):
        pass
    assert message in str(refusal.value)


def test_two_files_of_one_name_are_refused_and_one_file_twice_is_not(things):
    first, second = things(TINY), things(SAW, "other/my_things.py")
    with (
        pytest.raises(ConfigError, match=r"Files of --extend have different names; my_things\.py stands in"),
        loaded([first, second]),
    ):
        pass
    with loaded([first, first, things(SAW, "other/more.py")]):
        assert TABLE.keys() == {"model", "schedule"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--extend"], "--extend takes a file of Python; got none."),
        (["--extend", "nowhere.py"], "there is no nowhere.py."),
        (["--extend", "no_package"], "or an entry point cnnexp.extensions of a package; got no_package"),
        (["predict", "--extend=nowhere.py", "latest", "x.png"], "there is no nowhere.py."),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_two(tmp_path, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capfd.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1


def test_code_counts_in_the_hash_of_runs_that_use_it(things):
    plain = hash_run(compose_config([]), FACTS)
    with loaded([things(TINY + SAW)]):
        assert hash_run(compose_config([]), FACTS) == plain
        before = hash_run(compose_config(["model=tiny"]), FACTS)
        unused = hash_run(compose_config(["model=small"]), FACTS)
    with loaded([things(TINY + SAW, "elsewhere/my_things.py")]):
        assert hash_run(compose_config(["model=tiny"]), FACTS) == before
    with loaded([things(TINY + SAW + "# edited\n")]):
        assert hash_run(compose_config(["model=tiny"]), FACTS) != before
        assert hash_run(compose_config(["model=small"]), FACTS) == unused


def test_what_the_file_imports_from_its_folder_is_its_code_too(things):
    helper = things("WIDTH = 12\n", "helpers.py", head="")
    things("from .inner import *\n", "parts/__init__.py", head="")
    things("DEPTH = 3\n", "parts/inner.py", head="")
    main_file = things("import helpers\nfrom parts import DEPTH\n" + TINY.replace("= 8", "= helpers.WIDTH + DEPTH"))
    with loaded([main_file]):
        config = compose_config(["model=tiny"])
        assert config.model.width == 15
        assert set(config.model.extension.code.files) == {
            "my_things.py", "helpers.py", "parts/__init__.py", "parts/inner.py",
        }  # fmt: skip
        before = config.model.extension.code.digest
    things("WIDTH = 13\n", "helpers.py", head="")
    with loaded([main_file]):
        assert compose_config(["model=tiny"]).model.width == 16
        assert compose_config(["model=tiny"]).model.extension.code.digest != before
    assert helper.endswith("helpers.py")


def test_a_file_beside_it_never_hides_an_installed_module(things, capfd):
    for name in ("numpy.py", "json.py"):
        things("raise SystemExit('hidden')\n", name, head="")
    with loaded([things("import json, numpy\nprint('loading')\n" + TINY)]):
        assert set(compose_config(["model=tiny"]).model.extension.code.files) == {"my_things.py"}
    assert capfd.readouterr().out == ""


def test_settings_carry_their_code_to_other_processes(things):
    with loaded([things(TINY)]):
        config = compose_config(["model=tiny", "model.width=9"])
        sent = pickle.dumps(config)
    try:
        received = pickle.loads(sent)
        assert dataclasses.asdict(received) == dataclasses.asdict(config)
        assert hash_run(received, FACTS) == hash_run(config, FACTS)
        assert received.model.own().width == 9
    finally:
        TABLE.clear()


def test_a_users_error_names_its_line(things):
    with loaded([things(TINY.replace("pixels = ", "pixels = None + "))]):
        config = compose_config(["model=tiny"])
        with pytest.raises(CnnexpError, match=r"model=tiny failed at my_things\.py:21: ValueError: Invalid dtype"):
            config.model.call((8, 8, 1), 10)
