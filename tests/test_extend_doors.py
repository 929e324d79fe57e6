"""Code of a user at every door: help, completion, a package's entry point, sweeps in processes, and resuming them."""

import json
import os

import pytest

from cnnexp.__main__ import main
from cnnexp.cli.commands import commands
from cnnexp.compose import compose_config, run_command
from cnnexp.config.extended import TABLE
from cnnexp.extensions.load import loaded
from support.sweep_processes import WORDS, recorded, sweep

CODE = """
import os
from dataclasses import dataclass

from cnnexp.extend import model

if os.environ.get("ONLY_IN") not in (None, str(os.getppid())):
    import no_such_module

@dataclass
class Settings:
    units: int = 5

@model("flat", Settings)
def flat(settings, input_shape, num_classes):
    \"\"\"Two dense layers.\"\"\"
    import keras

    return keras.Sequential([
        keras.layers.Flatten(), keras.layers.Dense(settings.units), keras.layers.Dense(num_classes),
    ])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat_net.py").write_text(CODE, encoding="utf-8")
    yield tmp_path
    assert TABLE == {}


def test_the_help_has_the_option_in_its_group_and_its_settings(folder, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["--extend", "flat_net.py", "--help"]) == 0
    printed = capfd.readouterr().out
    assert "airbench, flat" in " ".join(printed.split()).replace(", pretrained", "").replace(", from_run", "")
    assert "model=flat            Two dense layers. model.units=5. From flat_net.py" in printed
    assert main(["--help"]) == 0
    assert "flat" not in capfd.readouterr().out.replace("flatten", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("--extend flat_net.py model=fl", ["model=flat"]),
        ("--extend=flat_net.py model.un", ["model.units="]),
        ("model=flat --extend flat_net.py -", None),
        ("--extend fl", ["flat_net.py"]),
        ("--extend nowhere.py model=", []),
        ("check-data --extend flat_net.py data=dig", ["data=digits"]),
        ("predict --ext", ["--extend"]),
        ("predict --trust", ["--trust-code"]),
        ("compare --trust", []),
        ("--tru", ["--trust-code"]),
    ],
)
def test_the_shell_completes_it(folder, capfd, monkeypatch, typed, offered):
    monkeypatch.setenv("COMP_LINE", f"cnnexp {typed}")
    assert main(["-sc", "query=bash"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    if offered is not None:
        assert printed.out.split() == offered


@pytest.mark.parametrize("name", commands.commands)
def test_every_command_says_that_it_takes_code(folder, capfd, name):
    assert main([name, "--help"]) == 0
    assert "--extend FILE.py" in capfd.readouterr().out


def test_a_refused_setting_is_the_commands_own_error(folder, capfd):
    assert main(["model=flat", "--extend", "flat_net.py", "model.units=many"]) == 2
    assert capfd.readouterr().err == "cnnexp: model.units must be a whole number; got 'many'.\n"
    assert main(["--cfg", "job", "--extend=flat_net.py", "model=flat"]) == 0
    assert "units: 5" in capfd.readouterr().out


def test_a_package_names_its_module_as_an_entry_point(folder, monkeypatch):
    site = folder / "site"
    (site / "my_package").mkdir(parents=True)
    (site / "my_package" / "__init__.py").write_text("")
    (site / "my_package" / "sizes.py").write_text("UNITS = 7\n")
    (site / "my_package" / "nets.py").write_text("from .sizes import UNITS\n" + CODE.replace("= 5", "= UNITS"))
    (site / "unrelated.py").write_text("")
    about = site / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[cnnexp.extensions]\nmine = my_package.nets\n")
    monkeypatch.syspath_prepend(str(site))
    with loaded(["mine"]):
        config = compose_config(["model=flat"])
        assert config.model.units == 7
        assert set(config.model.extension.code.files) == {
            "my_package/__init__.py", "my_package/nets.py", "my_package/sizes.py",
        }  # fmt: skip
        assert run_command(config, ["model=flat"]).flags == ("--extend=mine",)
    assert main(["--extend", "mines"]) == 2


def test_the_command_that_repeats_a_run_has_the_files_it_uses(folder):
    with loaded(["flat_net.py"]):
        used, unused = (run_command(compose_config(words), words).flags for words in (["model=flat"], ["model=small"]))
    assert (used, unused) == (("--extend=flat_net.py",), ())


@pytest.mark.slow
def test_code_reaches_the_processes_of_a_sweep_which_resumes_with_it(folder):
    words = [*WORDS, "training.epochs=1", "model=flat", "model.units=3,4", "sweep.workers=2"]
    sweep("--extend=flat_net.py", *words, folder=folder)
    (parent,), runs = recorded(folder)
    assert [(run.status, run.params["model"]) for run in runs] == [("FINISHED", "flat")] * 2
    assert json.loads(parent.tags["sweep.extend"]) == [str(folder / "flat_net.py")]
    assert (
        sorted(path.read_text() for path in folder.glob("mlartifacts/*/artifacts/extensions/flat_net.py")) == [CODE] * 2
    )
    store = f"tracking.uri=sqlite:///{folder}/mlflow.db"
    (folder / "elsewhere").mkdir()
    printed = sweep(parent.run_id, store, folder=folder / "elsewhere", command="resume")
    assert "2 runs were finished before" in printed
    (folder / "flat_net.py").write_text(CODE + "# edited\n", encoding="utf-8")
    printed = sweep(parent.run_id, store, folder=folder, command="resume", code=1)
    assert "Code of --extend counts too" in printed


@pytest.mark.slow
def test_code_that_fails_in_a_process_fails_its_runs_with_the_reason(folder, monkeypatch):
    words = [*WORDS, "model=flat", "model.units=3,4", "sweep.workers=1", "sweep.retries=0"]
    monkeypatch.setenv("ONLY_IN", str(os.getpid()))
    printed = sweep("--extend=flat_net.py", *words, folder=folder, code=1)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in printed
    assert "2 of 2 runs failed" in printed
