"""One run, from settings to everything it found out. Knows neither Hydra nor MLflow."""

from cnnexp.experiment.one_run import run

__all__ = ["run"]
