"""One process for all tests: what libraries fix when they are imported is fixed here."""

import os
import sys

from hypothesis import settings

import cnnexp  # noqa: F401 - before any test imports TensorFlow: it asks for the kernels that runs are made with

for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):  # defaults of settings
    os.environ.pop(variable, None)

settings.register_profile("no deadline", deadline=None)  # 200 ms for an example are too few on a busy machine
settings.load_profile("no deadline")


def pytest_collection_finish():
    if "tensorflow" in sys.modules:  # light tests stay light
        from absl import logging

        from cnnexp.training import configure_tensorflow

        configure_tensorflow(threads=1, seed=0)
        # It was made while pytest caught what tests print, and would close that for good when Hydra sets logging up.
        logging.get_absl_handler().python_handler.stream = sys.__stderr__
