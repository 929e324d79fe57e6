"""The injection that a table names, wherever it is."""

from collections.abc import Callable

from benchmarks.faults import stranger_injections, test_injections, training_injections
from benchmarks.faults.data_sets import DataSet
from benchmarks.faults.image_changes import Random

Injection = Callable[[DataSet, float, Random], DataSet]


def injection(name: str) -> Injection:
    """Return a function of a data set, the severity and the randomness, which returns a wrong data set."""
    modules = (training_injections, test_injections, stranger_injections)
    found: Injection = next(getattr(module, name) for module in modules if hasattr(module, name))
    return found
