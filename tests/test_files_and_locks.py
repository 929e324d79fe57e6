import errno
import fcntl
import re
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

import cnnexp
from cnnexp.__main__ import main
from cnnexp.errors import ConfigError, DataError, ModelError
from cnnexp.models.backbones.weights import find_weights
from cnnexp.runs.earlier_run import is_exported
from cnnexp.system import locks, own_process
from cnnexp.system.files import at_home, replacing, write_atomically
from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking import begun_alone
from support import users_modules
from support.sweep_processes import WORDS, recorded, sweep


def test_a_path_begins_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert at_home("~") == tmp_path
    assert at_home("~/a b/c") == tmp_path / "a b/c"
    assert str(at_home("a/~/b")) == "a/~/b"
    assert StoreUri("sqlite:///~/a.db").absolute().text == f"sqlite:///{tmp_path}/a.db"


def test_a_process_of_its_own_takes_no_file_of_the_user_for_a_module_of_python(monkeypatch, tmp_path):
    users_modules.place(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as in a notebook
    command = own_process.command_of("cnnexp.system.slurm")  # it imports subprocess
    subprocess.run(command, env=own_process.variables(), check=True)
    where = [sys.executable, "-P", "-c", "import subprocess, cnnexp; print(cnnexp.__file__)"]
    found = subprocess.run(where, env=own_process.user_variables(), check=True, capture_output=True, text=True)
    assert found.stdout.strip() == cnnexp.__file__


def test_the_command_line_takes_none_either(tmp_path):
    users_modules.place(tmp_path)
    for module in ("cnnexp", "cnnexp.__main__"):
        command = [sys.executable, "-m", module, "seed=7", "--cfg", "job"]
        shown = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert "seed: 7" in shown


@pytest.mark.slow
def test_nor_do_the_processes_of_a_sweep(tmp_path):
    users_modules.place(tmp_path)
    sweep("seed=0,1", *WORDS, "model=small", "training.epochs=1", folder=tmp_path)
    assert [run.status for run in recorded(tmp_path)[1]] == ["FINISHED"] * 2


def test_processes_of_python_are_started_in_one_way():
    sources = Path(cnnexp.__file__).parent.rglob("*.py")
    others = [path.name for path in sources if re.search(r'\[\s*sys\.executable,(?! "-P")', path.read_text("utf-8"))]
    assert others == []


def test_what_is_called_like_a_home_is_found(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~no-such-user").mkdir()
    assert str(at_home("~no-such-user")) == "~no-such-user"


def test_a_home_that_is_not_known_is_refused(monkeypatch):
    def no_such_user(_):
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", no_such_user)
    with pytest.raises(
        ConfigError, match=r"^~ at the beginning of a path .* HOME is not set; got '~/a'\. Write the whole"
    ):
        at_home("~/a")


@pytest.mark.parametrize(
    "words",
    [
        ["check-data", "data=folder", "data.path=~no-such-user/x"],
        ["check-data", "data=npz", "data.path=~no-such-user"],
        ["check-data", "data=table", "data.path=~no-such-user/x.csv"],
        ["check-data", "data=table", "data.path=list.csv", "data.root=~no-such-user"],
        ["check-data", "data=mnist", "data.path=~no-such-user/x"],
        ["check-data", "data=digits", "data.cache=~no-such-user/x"],
        ["cache", "data.cache=~no-such-user/x"],
        ["cache", "data.cache='~no-such-user/x'"],
        ["compare", "latest", "tracking.uri=sqlite:///~no-such-user/x.db"],
        ["predict", "latest", "x.png", "tracking.uri=sqlite:///~no-such-user/x.db"],
        ["data=digits", "tracking.outbox=~no-such-user/x"],
        ["data=digits", "tracking.artifacts=~no-such-user/x"],
        ["-m", "seed=1,2", "sweep.dry_run=true", "tracking.uri=sqlite:///~no-such-user/x.db"],
        ["--extend", "~no-such-user/x.py", "seed=1"],
    ],
    ids=" ".join,
)
def test_an_unknown_home_is_one_line_in_every_setting_that_is_a_path(monkeypatch, tmp_path, capfd, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    (tmp_path / "list.csv").write_text("path,label\na.png,b\n")
    assert main(words) == 2
    said = capfd.readouterr().err
    assert "there is no user no-such-user" in said
    assert "Traceback" not in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


@pytest.mark.parametrize("find", [partial(find_weights, "resnet50"), is_exported], ids=["weights", "run"])
def test_so_it_is_for_a_network_that_is_continued_from(find):
    with pytest.raises(ConfigError, match="there is no user no-such-user"):
        find("~no-such-user/x")


LONG = "x" * 300  # letters, more than any file system has room for


@pytest.mark.parametrize(
    "words",
    [
        ["predict", LONG, "x.png", "tracking.uri=sqlite:///a.db"],
        ["export", LONG, "model", "tracking.uri=sqlite:///a.db"],
        ["diagnose", f"{LONG}.onnx", "--data", "."],
        ["compare", "latest", f"tracking.uri=sqlite:///{LONG}.db"],
        ["ui", f"tracking.uri=sqlite:///{LONG}.db"],
        ["send", LONG],
        ["check-data", "data=npz", f"data.path={LONG}"],
        ["check-data", "data=mnist", f"data.path={LONG}"],
        ["check-data", "data=table", "data.path=list.csv", f"data.root={LONG}"],
        ["--extend", f"{LONG}.py", "seed=1"],
        ["--config-dir", LONG, "seed=1"],
    ],
    ids=lambda words: " ".join(words).replace(LONG, "LONG"),
)
def test_a_name_too_long_for_a_file_is_one_line_wherever_it_is_typed(monkeypatch, tmp_path, capfd, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("path,label\na.png,b\n")
    assert main(words) in (1, 2)
    said = capfd.readouterr().err
    assert said.startswith("cnnexp: ")
    assert "Errno" not in said
    assert said.count("\n") == 1
    with pytest.raises(ModelError, match="there is no file x"):
        find_weights("resnet50", LONG)
    assert not is_exported(LONG)


@pytest.mark.parametrize("uri", ["http://a..b:5000", f"http://{LONG}:5000", "http://localhost:1/größe"])
def test_an_address_that_no_server_can_have_is_one_line(monkeypatch, tmp_path, capfd, uri):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "latest", f"tracking.uri={uri}"]) == 1
    said = capfd.readouterr().err
    assert "is no address" in said
    assert said.count("\n") == 1


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [OSError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, interruption):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def write_half():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise interruption

    with pytest.raises(interruption):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_no_obstacle(tmp_path):
    (tmp_path / "a.json.part").write_bytes(b"half")
    with replacing(tmp_path / "a.json") as temporary:
        assert not temporary.exists()
        temporary.write_bytes(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    with (
        locks.locked_folder(tmp_path, patience=0.0),
        pytest.raises(TimeoutError),
        locks.locked_folder(tmp_path, patience=0.1),
    ):
        pass
    with locks.locked_folder(tmp_path, patience=0.0):
        assert list(tmp_path.iterdir()) == []


def test_a_held_file_is_seen_to_be_locked_until_it_is_closed(tmp_path):
    with (tmp_path / "journal").open("a") as file:
        locks.lock(file)
        assert locks.is_locked(tmp_path / "journal")
    assert not locks.is_locked(tmp_path / "journal")


def test_a_lock_file_is_waited_for(tmp_path):
    path = tmp_path / "entry" / "lock"
    waited = threading.Event()
    order = []

    def second():
        with locks.locked_file(path, while_waiting=waited.set):
            order.append("second")

    with locks.locked_file(path, while_waiting=lambda: None):
        other = threading.Thread(target=second)
        other.start()
        assert waited.wait(10)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_a_cache_on_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    from cnnexp.datasets.cache import folder

    def refuse(_file, _kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(DataError, match=r"must allow file locks; .* does not \(No locks available\)"),
        folder.locked(tmp_path / "entry", while_waiting=lambda: None),
    ):
        pass


def test_two_processes_do_not_look_whether_the_same_runs_and_begin_it_at_once(tmp_path):
    outbox, order = tmp_path / "outbox", []

    def begin(name):
        with begun_alone(outbox, "sweep"):
            order.append(name)

    with begun_alone(outbox, "sweep"):
        other = threading.Thread(target=begin, args=["second"])
        other.start()
        other.join(0.3)
        order.append("first")
        with begun_alone(outbox, "another sweep"):
            order.append("another")
    other.join(30)
    assert order == ["first", "another", "second"]
    assert not outbox.exists(), "nothing stays where nothing was recorded"
