"""A run whose process is gone without a word: what is said of it, at once and by the next command."""

import subprocess
import sys

from cnnexp.system.streams import writing_to
from cnnexp.tracking.outbox.lost_process import kills_for_memory, lost_sentences
from support.sweep_processes import recorded, start, wait_for

WORDS = ["training=smoke", "training.epochs=400", "training.patience=null"]


def test_a_killed_run_is_told_of_where_it_printed_and_by_the_command_that_resumes_it(tmp_path):
    words = [*WORDS, f"data.cache={tmp_path}/cache"]
    command = [sys.executable, "-m", "cnnexp", *words]
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=errors)
    wait_for(lambda: list((tmp_path / "cache").glob("checkpoints/*/rest.state")), seconds=300)
    process.kill()
    process.wait()
    wait_for(lambda: "resume    " in (tmp_path / "errors").read_text(), seconds=60)
    said = (tmp_path / "errors").read_text()
    ((run,),) = recorded(tmp_path)[1:]
    assert run.status == "KILLED"
    assert f"cnnexp: the process of {run.name}, {run.run_id[:6]}, was killed, or crashed, without a word." in said
    assert f"resume {run.run_id[:12]} tracking.uri=sqlite:///{tmp_path}/mlflow.db" in said
    assert "memory" not in said
    again = start(*words, "training.finish=true", folder=tmp_path, multirun=False)
    printed, _ = again.communicate(timeout=300)
    assert again.returncode == 0, printed
    assert "Its process was killed, or crashed, without a word." in printed
    ((run,),) = recorded(tmp_path)[1:]
    assert (run.status, run.tags["cnnexp.lost"]) == ("FINISHED", "")


def test_kills_for_memory_are_counted_where_the_kernel_says(tmp_path):
    assert kills_for_memory(tmp_path) == 0
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 12\noom_kill 3\n")
    assert kills_for_memory(tmp_path) == 3
    assert "training.accumulate=auto" in lost_sentences(for_memory=True)


def test_a_terminal_that_is_gone_is_no_error(tmp_path):
    writing_to(str(tmp_path / "gone" / "file"))("text")
    writing_to("")("text")
