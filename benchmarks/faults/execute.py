"""Run one case from its data to its verdict, through the program's own commands, in this process."""

import contextlib
import io
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.faults.cases import Case, fault_of
from benchmarks.faults.compose_case import EXTENSION, Prepared, merged, prepare, suggested_overrides
from benchmarks.faults.data_sets import Places
from benchmarks.faults.machine_signals import signals_of
from benchmarks.faults.records import CaseRecord, Named
from benchmarks.faults.tampering import tamper

RUN_ID = "run_id.txt"  # beside the data of a case that was kept


@dataclass(frozen=True, slots=True)
class Trained:
    """A recorded run."""

    run: Any  # cnnexp.Run
    seconds: float
    artifacts: Path  # folder with its files and its model

    def correct_on(self, prepared: Prepared) -> NDArray[np.bool_]:
        """Return for each clean image whether the recorded model is right, (N,)."""
        (file,) = self.artifacts.rglob("model.keras")
        return correct(file, json.loads(self.run._read("card.json"))["class_names"], prepared)

    @property
    def accuracy(self) -> float | None:
        return self.run.metrics.get("test/accuracy")


class Bench:
    """A folder with a store, in which one case after another is run; controls are remembered."""

    def __init__(
        self, folder: Path, places: Places, *, version: str, repairs: bool, passive: bool, discard: bool
    ) -> None:
        self.folder, self.places, self.version = folder.absolute(), places, version
        self.repairs, self.passive, self.discard = repairs, passive, discard
        self.controls = self.folder / "controls.json"  # which clean images each control gets right
        self.uri = f"sqlite:///{self.folder / 'mlflow.db'}"

    def run(self, case: Case) -> CaseRecord:
        """Run a case: train, diagnose, and compare with its control."""
        work = self._place(case)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            return self._run(case, work)
        finally:
            if self.discard:
                shutil.rmtree(work, ignore_errors=True)

    def again(self, case: Case, before: CaseRecord) -> CaseRecord:
        """Diagnose the run of a case again, which was kept, by the program as it is now; nothing is trained."""
        import cnnexp

        kept = self._place(case) / RUN_ID
        if not kept.is_file():
            return self.run(case)
        run = cnnexp.get_run(kept.read_text(), f"tracking.uri={self.uri}")
        return replace(
            before, version=self.version, probed=not self.passive, **self._verdict(Trained(run, 0.0, kept.parent))
        )

    def _place(self, case: Case) -> Path:
        return self.folder / "cases" / case.id.replace("/", "-")

    def _run(self, case: Case, work: Path) -> CaseRecord:
        prepared = prepare(case, work, self.places)
        trained, error = self._train(prepared.overrides, case.id, work)
        if trained is None:
            return self._record(case, error=error, named=())
        clean = trained.correct_on(prepared)
        self._tamper(case, prepared, trained.artifacts)
        (work / RUN_ID).write_text(trained.run.run_id)
        values: dict[str, Any] = {
            **self._verdict(trained),
            "reported": trained.accuracy,
            "clean": float(clean.mean()),
            "train_seconds": trained.seconds,
            "curves": {name: list(column) for name, column in trained.run.curves.items()},
            "signals": signals_of(trained.run),
        }
        if not case.faults:
            return self._record(case, **values)
        control, p_value = self._harm(case, clean, work / "control")
        repaired = self._repair(case, prepared, values["named"], work) if self.repairs else None
        return self._record(case, control=control, p_value=p_value, repaired=repaired, **values)

    def _verdict(self, trained: Trained) -> dict[str, Any]:
        began = time.monotonic()
        named, raw, error = self._diagnose(trained)
        return {"named": named, "raw": raw, "error": error, "diagnose_seconds": time.monotonic() - began}

    def _record(self, case: Case, **values: Any) -> CaseRecord:
        empty: Mapping[str, Any] = {"reported": None, "clean": None, "control": None, "p_value": None, "error": ""}
        return CaseRecord(
            **{**empty, **values}, case=case.id, part=case.part, version=self.version, probed=not self.passive
        )

    def _train(self, overrides: Sequence[str], name: str, work: Path) -> tuple[Trained | None, str]:
        import cnnexp

        run_name = f"{name}@{time.time_ns()}"
        artifacts = work / f"artifacts{time.time_ns()}"
        store = (f"tracking.uri={self.uri}", f"tracking.artifacts={artifacts}", f"tracking.outbox={work / 'outbox'}")
        named = (f"tracking.experiment='{run_name}'", f"tracking.run_name='{run_name}'")
        began = time.monotonic()
        code, printed = command("--extend", str(EXTENSION), *overrides, *store, *named, "-q")
        if code:
            return None, _last_line(printed)
        run = cnnexp.get_run(run_name, f"tracking.uri={self.uri}")
        return Trained(run, time.monotonic() - began, artifacts), ""

    def _tamper(self, case: Case, prepared: Prepared, artifacts: Path) -> None:
        for fault in case.faults:
            row = fault_of(fault.id)
            if row["by"] == "after":
                tamper(
                    row["how"].format(fault.amount),
                    artifacts=artifacts,
                    data_file=prepared.data_file,
                    data_name=case.data,
                    places=self.places,
                    random=np.random.default_rng([case.seed, 3]),
                )

    def _diagnose(self, trained: Trained) -> tuple[tuple[Named, ...], Any, str]:
        """Return the ranked verdicts of `cnnexp diagnose` or of the record, as they were given, and an error."""
        if self.passive:
            raw = json.loads(trained.run._read("findings.json") or b"[]")
            return (*map(_named, raw),), raw, ""
        answer = self.folder / "diagnosis.json"
        answer.unlink(missing_ok=True)
        code, printed = command(
            "diagnose", trained.run.run_id, f"tracking.uri={self.uri}", f"--json={answer}", "--trust-code"
        )
        if not answer.is_file():
            return (), printed[-2000:], f"exit code {code}: {_last_line(printed)}"
        raw = json.loads(answer.read_text())
        (diagnosis,) = raw if isinstance(raw, list) else [raw]  # one run was asked for
        return (*map(_named, diagnosis["findings"]),), raw, ""

    def _harm(self, case: Case, clean: NDArray[np.bool_], work: Path) -> tuple[float | None, float | None]:
        """Return the accuracy of a run without the faults on the same clean images, and how likely harm is chance."""
        control = self._control(case, work)
        return (None, None) if control is None else (float(control.mean()), sign_flip(control, clean))

    def _control(self, case: Case, work: Path) -> NDArray[np.bool_] | None:
        """Return which clean images a control gets right, (N,); one control serves all cases of its data and seed."""
        work.mkdir()
        prepared = prepare(case, work, self.places, faulty=False)
        known = json.loads(self.controls.read_text()) if self.controls.is_file() else {}
        key = " ".join([case.data, *(word for word in prepared.overrides if str(work) not in word)])
        if key not in known:
            control = unrecorded(prepared, work)
            if control is None:
                return None
            known[key] = "".join("01"[int(right)] for right in control)
            self.controls.write_text(json.dumps(known, indent=0))
        return np.array([right == "1" for right in known[key]])

    def _repair(self, case: Case, prepared: Prepared, named: tuple[Named, ...], work: Path) -> float | None:
        overrides = suggested_overrides(named[0].repair) if named else ()
        if not overrides:
            return None
        repaired = unrecorded(replace(prepared, overrides=merged(prepared.overrides, overrides)), work)
        return None if repaired is None else float(repaired.mean())


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


def unrecorded(prepared: Prepared, work: Path) -> NDArray[np.bool_] | None:
    """Train what a command line asks for without recording it; return which clean images are right; None: it failed."""
    from cnnexp.cli.code_flags import with_code
    from cnnexp.compose import compose_config, register_added
    from cnnexp.errors import CnnexpError
    from cnnexp.runs import experiment
    from cnnexp.runs.starting_network import starting_network

    try:
        with with_code(["--extend", str(EXTENSION)]):
            register_added()
            config = compose_config(list(prepared.overrides))
            with starting_network(config) as pretrained:
                result = experiment.run(
                    config,
                    pretrained=pretrained,
                    name="unrecorded",
                    on_start=lambda _: None,
                    on_epoch=lambda _: False,
                    on_progress=lambda *_: None,
                )
    except CnnexpError:
        return None
    file = work / "unrecorded.keras"
    file.write_bytes(result.model_file)
    return correct(file, result.card["class_names"], prepared)


def correct(file: Path, class_names: Sequence[str], prepared: Prepared) -> NDArray[np.bool_]:
    """Return for each clean image of a case whether a saved model is right, (N,)."""
    import keras

    model, test = keras.saving.load_model(file, compile=False), prepared.clean_test
    answers = np.asarray(model(test.images, training=False)).argmax(axis=1)
    return np.array(class_names)[answers] == np.array(prepared.class_names)[test.labels]


def sign_flip(better: NDArray[np.bool_], worse: NDArray[np.bool_]) -> float:
    """Return the one-sided p-value of a sign-flip test that `better` (N,) is right as rarely as `worse` (N,).

    Pairs that agree do not change under any flip, so that the test is exactly a binomial one of those that differ.
    """
    gained, lost = int(np.sum(better & ~worse)), int(np.sum(~better & worse))
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained + lost else 1.0


def _named(finding: Mapping[str, Any]) -> Named:
    return Named(finding["id"], finding["cause"], finding.get("declared", False), finding["repair"] or "")


def _last_line(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no output"
