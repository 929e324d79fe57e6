"""One TensorFlow thread for every test: it is fixed at the start of a process, and tests share theirs."""

import sys


def pytest_collection_finish():
    if "tensorflow" in sys.modules:  # light tests stay light
        from cnnexp import runtime

        runtime.configure(threads=1, seed=0)
