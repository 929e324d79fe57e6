"""The injection that a table names, wherever it is."""

from collections.abc import Callable

from benchmarks.faults import test_injections, training_injections
from benchmarks.faults.data_sets import DataSet
from benchmarks.faults.image_changes import Random

Injection = Callable[[DataSet, float, Random], DataSet]


def injection(name: str) -> Injection:
    """Return a function of a data set, the severity and the randomness, which returns a wrong data set."""
    module = training_injections if hasattr(training_injections, name) else test_injections
    found: Injection = getattr(module, name)
    return found
