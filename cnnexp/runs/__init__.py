"""One run, from configuration to result, recorded and reported as it goes.

``experiment.run`` is the straight line of a run; ``record_run`` and ``record_evaluation`` connect it with the store.
They are imported by name, because they import Keras and MLflow; ``settings`` and ``artifacts`` import neither.
"""
