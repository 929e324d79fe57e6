"""The garbage collector is off during large imports, and restored afterwards."""

import gc
import subprocess
import sys

from cnnexp.system import quiet

SCRIPT = """
import gc
from cnnexp.system.quiet import heavy_imports
if {disabled}: gc.disable()
try:
    with heavy_imports():
        assert not gc.isenabled()
        kept = [{{}} for _ in range(1000)]
        {inside}
except ZeroDivisionError:
    pass
print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""


def after(*, disabled: bool, inside: str = "pass") -> list[str]:
    """Return what a new process prints about its collector after the block."""
    code = SCRIPT.format(disabled=disabled, inside=inside)
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def test_collection_resumes_after_the_imports_and_their_objects_are_frozen():
    assert after(disabled=False) == ["True", "True"]


def test_a_failed_import_leaves_the_collector_on():
    assert after(disabled=False, inside="1 / 0") == ["True", "True"]


def test_a_collector_that_the_user_disabled_stays_off():
    assert after(disabled=True) == ["False", "True"]


def test_objects_of_later_runs_are_not_frozen():
    """Frozen garbage is never collected, so a process would grow with every run."""
    quiet.import_tensorflow()
    frozen = gc.get_freeze_count()
    kept = [[] for _ in range(1_000)]
    quiet.import_tensorflow()
    assert gc.get_freeze_count() <= frozen
    assert len(kept) == 1_000
