"""What is written for MLflow, and how its places are named: no store is needed."""

import dataclasses
import errno
import fcntl
import math
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from cnnexp.__main__ import main
from cnnexp.cli import ui
from cnnexp.cli.targets import separate_store
from cnnexp.cli.ui import free_port
from cnnexp.compose import compose_config
from cnnexp.config.defaults import default_store
from cnnexp.errors import ConfigError, ModelError, TrackingError
from cnnexp.records import FoundAccumulation
from cnnexp.report.run.header import header_rows
from cnnexp.system.secrets import masked
from cnnexp.system.text import program
from cnnexp.tracking import Receipt, RecordWriter, provenance, send
from cnnexp.tracking.outbox import entries, record_folder
from cnnexp.tracking.outbox.delivery_client import DeliveryClient
from cnnexp.tracking.receipt import open_command
from cnnexp.tracking.store import connection
from cnnexp.tracking.store.find_runs import find_runs
from cnnexp.training.network import require_zip_date
from support import tracking_inputs
from support.full_disk import small_disk
from support.sample_records import run_info


def test_parameters_read_as_yaml_writes_them():
    assert entries.params({"a": None, "b": True, "c": 0.001, "d": "x", "e": 0})["values"] == {
        "a": "null", "b": "true", "c": "0.001", "d": "x", "e": "0",
    }  # fmt: skip


def test_a_parameter_that_is_too_long_says_so_within_the_limit():
    value = entries.params({"long": "x" * 9_000})["values"]["long"]
    assert len(value) == 6_000
    assert value.endswith("(cut: 9000 characters in all)")
    assert entries.params({"fits": "x" * 6_000})["values"]["fits"] == "x" * 6_000


def test_keys_mlflow_refuses_are_rewritten_and_others_kept():
    assert list(entries.params({"a=b@c": 1, "test/größe.x-y z": 2})["values"]) == ["a_b_c", "test/größe.x-y z"]


def test_values_that_are_not_finite_are_left_out_and_noted():
    notes: list[str] = []
    values = {"loss": math.inf, "accuracy": 0.5, "rate": math.nan}
    assert entries.metrics(values, step=3, kind="metrics", notes=notes)["values"] == {"accuracy": 0.5}
    assert notes == ["loss at step 3 was inf, which is not recorded.", "rate at step 3 was nan, which is not recorded."]


def test_a_description_opens_with_the_verdict():
    result = tracking_inputs.result()
    text = entries.describe_result(result, notes=["one more"])
    assert text.startswith(f"**test accuracy {result.metrics['test/accuracy']:.3f}** (")
    assert "**over-fitting**: The network knows" in text
    assert text.index("over-fitting") < text.index("weights") < text.index("- one more")


def test_a_plan_is_described_by_its_numbers():
    text = entries.describe_info(run_info(notes=["the rate was scaled"]))
    assert "1000 train, 100 validation" in text
    assert "- the rate was scaled" in text


def test_uris_mean_the_same_store_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert connection.absolute_uri("sqlite:///a/b.db") == f"sqlite:///{tmp_path}/a/b.db"
    assert connection.absolute_uri("sqlite:////a/b.db") == "sqlite:////a/b.db"
    assert connection.absolute_uri("http://h:5000") == "http://h:5000"
    assert connection.absolute_location("mlartifacts") == (tmp_path / "mlartifacts").as_uri()
    assert connection.absolute_location("s3://bucket/a") == "s3://bucket/a"


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "mlruns", "./mlruns", "file:mlruns", "sqlite://a.db"])
def test_the_folder_store_is_refused_in_one_line(uri):
    with pytest.raises(ConfigError, match=r"Use sqlite:///mlflow\.db") as error:
        connection.absolute_uri(uri)
    assert repr(uri) in str(error.value)
    assert "\n" not in str(error.value)


def test_mlflows_variables_are_the_defaults_and_what_is_typed_goes_before_them(tmp_path, monkeypatch):
    assert (default_store(), compose_config([]).tracking.experiment) == ("sqlite:///mlflow.db", "cnnexp")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/a.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tüten")
    tracking = compose_config([]).tracking
    assert (tracking.uri, tracking.experiment) == (default_store(), "tüten") == ("sqlite:////elsewhere/a.db", "tüten")
    assert compose_config(["tracking.uri=sqlite:///b.db"]).tracking.uri == "sqlite:///b.db"
    own = tmp_path / "tracking" / "own.yaml"
    own.parent.mkdir()
    own.write_text("uri: sqlite:///c.db\nartifacts: null\nexperiment: mine\nrun_name: null\noutbox: outbox\n")
    tracking = compose_config(["tracking=own"], config_dir=tmp_path).tracking
    assert (tracking.uri, tracking.experiment) == ("sqlite:///c.db", "mine")


def test_an_empty_variable_is_none_and_a_wrong_one_is_named(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert (default_store(), compose_config([]).tracking.uri) == ("sqlite:///mlflow.db", "sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    for refused in (lambda: compose_config([]), lambda: separate_store(["latest"])):
        with pytest.raises(ConfigError, match=r"from the variable MLFLOW_TRACKING_URI; tracking\.uri=sqlite"):
            refused()


def test_a_store_of_the_environment_is_named_by_every_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///away.db")
    for command in (
        ["predict", "latest", "x.png"],
        ["compare", "latest"],
        ["ui"],
        ["evaluate", "latest"],
        ["export", "latest", "out"],
    ):
        assert main(command) == 2
        assert "store sqlite:///away.db from MLFLOW_TRACKING_URI" in capsys.readouterr().err
    main(["compare", "latest", "tracking.uri=sqlite:///b.db"])
    assert "MLFLOW_TRACKING_URI" not in capsys.readouterr().err


def test_the_header_names_a_store_that_the_environment_has_chosen(monkeypatch):
    settings = dataclasses.asdict(compose_config([]))
    assert "store" not in dict(header_rows(run_info(), settings, columns=False))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hunter2@away")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    settings = dataclasses.asdict(compose_config([]))
    assert dict(header_rows(run_info(), settings, columns=False))["store"] == (
        "https://me:***@away from MLFLOW_TRACKING_URI, experiment mine from MLFLOW_EXPERIMENT_NAME"
    )


def test_a_line_that_a_full_disk_cuts_is_not_in_the_record(tmp_path):
    opening = record_folder.Opening(
        key="k", uri="sqlite:///x", artifacts=None, experiment="e", run_name="r", run_id=None, started=0, tags={}
    )
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        writer = RecordWriter.create(disk.folder, opening)
        written = []

        def write():
            writer.append({"number": len(written), "text": "x" * 99})
            written.append(len(written))

        write()
        disk.fill()
        with pytest.raises(TrackingError, match="No space left on device"):  # the last block of the file has some room
            [write() for _ in range(1000)]
        with pytest.raises(TrackingError, match="No space left on device"):
            writer.file("log.txt", b"text")
        writer.use_reserve()
        writer.append({"number": "last"})
        writer.end("FAILED")
        entries_there = record_folder.read_entries(writer.folder, start=0)
        assert [one["number"] for one in entries_there] == [*written, "last"]
        assert len(written) > 1
        assert not list((writer.folder / "files").iterdir())


def test_parts_of_a_step_that_were_found_are_shown_and_recorded():
    overrides = ["training.batch_size=128", "training.accumulate=auto", "optimizer.batch_scaling=linear"]
    settings = dataclasses.asdict(compose_config(overrides))
    info = dataclasses.replace(run_info(), accumulation=FoundAccumulation(32, 4, 64))
    rows = dict(header_rows(info, settings, columns=False))
    assert "batch 32 × 4, found" in rows["training"]
    assert "× 128/32" in rows["optimizer"], "a step has as many images as were asked for"
    assert entries.resolved(info)["used.accumulate"] == 4
    assert "used.accumulate" not in entries.resolved(run_info())


def test_passwords_are_shown_nowhere():
    assert masked("postgresql://me:s3cr3t@host/db and http://u:p@h") == "postgresql://me:***@host/db and http://u:***@h"
    assert masked("sqlite:////home/a:b/mlflow.db") == "sqlite:////home/a:b/mlflow.db"


def test_a_closed_port_is_an_error_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening
        began = time.monotonic()
        with pytest.raises(TrackingError, match="did not") as error:
            connection.reach(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert time.monotonic() - began < 2
    assert "tracking.uri=sqlite:///mlflow.db" in str(error.value)


@pytest.mark.slow
def test_a_port_that_accepts_and_never_answers_is_an_error_within_ten_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(TrackingError, match="did not"):
            connection.reach(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert time.monotonic() - began < 10


def test_a_database_whose_folder_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="cannot be made"):
        connection.reach(f"sqlite:///{tmp_path}/file/mlflow.db")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_with_the_setting_to_change(tmp_path, monkeypatch, number):
    def flock(_file: object, _kind: int) -> None:
        raise OSError(number, os.strerror(number))

    settings, opening = tracking_inputs.settings(tmp_path), _opening(tmp_path)
    kept = RecordWriter.create(tmp_path / "kept", opening)
    kept.end("FINISHED")
    monkeypatch.setattr(fcntl, "flock", flock)
    attempts = {
        r"tracking\.uri=sqlite": lambda: connection.reach(settings.uri),
        r"set tracking\.outbox": lambda: RecordWriter.create(tmp_path / "outbox", opening),
        r"/tmp.* set tracking\.outbox": lambda: send(kept.folder),
    }
    for advice, attempt in attempts.items():
        with pytest.raises(TrackingError, match=advice) as error:
            attempt()
        assert "locks" in str(error.value)
        assert "Make room" not in str(error.value)
        assert os.strerror(number) in str(error.value)


def _opening(folder: Path, **more: object) -> record_folder.Opening:
    known = {"uri": f"sqlite:///{folder}/mlflow.db", "artifacts": None, "experiment": "signs", "run_name": "run"}
    more = {"run_id": None, "tags": {}, **more}
    return record_folder.Opening(key=record_folder.new_key("run"), started=record_folder.now(), **known, **more)


def test_an_outbox_that_cannot_be_written_to_is_no_question_of_room(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match=r"Set tracking\.outbox to a folder that can be written to"):
        RecordWriter.create(tmp_path / "file" / "outbox", _opening(tmp_path))


def test_what_is_no_database_is_refused_at_once(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is a text of more than a hundred bytes " * 9)
    with pytest.raises(TrackingError, match="must be an SQLite database"):
        connection.reach(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("181f10493468", r"older one cannot open it again.* -m mlflow db upgrade sqlite:///"),
        ("f" * 12, "newer than MLflow"),
    ],
)
def test_a_store_of_another_mlflow_is_left_as_it_is(tmp_path, schema, said):
    file = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(file)) as store, store:
        store.execute("CREATE TABLE alembic_version (version_num)")
        store.execute("INSERT INTO alembic_version VALUES (?)", [schema])
    before = file.read_bytes()
    uri = f"sqlite:///{file}"
    for attempt in (
        lambda: connection.reach(uri),
        lambda: find_runs(["latest"], uri=uri),
        lambda: ui.serving(uri, 1).__enter__(),
    ):
        with pytest.raises(TrackingError, match=said):
            attempt()
    assert file.read_bytes() == before


def test_a_process_that_delivers_says_why_it_ended(tmp_path, monkeypatch):
    client = DeliveryClient.start()
    client.process.kill()
    assert client.wait(tmp_path, patience=10).reason.endswith("has ended: SIGKILL, perhaps for want of memory.")
    client.dismiss()
    monkeypatch.setattr(sys, "executable", "/bin/ls")  # refuses the options
    client = DeliveryClient.start()
    assert re.search(r"has ended: .*ls.*\.$", client.wait(tmp_path, patience=10).reason)
    client.dismiss()


def test_names_that_are_no_utf8_are_recorded_escaped_and_refused_for_a_store(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    writer = RecordWriter.create(tmp_path / "outbox", _opening(tmp_path / name, tags={"a": "b"}))
    writer.append(entries.tags({name: f"{name}/größe"}))
    assert record_folder.read_opening(writer.folder).uri == f"sqlite:///{tmp_path}/{name}/mlflow.db"
    assert record_folder.read_entries(writer.folder, start=0) == [
        {"kind": "tags", "values": {r"caf\udce9": r"caf\udce9/größe"}}
    ]
    writer.abandon()
    with pytest.raises(ConfigError, match=r"path in UTF-8.*caf\\udce9.* tracking\.uri=sqlite"):
        connection.absolute_uri(f"sqlite:///{tmp_path}/{name}/mlflow.db")
    with pytest.raises(ConfigError, match=r"tracking\.artifacts must be"):
        connection.absolute_location(str(tmp_path / name))


@pytest.mark.parametrize("date", [(1970, 1, 2), (2200, 1, 1)])
def test_a_clock_with_which_no_model_can_be_saved_is_refused_before_training(monkeypatch, date):
    wrong = time.struct_time((*date, 0, 0, 0, 0, 1, 0))
    monkeypatch.setattr(time, "localtime", lambda: wrong)
    with pytest.raises(ModelError, match=f"1980 to 2107.* says {date[0]}-01-0.*Set the clock"):
        require_zip_date()


def test_run_keys_are_readable_names_of_folders():
    key = record_folder.new_key("größe 直進/../☃")
    assert "/" not in key
    assert "größe-直進" in key
    assert key != record_folder.new_key("größe 直進/../☃")
    assert len(record_folder.new_key("x" * 500)) < 100


def test_a_line_that_is_still_being_written_is_not_read(tmp_path):
    (tmp_path / record_folder.JOURNAL).write_bytes('{"a": 1}\n{"b": "ü"}\n{"c": '.encode())
    assert record_folder.read_entries(tmp_path, start=0) == [{"a": 1}, {"b": "ü"}]
    assert record_folder.read_entries(tmp_path, start=1) == [{"b": "ü"}]


def _git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_commit_and_uncommitted_changes_are_read(tmp_path):
    _git(tmp_path, "init", "-q")
    assert provenance.read_commit(tmp_path) is None  # no commit yet
    (tmp_path / "a.txt").write_text("one\n")
    _git(tmp_path, "add", "a.txt")
    _git(tmp_path, "commit", "-qm", "first")
    clean = provenance.read_commit(tmp_path)
    (tmp_path / "a.txt").write_text("two\n" * 1_000_000)
    dirty = provenance.read_commit(tmp_path)
    assert clean is not None
    assert dirty is not None
    assert (clean.sha, clean.diff) == (_git(tmp_path, "rev-parse", "HEAD").strip(), b"")
    assert b"-one\n+two\n" in dirty.diff
    assert len(dirty.diff) < 2_100_000
    assert dirty.diff.endswith(b"bytes in all\n")


def test_new_files_are_uncommitted_changes_too(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "mlartifacts").mkdir()
    for name in ("ignored.py", ".env", "secrets.txt", "login.json", "mlartifacts/a.json", "new größe.py"):
        (tmp_path / name).write_text(f"in_{name[:3]} = 1\n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "large.csv").write_text("1,2\n" * 1_000_000)
    (tmp_path / "src").mkdir()
    state = provenance.read_commit(tmp_path / "src")
    assert state is not None
    assert state.diff.count(b"diff --git") == 1
    assert b"new file" in state.diff
    _git(tmp_path, "stash", "-u")
    subprocess.run(["git", "apply"], cwd=tmp_path, input=state.diff, check=True)
    assert (tmp_path / "new größe.py").read_text() == "in_new = 1\n"


def test_secrets_of_uncommitted_files_are_named_and_not_kept(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / "known_secrets.yaml").write_text("a: 1\n")
    (tmp_path / "train.py").write_text("a = 1\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    for name in ("known_secrets.yaml", "secrets.yaml", "creds.py", "keys/a.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("whatever: hunter2\n")
    (tmp_path / "train.py").write_text("uri = 'mysql://me:hunter2@h/db'\npassword = 'hunter2'\n")
    (tmp_path / "settings.yaml").write_text("db:\n  password: hunter2\n  host: here\n")
    state = provenance.read_commit(tmp_path)
    assert state is not None
    assert b"hunter2" not in state.diff
    for name in (b"known_secrets.yaml", b"secrets.yaml", b"creds.py", b"keys/a.toml"):
        assert b"# not kept, because it may hold secrets: " + name + b"\n" in state.diff
    assert b"+uri = 'mysql://me:***@h/db'\n+password = '***'\n" in state.diff
    assert b"+  password: ***\n+  host: here\n" in state.diff


def test_changes_that_are_too_many_are_cut_between_lines_and_not_within_a_secret(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / "train.py").touch()
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    kept, secret = "a = 1\n" * 285_500, "hunter2" * 1000  # 7 bytes a line of the diff: the limit is within the secret
    (tmp_path / "train.py").write_text(f"{kept}password = '{secret}'\n")
    state = provenance.read_commit(tmp_path)
    assert state is not None
    assert state.diff.count(b"+a = 1\n") == 285_500
    assert b"+a = 1\n# cut: " in state.diff
    assert b"hunter2" not in state.diff


@pytest.mark.parametrize("start", ["activated", "below", "elsewhere"])
def test_a_command_is_one_that_the_users_shell_finds(tmp_path, monkeypatch, start):
    scripts = tmp_path / "my .venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "cnnexp").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    monkeypatch.setenv("PATH", str(scripts) if start == "activated" else "/nowhere")
    monkeypatch.chdir("/" if start == "elsewhere" else tmp_path)
    python = {"below": "'my .venv/bin/python'", "elsewhere": f"'{scripts.relative_to('/')}/python'"}
    assert program() == ("cnnexp" if start == "activated" else f"{python[start]} -m cnnexp")


def test_no_repository_and_no_git_are_fine(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.read_commit(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert provenance.read_commit(tmp_path) is None


def test_a_receipt_names_the_command_that_completes_the_run():
    kept = Receipt(run_id=None, url_command=None, kept_folder=Path("/a b/c"), reason="gone")
    assert kept.send_command == f"{program()} send '/a b/c'"


def test_the_command_that_opens_a_run_hides_the_password():
    command = open_command(uri="postgresql://me:secret@host/db", run_id="r1")
    assert command == f"{program()} ui 'tracking.uri=postgresql://me:***@host/db' --run r1"
    assert open_command(uri="sqlite:////x/mlflow.db", run_id="r1").endswith(
        "ui tracking.uri=sqlite:////x/mlflow.db --run r1"
    )


def test_a_taken_port_is_passed_over():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert port < free_port() < 5100


def test_recording_imports_no_mlflow_and_no_keras():
    words = "import sys, cnnexp.tracking; print([m for m in ('mlflow', 'keras', 'tensorflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
