"""Runs as a store would return them, without a store."""

from cnnexp.records import RunSummary


def simulated_run(score: float, *, seed: int, **settings: str) -> RunSummary:
    """Return a finished run with this test accuracy, which is also its validation accuracy; keys are full names."""
    name = "-".join([*settings.values(), f"s{seed}"])
    return RunSummary(
        run_id=name, name=name, experiment="e", status="FINISHED", parent_id=None, started=0.0, seconds=2.0,
        settings={**settings, "seed": str(seed)}, tags={}, data_digest="d", data_source=None,
        metrics={"test/accuracy": score, "best/val_loss": 1 - score},
        read_curves=dict, read_predictions=lambda: None, read_findings=tuple,
    )  # fmt: skip
