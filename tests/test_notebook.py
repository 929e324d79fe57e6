"""Real kernels: the notebook of the documentation, and what happens when a kernel is interrupted or killed."""

import re

import numpy as np
import pytest
from PIL import Image

from support import kernels
from support.sweep_processes import begun, recorded, wait_for

ENDLESS = '"training=smoke", "training.epochs=100000", "training.patience=null", "model=small"'

pytestmark = pytest.mark.slow


@pytest.fixture
def kernel(tmp_path):
    with kernels.kernel(tmp_path) as started:
        assert started.run("import cnnexp").status == "ok"
        yield started


def test_the_notebook_of_the_documentation_runs_from_beginning_to_end(kernel):
    replies = [kernel.run(code) for code in kernels.code_of(kernels.NOTEBOOK)]
    assert [reply.status for reply in replies] == ["ok"] * len(replies)
    assert sum(len(reply.pages) for reply in replies) >= 4, "a run, a sweep, a comparison and a model are shown"
    assert not any("Traceback" in text for reply in replies for text in (*reply.shown, reply.printed))


def test_a_run_shows_its_progress_in_one_output_and_its_result_as_a_page(kernel):
    reply = kernel.run('cnnexp.run("training=smoke", "model=small", "training.epochs=3")')
    assert any("training" in text and "━" in text for text in reply.shown), "a bar moved"
    assert reply.shown[-2].startswith("small-smoke-epochs3: accuracy "), "then its headline stands there"
    assert len(reply.pages) == 1
    assert reply.pages[0].count("<svg") >= 3
    assert kernel.run("import sys; 'tensorflow' in sys.modules, 'mlflow' in sys.modules").shown == ["(False, False)"]


def test_a_notebook_of_fastais_is_brought_over_in_under_twenty_lines(kernel, tmp_path):
    text = (kernels.NOTEBOOK.parent / "notebooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"## A notebook of fastai's.*?```python\n(.*?)```", text, re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith("#")]) < 20
    random = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / "photos" / ("dark", "light")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 128, (48, 48, 3)) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(np.full((60, 50, 3), 240, np.uint8)).save(tmp_path / "photo.jpg")
    replies = [kernel.run(cell) for cell in code.strip().split("\n\n")]
    assert [(reply.status, reply.error) for reply in replies] == [("ok", "")] * 5
    *_, losses, answer = replies
    assert len(losses.pages) == len(answer.pages) == 1, "tables"
    assert "light" in answer.shown[-1]
    assert [run.status for run in recorded(tmp_path)[1]] == ["FINISHED"]


def test_an_error_is_one_line(kernel):
    reply = kernel.run('cnnexp.run("optimizer=adma")')
    assert (reply.status, reply.error) == ("error", "ConfigError")
    assert len(reply.traceback) == 1
    assert reply.traceback[0].startswith("ConfigError: optimizer=adma does not exist; choose from adam, ")


def test_an_interrupt_records_the_run_and_the_kernel_lives_on(kernel, tmp_path):
    cell = kernel.start(f"cnnexp.run({ENDLESS})")
    wait_for(lambda: begun(tmp_path))
    kernel.manager.interrupt_kernel()
    kernel.manager.interrupt_kernel()
    reply = kernel.wait(cell, seconds=60)
    assert (reply.status, reply.error) == ("error", "KeyboardInterrupt")
    assert [run.status for run in recorded(tmp_path)[1]] == ["KILLED"]
    kernel.manager.interrupt_kernel()  # of an idle kernel
    assert kernel.run("cnnexp.get_run('latest').status").shown == ["'KILLED'"]


def test_an_interrupted_sweep_is_resumed_by_the_same_cell(kernel, tmp_path):
    words = '"training=smoke", "model=small", "seed=0,1,2", "sweep.workers=1"'
    cell = kernel.start(f"s = cnnexp.sweep({words})")
    wait_for(lambda: begun(tmp_path))
    kernel.manager.interrupt_kernel()
    assert kernel.wait(cell).error == "KeyboardInterrupt"
    ((parent,), runs) = recorded(tmp_path)
    assert parent.status == "KILLED"
    assert "RUNNING" not in {run.status for run in runs}
    assert kernel.run(f"s = cnnexp.sweep({words}); list(s.runs['status'])").shown[-1] == str(["FINISHED"] * 3)
    ((again,), _) = recorded(tmp_path)
    assert (again.run_id, again.status) == (parent.run_id, "FINISHED")


def test_the_run_of_a_kernel_that_is_killed_ends_and_says_so(kernel, tmp_path):
    kernel.start(f"cnnexp.run({ENDLESS})")
    wait_for(lambda: begun(tmp_path))
    kernel.manager.shutdown_kernel(now=True)
    wait_for(lambda: [run.status for run in recorded(tmp_path)[1]] == ["KILLED"], seconds=60)
