"""Standard output that is closed, full or left by its reader: a run goes on, a command fails in one line."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, redirect_stdout

import pytest

from cnnexp.errors import OutputError
from cnnexp.report.console import open_console
from cnnexp.report.run import RunReport
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.system.streams import print_document, print_error, print_required
from support.sample_records import history, run_info, run_result, settings

COMMAND = f"{sys.executable} -m cnnexp"


def shell(line, folder, **environment):
    command = ["bash", "-c", line]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@contextmanager
def full():
    with open("/dev/full", "w", encoding="utf-8") as stream, redirect_stdout(stream):  # noqa: PTH123
        yield stream


@contextmanager
def unread():
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream, redirect_stdout(stream):
        yield stream


def tell():
    with RunReport() as report:
        report.progress("decoding data", 1, 2)
        report.info(run_info(), settings(epochs=3))
        for values in history(3).epochs:
            report.epoch(values)
        report.result(run_result(epochs=3))
    report.closing([("open", "it")])
    with SweepReport() as sweep:
        sweep.begin([("runs", "2")], total=2)
        sweep.ended(0, "one", "accuracy 0.9", good=True, best="one")
        sweep.closing([("compare", "it")])


def test_a_run_goes_on_when_the_disk_behind_its_output_is_full(capfd):
    with full():
        tell()
    assert capfd.readouterr().err.count("warning: Standard output cannot be written: No space left on device.") == 1


def test_a_run_goes_on_when_nobody_reads_it_any_more(capfd):
    with unread():
        tell()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("print_it", [print_required, print_document, lambda text: open_console().print(text)])
def test_what_a_command_was_started_for_is_missed(print_it):
    with full(), pytest.raises(OutputError, match=r"^Standard output cannot be written: No space left on device\.$"):
        print_it("text")


def test_an_error_that_cannot_be_printed_is_no_error(monkeypatch):
    with open("/dev/full", "w", encoding="utf-8") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", stream)
        print_error("lost")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            stream.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("cache >/dev/full", 1),
        ("cache >&-", 0),
        ("--version >/dev/full", 1),
        ("--help >/dev/full", 1),
        ("--cfg job >/dev/full", 1),
        ("predict --help >/dev/full", 1),
        ("cache --unknown 2>/dev/full", 2),
        ("cache --unknown 2>&-", 2),
        ("cache >&- 2>&- <&-", 0),
    ],
)
def test_a_command_ends_in_order(tmp_path, line, code):
    done = shell(f"{COMMAND} {line}", tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == code
    assert done.stdout == ""
    if line.endswith(">/dev/full") and "2>" not in line:
        assert done.stderr == "cnnexp: Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_any_letter_is_printed_in_any_locale(tmp_path, locale):
    (tmp_path / "写真").mkdir()
    done = shell(
        f"{COMMAND} cache data.cache=写真; {COMMAND} check-data data=folder data.path=é/写真", tmp_path, **locale
    )
    assert "empty" in done.stdout
    assert "data.path must be" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("streams", [">&-", ">/dev/full", "| head -1", ">&- 2>&-", "2>&-", ">/dev/full 2>/dev/full"])
def test_a_run_is_recorded_whatever_becomes_of_its_output(tmp_path, streams):
    done = shell(f"set -o pipefail; {COMMAND} training=smoke training.epochs=1 model=small {streams}", tmp_path)
    assert done.returncode == 0
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        assert store.execute("select status from runs").fetchall() == [("FINISHED",)]
