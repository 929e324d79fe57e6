"""What is written for MLflow, and how its places are named: no store is needed."""

import math
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnexp.cli.ui import free_port
from cnnexp.errors import ConfigError, TrackingError
from cnnexp.system.store_uri import masked
from cnnexp.system.text import program
from cnnexp.tracking import Receipt, provenance
from cnnexp.tracking.outbox import entries, record_folder
from cnnexp.tracking.receipt import open_command
from cnnexp.tracking.store import connection
from support import tracking_inputs
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
    assert command == f"{program()} ui --uri 'postgresql://me:***@host/db' --run r1"
    assert open_command(uri="sqlite:////x/mlflow.db", run_id="r1").endswith("ui --uri sqlite:////x/mlflow.db --run r1")


def test_a_taken_port_is_passed_over():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert port < free_port() < 5100


def test_recording_imports_no_mlflow_and_no_keras():
    words = "import sys, cnnexp.tracking; print([m for m in ('mlflow', 'keras', 'tensorflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
