"""A finished run, recorded by the program's own command or not recorded at all: the same numbers from either."""

import contextlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults.compose_case import EXTENSION, Prepared


@dataclass(frozen=True, slots=True)
class Finished:
    """What is needed of a run."""

    run_id: str | None  # None: it is not recorded
    reported: float  # accuracy of its test images
    findings: tuple[Mapping[str, Any], ...]  # as it ended with them, first one first
    curves: Mapping[str, list[float]]
    card: Mapping[str, Any]
    class_counts: Sequence[int]  # of the training split
    learning_rate: float
    model: Path
    seconds: float

    def correct_on(self, prepared: Prepared) -> NDArray[np.bool_]:
        """Return for each clean image of a case whether the model is right, (N,)."""
        import keras

        model, test = keras.saving.load_model(self.model, compile=False), prepared.clean_test
        answers = np.asarray(model(test.images, training=False)).argmax(axis=1)
        return np.array(self.card["class_names"])[answers] == np.array(prepared.class_names)[test.labels]

    @property
    def signals(self) -> Mapping[str, float]:
        """What baselines are given beside the curves; gradients and activations in training are in no record."""
        counts = [count for count in self.class_counts if count]
        scale, offset = (np.array(self.card["scaling"][name], float) for name in ("scale", "offset"))
        mean = np.array(self.card["training_pixels"]["mean"])
        return {
            "largest_input": float(np.abs(np.stack([offset, 255 * scale + offset])).max()),
            "mean_input": float(np.abs(mean * scale + offset).max()),
            "class_ratio": max(counts) / min(counts),
            "learning_rate": self.learning_rate,
        }


class Unrecorded:
    """Trains in this process what command lines ask for; graphs are kept from one run to the next, as in a sweep."""

    def __init__(self) -> None:
        from cnnexp.system import quiet

        quiet.set_environment()
        quiet.import_tensorflow()
        from cnnexp.training import GraphCache

        self._graphs = GraphCache()

    def train(self, overrides: Sequence[str], work: Path) -> tuple[Finished | None, str]:
        """Return a run, or None and why it failed."""
        from cnnexp.cli.code_flags import with_code
        from cnnexp.compose import compose_config, register_added
        from cnnexp.errors import CnnexpError
        from cnnexp.runs import experiment
        from cnnexp.runs.starting_network import starting_network

        began = time.monotonic()
        try:
            with with_code(["--extend", str(EXTENSION)]):
                register_added()
                config = compose_config(list(overrides))
                with starting_network(config) as pretrained:
                    result = experiment.run(
                        config,
                        pretrained=pretrained,
                        name="unrecorded",
                        on_start=lambda _: None,
                        on_epoch=lambda _: False,
                        on_progress=lambda *_: None,
                        graphs=self._graphs,
                    )
        except CnnexpError as error:
            return None, str(error)
        model = work / f"{time.time_ns()}.keras"
        model.write_bytes(result.model_file)
        return _of_result(result, model, time.monotonic() - began), ""


def _of_result(result: Any, model: Path, seconds: float) -> Finished:
    epochs = result.history.epochs
    return Finished(
        run_id=None,
        reported=result.metrics["test/accuracy"],
        findings=tuple({**asdict(finding), "evidence": dict(finding.evidence)} for finding in result.findings),
        curves={
            "train/loss": [epoch.train_loss for epoch in epochs],
            "train/accuracy": [epoch.train_accuracy for epoch in epochs],
            "val/loss": [epoch.val_loss for epoch in epochs],
            "val/accuracy": [epoch.val_accuracy for epoch in epochs],
            "learning_rate": [epoch.learning_rate for epoch in epochs],
        },
        card=result.card,
        class_counts=result.data_report.class_counts["train"],
        learning_rate=result.info.learning_rate,
        model=model,
        seconds=seconds,
    )


def record(overrides: Sequence[str], work: Path, *, uri: str, name: str) -> tuple[Finished | None, str]:
    """Run a command line and return what it recorded, or None and the last line of what it printed."""
    import cnnexp

    run_name, artifacts = f"{name}@{time.time_ns()}", work / "artifacts"
    store = (f"tracking.uri={uri}", f"tracking.artifacts={artifacts}", f"tracking.outbox={work / 'outbox'}")
    named = (f"tracking.experiment='{run_name}'", f"tracking.run_name='{run_name}'")
    began = time.monotonic()
    code, printed = command("--extend", str(EXTENSION), *overrides, *store, *named, "-q")
    if code:
        return None, last_line(printed)
    for kept in (work / "outbox").glob("*/"):  # the machine was too busy to deliver it in time
        command("send", str(kept))
    return recorded(cnnexp.get_run(run_name, f"tracking.uri={uri}"), artifacts, time.monotonic() - began), ""


def recorded(run: Any, artifacts: Path, seconds: float) -> Finished:
    """Return a `cnnexp.Run` whose files are below `artifacts`."""
    (model,) = artifacts.rglob("model.keras")
    report, card = (json.loads((next(artifacts.rglob(name))).read_text()) for name in ("data_report.json", "card.json"))
    return Finished(
        run_id=run.run_id,
        reported=run.metrics["test/accuracy"],
        findings=tuple(json.loads(next(artifacts.rglob("findings.json")).read_text())),
        curves={name: list(column) for name, column in run.curves.items()},
        card=card,
        class_counts=report["class_counts"]["train"],
        learning_rate=float(run.settings["optimizer.learning_rate"]),
        model=model,
        seconds=seconds,
    )


def command(*arguments: str) -> tuple[int, str]:
    """Run a command line of cnnexp in this process; return its exit code and what it printed."""
    from cnnexp.__main__ import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            code = main(list(arguments))
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
    return code, printed.getvalue()


def last_line(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no output"
