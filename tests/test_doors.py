"""The command line from outside: bad ones are one line and exit code 2, and nothing is started or left behind."""

import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from cnnexp import __version__
from cnnexp.__main__ import main
from cnnexp.cli import COMMANDS
from cnnexp.cli.commands import commands
from cnnexp.tracking.comparison_page import METRIC
from support import tracking_inputs

BAD = [
    (["training.epoch=3"], "training has no setting 'epoch'; choose from epochs,", "Did you mean training.epochs?"),
    (["epochs=3"], "There is no setting 'epochs'", "Did you mean training.epochs?"),
    (["optimiser=sgd"], "There is no setting 'optimiser'", "Did you mean optimizer?"),
    (["optimizer.momentum=0.9"], "optimizer=adam has no setting 'momentum'", "momentum belongs to optimizer=sgd"),
    (
        ["model=pretrained", "model.width=3"],
        "model=pretrained has no setting 'width'",
        "width belongs to model=baseline, small, ",
    ),
    (["optimizer=adma"], "optimizer=adma does not exist; choose from adam,", "Did you mean adam?"),
    (["data=3"], "data=3 does not exist; choose from", "digits"),
    (["experiment=no_such_question"], "experiment=no_such_question does not exist", ""),
    (["training.epochs=many"], "training.epochs must be a whole number; got 'many'.", ""),
    (["training.epochs=1e3"], "training.epochs must be a whole number; got 1000.0.", "Write 1000."),
    (["data.antialias=maybe"], "data.antialias must be true or false; got 'maybe'.", ""),
    (["seed=null"], "seed must be a whole number; got null.", ""),
    (["optimizer.learning_rate="], "optimizer.learning_rate must be a number or auto; got nothing.", ""),
    (["training.threads=2.5"], "training.threads must be a whole number or auto; got 2.5.", ""),
    (["training.freeze=2.5"], "training.freeze must be none, backbone or a whole number; got 2.5.", ""),
    (["data.size=[a,b]"], "data.size must be a list of whole numbers such as [28, 28] or null; got 'a'.", ""),
    (["regularization.dropout=1.5"], "regularization.dropout must be at least 0 and below 1; got 1.5.", ""),
    (["tracking.uri=foo"], "tracking.uri must name a database or a server", "Use sqlite:///mlflow.db"),
    (["seed=-1"], "seed must be at least 0 and at most 4294967295; got -1.", ""),
    (
        ["training.class_weight=balance"],
        "training.class_weight must be one of none, balanced",
        "Did you mean balanced?",
    ),
    (
        ["optimizer=sgd", "optimizer.nesterov=true", "optimizer.momentum=0"],
        "optimizer.nesterov=true looks ahead along the momentum",
        "got 0",
    ),
    (["data.validation=0.5", "data.test=0.5"], "must leave images to train on; got 0.5 + 0.1 + 0.5 = 1.1", ""),
    (["data=folder", "data.path="], "data.path=PLACE; got nothing. The current folder is data.path=.", ""),
    (["data=folder"], "data=folder needs to know where the images are: data.path=PLACE", ""),
    (["schedule=warmup_cosine", "training.epochs=2"], "schedule.warmup_epochs must be below training.epochs", "3 of 2"),
    (["=3"], "'=3' names no setting", "key=value"),
    (["training.epochs=[1,2"], "'training.epochs=[1,2' cannot be read", "key=value"),
    (["momentum"], "'momentum' is no command; choose from", "key=value"),
    (["training.epochs"], "'training.epochs' is neither a command nor a setting", "key=value"),
    (["iu"], "'iu' is no command", "Did you mean ui?"),
    (["+unknown=1"], "There is no setting 'unknown'", ""),
    (["+training.foo=1"], "training has no setting 'foo'", ""),
    (["~data"], "data has no value; choose data=X", "digits"),
    (["~training.epochs"], "training.epochs cannot be deleted", ""),
    (["training.epochs=${nope}"], "points to nothing", "'nope'"),
    (["training.epochs=???"], "training.epochs has no value", ""),
    (["model.name=resnet"], "model.name is set by the option", "model=resnet"),
    (["optimizer=adam,sgd"], "optimizer=adam,sgd names several values", "add -m"),
    (["data.size.foo=3"], "This cannot be composed: data.size.foo=3", ""),
    (["model@other=small"], "This cannot be composed: model@other=small", ""),
    (["hydra/launcher=foo"], "hydra/launcher=foo does not exist; choose from", ""),
    (["hydra.foo=1"], "hydra.foo is not a setting of Hydra", ""),
    (["--epochs", "3"], "unrecognized arguments: --epochs", "key=value"),
    (["--cfg", "jb"], "invalid choice: 'jb'", ""),
    (["--config-dir", "/nowhere/at/all"], "--config-dir must be an existing folder", "/nowhere/at/all"),
    (["--config-name", "nothing"], "--config-name must name a YAML file", "'nothing'"),
    (["-m", "training.batch_size=16,0,32"], "training.batch_size must be at least 1", "got 0"),
    (["-m", "optimizer=adam,sgd", "optimizer.momentum=0.9"], "optimizer=adam has no setting 'momentum'", ""),
    (["-m", "--config-dir", "/nowhere/at/all", "seed=1,2"], "--config-dir must be an existing folder", ""),
    (["ui", "--prt", "80"], "--prt", "--port"),
    (["ui", "tracking.url=x"], "tracking has no setting 'url'", "Did you mean tracking.uri?"),
    (["compare", "tracking.uri=sqlite:///a.db"], "compare needs what it compares", "cnnexp compare latest"),
]


@pytest.fixture
def empty(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    return tmp_path


@pytest.mark.parametrize(("arguments", "message", "hint"), BAD, ids=[" ".join(arguments) for arguments, _, _ in BAD])
def test_a_bad_command_line_is_one_line_and_exit_code_two(empty, capfd, arguments, message, hint):
    assert main(arguments) == 2
    printed = capfd.readouterr()
    assert message in printed.err
    assert hint in printed.err
    assert printed.err.startswith("cnnexp: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not list(empty.iterdir())


def run(arguments, folder):
    command = [sys.executable, "-m", "cnnexp", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["training.epoch=3"], ["regularization.dropout=2"], ["-m", "seed=0,-1"]])
def test_the_process_says_the_same(tmp_path, arguments):
    done = run(arguments, tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_traceback_is_there_for_who_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = run(["training.epochs=0"], tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "regularized"),
        (["--cfg", "job", "optimizer=sgd"], "learning_rate: 0.01"),
        (["--info", "defaults", "optimizer=sgd"], "optimizer/sgd"),
        (["--version"], f"cnnexp {__version__}"),
        (["-sc", "install=bash"], "hydra_bash_completion cnnexp"),
    ],
)
def test_what_hydra_users_expect_answers_from_any_folder(tmp_path, arguments, expected):
    done = run(arguments, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_help_names_every_command(empty, capfd):
    main(["--help"])
    printed = capfd.readouterr().out.replace(",", " ").split()
    assert [name for name in COMMANDS if name not in printed] == []


def test_the_door_leaves_arguments_and_environment_as_it_found_them(empty, monkeypatch):
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    before = list(sys.argv), dict(os.environ)
    assert main(["--cfg", "job"]) == 0
    assert main(["training.epochs=0"]) == 2
    assert (sys.argv, dict(os.environ)) == before


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("optim", ["optimizer="]),
        ("optimizer=", [f"optimizer={name}" for name in ("adam", "adamw", "adamw_finetune", "muon", "rmsprop", "sgd")]),
        ("training.ep", ["training.epochs="]),
        ("++training.ep", ["++training.epochs="]),
        ("model=small optimizer=ad", [f"optimizer={name}" for name in ("adam", "adamw", "adamw_finetune")]),
        ("model.backbone=efficientnet_l", [f"model.backbone=efficientnet_lite{number}" for number in range(3)]),
        ("pred", ["predict"]),
        ("c", ["cache", "check-data", "compare"]),
        ("se", ["seed=", "send"]),
        ("--ver", ["--version"]),
        ("predict la", ["latest"]),
        ("predict latest ", [".hidden", "latest", "photos/", "x.png"]),
        ("predict latest photos/", ["photos/a.jpg", "photos/b.jpg"]),
        ("predict latest x", ["x.png"]),
        ("predict latest tracking.u", []),
        ("predict latest --cs", ["--csv"]),
        ("predict nobody nowhere/", []),
        ("check-data data=fol", ["data=folder"]),
        ("check-data data=folder data.path=ph", ["data.path=photos/"]),
        ("check-data data=folder data.path=photos/a", ["data.path=photos/a.jpg"]),
        ("ui trac", ["tracking="]),
        ("ui tracking.ur", ["tracking.uri="]),
        ("no-such-thing x", []),
        ("a'b ", None),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_offers_what_may_stand_there(empty, capfd, monkeypatch, shell, typed, offered):
    (empty / "photos").mkdir()
    for name in ("x.png", "photos/a.jpg", "photos/b.jpg"):
        (empty / name).touch()
    monkeypatch.setenv("COMP_LINE", f"cnnexp {typed}")
    assert main(["-sc", f"query={shell}"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    if offered is not None:
        assert printed.out.split() == [one for one in offered if one != ".hidden"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_command_line(tmp_path):
    """As a person has it: the script of Hydra's installation in a real bash, with its own splitting of words."""
    (tmp_path / "cnnexp").write_text(f'#!/bin/sh\nexec {sys.executable} -m cnnexp "$@"\n', encoding="utf-8")
    (tmp_path / "cnnexp").chmod(0o755)
    script = """
        eval "$(cnnexp -sc install=bash)"
        for line in "cnnexp pred" "cnnexp predict latest cn" "cnnexp optimizer=s"; do
            COMP_LINE="$line"; COMP_POINT=${#line}; COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]}-1))
            hydra_bash_completion 2>/dev/null; echo "${COMPREPLY[@]}"
        done
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["predict", "cnnexp", "optimizer=sgd"]


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path):
    command = f"{sys.executable} -m cnnexp --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_every_declared_command_is_named():
    assert tuple(sorted(commands.commands)) == COMMANDS


def test_the_command_compares_what_the_end_of_a_sweep_compares():
    assert {option.name: option.default for option in commands.commands["compare"].params}["metric"] == METRIC


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(empty, capfd, name):
    assert main([name, "--help"]) == 0
    assert f"Usage: cnnexp {name}" in capfd.readouterr().out


def test_the_ui_of_nothing_says_how_to_begin(empty, capfd):
    assert main(["ui"]) == 2
    printed = capfd.readouterr()
    assert "mlflow.db does not exist" in printed.err
    assert not Path("mlflow.db").exists()


def test_the_ui_of_a_server_is_its_own(empty, capfd):
    assert main(["ui", "tracking.uri=https://example.org/"]) == 0
    assert "https://example.org/?workflowType=machine_learning#/experiments" in capfd.readouterr().out


# --- real runs


def recorded(folder):
    """Name, status and id of every run in the folder's store, oldest first."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute("select name, status, run_uuid from runs order by start_time").fetchall()


def start(arguments, folder):
    command = [sys.executable, "-u", "-m", "cnnexp", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came; {process.stderr.read()}")


@pytest.fixture(scope="module")
def after_a_sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    command = [sys.executable, "-m", "cnnexp", "-m", "training=smoke", "model=small", "seed=1,2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return folder, done


@pytest.mark.slow
def test_a_sweep_is_silent_about_its_machinery_and_leaves_its_record_alone(after_a_sweep):
    folder, done = after_a_sweep
    assert (done.returncode, done.stderr) == (0, "")
    assert {file.name for file in folder.iterdir()} <= {"mlflow.db", "mlartifacts", "multirun", "outbox"}
    names = ("sweep-seed", "small-smoke-seed1", "small-smoke-seed2")
    assert sorted(run[:2] for run in recorded(folder)) == sorted((name, "FINISHED") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_says_so(tmp_path, number, code):
    process = start(["model=small", "training.epochs=5000", "training.patience=null"], tmp_path)
    wait_for(process, "epoch")
    wait_for(process, "5")  # an epoch has been made
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, "cnnexp: stopped.\n")
    assert [run[1] for run in recorded(tmp_path)] == ["KILLED"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_the_ui_is_quiet_and_leaves_no_server_behind(tmp_path, number, code):
    tracking_inputs.create_store(tracking_inputs.settings(tmp_path))
    process = start(["ui", f"tracking.uri={tracking_inputs.settings(tmp_path).uri}"], tmp_path)
    link = wait_for(process, "Open http").split()[1]
    urllib.request.urlopen(link, timeout=10).close()
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, printed, errors.strip()) == (code, "", "cnnexp: stopped.")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(link, timeout=10)


@pytest.mark.slow
def test_the_ui_opens_where_the_run_is(after_a_sweep):
    folder, _ = after_a_sweep
    run_id = recorded(folder)[1][2]  # the first is the sweep's own
    process = start(["ui", "--run", run_id], folder)
    try:
        link = wait_for(process, "Open http").split()[1]
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/.+/runs/{run_id}/.+workflowType=machine_learning", link)
        with urllib.request.urlopen(link, timeout=10) as page:
            assert page.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.parametrize("words", [[], ["-m", "seed=0,1"]], ids=["run", "sweep"])
def test_too_few_open_files_are_one_line(words, tmp_path):
    limited = f"ulimit -n 16; exec {shlex.quote(sys.executable)} -m cnnexp {' '.join(words)}"
    done = subprocess.run(["sh", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "at least 32 files; the limit is 16. Raise it: ulimit -n 1024" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
