"""One TensorFlow thread for every test: it is fixed at the start of a process, and tests share theirs."""

import sys

import cnnexp  # noqa: F401 - before any test imports TensorFlow: it asks for the kernels that runs are made with


def pytest_collection_finish():
    if "tensorflow" in sys.modules:  # light tests stay light
        from cnnexp import runtime

        runtime.configure(threads=1, seed=0)
