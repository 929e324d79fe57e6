"""What is heavy stays behind its door: help, bad command lines and light commands wait for no TensorFlow."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "mlflow", "sklearn", "scipy", "matplotlib", "pyarrow", "pandas", "numpy")


def imported(arguments, folder, first="sys"):
    """Return the heavy packages of a process that imports `first` and does what `arguments` ask for."""
    program = (
        f"import {first}, sys; from cnnexp.__main__ import main; main(sys.argv[1:]); "
        f"print('imported', *(name for name in {HEAVY} if name in sys.modules))"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job"],
        ["-sc", "install=bash"],
        ["training.epochs=0"],
        ["optimizer=adma"],
        ["-m", "seed=0,-1"],
        ["ui"],
        ["ui", "--help"],
        ["send", "--help"],
        ["predict", "--help"],
        ["export", "--help"],
        ["evaluate", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(tmp_path, arguments):
    assert imported(arguments, tmp_path) == []


def test_the_probe_sees_what_is_imported(tmp_path):
    assert imported(["--help"], tmp_path, first="numpy") == ["numpy"]


def test_a_bad_command_line_loads_no_click(tmp_path):
    program = (
        "import sys; from cnnexp.__main__ import main; main(['training.epochs=0']); "
        "assert 'click' not in sys.modules, 'click is for commands'"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)


def test_what_evaluate_shall_do_is_read_before_tensorflow_is_imported(tmp_path):
    heavy = imported(["--help"], tmp_path, first="cnnexp.saved.changes")
    assert heavy == ["scipy", "numpy"]  # TensorFlow is imported quietly, later


@pytest.mark.parametrize("command", [[], ["find-lr"]], ids=["run", "find-lr"])
def test_missing_weights_are_missed_before_tensorflow_is_imported(tmp_path, command):
    heavy = imported([*command, "model=pretrained", "model.weights=missing.pth"], tmp_path)
    assert not {"tensorflow", "keras", "mlflow"} & set(heavy)
    assert not list(tmp_path.glob("*")), "nothing was recorded"


def test_the_process_of_a_sweep_imports_no_tensorflow(tmp_path):
    executors = "cnnexp.sweeps.sweep, cnnexp.sweeps.plugin, cnnexp.sweeps.executors.process_executor"
    assert imported(["--help"], tmp_path, first=executors) == ["numpy"]


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import cnnexp; dir(cnnexp)", set()),
        ("import cnnexp; cnnexp.compare", {"numpy", "scipy"}),
        ("import cnnexp; cnnexp.LoadedModel.predict", {"numpy", "pyarrow", "pandas", "scipy"}),
    ],
)
def test_a_program_that_imports_cnnexp_gets_what_it_asks_for(tmp_path, code, allowed):
    program = f"import sys; {code}; print(*(name for name in {(*HEAVY, 'hydra')} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= allowed
