"""Run one case from its data to its verdict, in this process."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.faults.cases import Case, fault_of
from benchmarks.faults.compose_case import EXTENSION, Prepared, merged, prepare, suggested_overrides
from benchmarks.faults.data_sets import Places
from benchmarks.faults.finished import Finished, Unrecorded, command, last_line, record
from benchmarks.faults.records import CaseRecord, Named
from benchmarks.faults.tampering import tamper

RUN_ID = "run_id.txt"  # beside the data of a case that was kept


class Bench:
    """A folder in which one case after another is run; controls are remembered, and recorded runs kept.

    `passive`: the verdict is what a run ends with, so that none is recorded; else it is that of `cnnexp diagnose`.
    """

    def __init__(
        self, folder: Path, places: Places, *, version: str, repairs: bool, passive: bool, discard: bool
    ) -> None:
        self.folder, self.places, self.version = folder.absolute(), places, version
        self.repairs, self.passive, self.discard = repairs, passive, discard or passive
        self.controls = self.folder / "controls.json"  # which clean images each control gets right
        self.uri = f"sqlite:///{self.folder / 'mlflow.db'}"
        self.unrecorded = Unrecorded()

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

    def failed(self, case: Case, error: str) -> CaseRecord:
        """Return the record of a case that did not end: an error of the program, or its death."""
        return self._record(case, error=error, named=())

    def again(self, case: Case, before: CaseRecord) -> CaseRecord:
        """Diagnose a case again by the program as it is now: its run if that was kept, else a new one."""
        kept = self._place(case) / RUN_ID
        if self.passive or not kept.is_file():
            return self.run(case)
        return replace(before, version=self.version, probed=True, **self._diagnosed(kept.read_text()))

    def _place(self, case: Case) -> Path:
        return self.folder / "cases" / case.id.replace("/", "-")

    def _run(self, case: Case, work: Path) -> CaseRecord:
        prepared = prepare(case, work, self.places)
        finished, error = self._train(prepared, case, work)
        if finished is None:
            return self._record(case, error=error, named=())
        clean = finished.correct_on(prepared)
        self._tamper(case, prepared, finished)
        values: dict[str, Any] = {
            **self._verdict(finished, work),
            "reported": finished.reported,
            "clean": float(clean.mean()),
            "train_seconds": finished.seconds,
            "curves": finished.curves,
            "signals": finished.signals,
        }
        if not case.faults:
            return self._record(case, **values)
        control, p_value = self._harm(case, clean, work / "control")
        repaired = self._repair(prepared, values["named"], work) if self.repairs else None
        return self._record(case, control=control, p_value=p_value, repaired=repaired, **values)

    def _record(self, case: Case, **values: Any) -> CaseRecord:
        empty: Mapping[str, Any] = {"reported": None, "clean": None, "control": None, "p_value": None, "error": ""}
        return CaseRecord(
            **{**empty, **values}, case=case.id, part=case.part, version=self.version, probed=not self.passive
        )

    def _train(self, prepared: Prepared, case: Case, work: Path) -> tuple[Finished | None, str]:
        if self.passive:
            return self.unrecorded.train(prepared.overrides, work)
        return record(prepared.overrides, work, uri=self.uri, name=case.id)

    def _tamper(self, case: Case, prepared: Prepared, finished: Finished) -> None:
        for fault in case.faults:
            row = fault_of(fault.id)
            if row["by"] == "after":
                tamper(
                    row["how"].format(fault.amount),
                    model=finished.model,
                    data_file=prepared.data_file,
                    data_name=case.data,
                    places=self.places,
                    random=np.random.default_rng([case.seed, 3]),
                )

    def _verdict(self, finished: Finished, work: Path) -> dict[str, Any]:
        if finished.run_id is None:
            named = tuple(map(_named, finished.findings))
            return {"named": named, "raw": list(finished.findings), "error": "", "diagnose_seconds": 0.0}
        (work / RUN_ID).write_text(finished.run_id)
        return self._diagnosed(finished.run_id)

    def _diagnosed(self, run_id: str) -> dict[str, Any]:
        """Ask `cnnexp diagnose`; its answer is kept as it was given."""
        answer = self.folder / "diagnosis.json"
        answer.unlink(missing_ok=True)
        began = time.monotonic()
        trusted = ("--trust-code", "--extend", str(EXTENSION))
        code, printed = command("diagnose", run_id, f"tracking.uri={self.uri}", f"--json={answer}", *trusted)
        values: dict[str, Any] = {"diagnose_seconds": time.monotonic() - began, "error": "", "named": ()}
        if not answer.is_file():
            return {**values, "raw": printed[-2000:], "error": f"exit code {code}: {last_line(printed)}"}
        raw = json.loads(answer.read_text())
        (diagnosis,) = raw if isinstance(raw, list) else [raw]  # one run was asked for
        return {**values, "named": tuple(map(_named, diagnosis["findings"])), "raw": raw}

    def _harm(self, case: Case, clean: NDArray[np.bool_], work: Path) -> tuple[float | None, float | None]:
        """Return the accuracy of a run without the faults on the same clean images, and how likely harm is chance."""
        control = self._control(case, work)
        return (None, None) if control is None else (float(control.mean()), sign_flip(control, clean))

    def _control(self, case: Case, work: Path) -> NDArray[np.bool_] | None:
        """Return which clean images a control gets right, (N,); one control serves all cases of its data and seed."""
        work.mkdir()
        prepared = prepare(case, work, self.places, faulty=False)
        known = json.loads(self.controls.read_text()) if self.controls.is_file() else {}
        judged = f"{case.data}/{fault_of(case.faults[0].id)['clean']}"
        key = " ".join([judged, *(word for word in prepared.overrides if str(work) not in word)])
        if key not in known:
            control, _ = self.unrecorded.train(prepared.overrides, work)
            if control is None:
                return None
            known[key] = "".join("01"[int(right)] for right in control.correct_on(prepared))
            self.controls.write_text(json.dumps(known, indent=0))
        return np.array([right == "1" for right in known[key]])

    def _repair(self, prepared: Prepared, named: tuple[Named, ...], work: Path) -> float | None:
        overrides = suggested_overrides(named[0].repair) if named else ()
        if not overrides:
            return None
        repaired, _ = self.unrecorded.train(merged(prepared.overrides, overrides), work)
        return None if repaired is None else float(repaired.correct_on(prepared).mean())


def sign_flip(better: NDArray[np.bool_], worse: NDArray[np.bool_]) -> float:
    """Return the one-sided p-value of a sign-flip test that `better` (N,) is right as rarely as `worse` (N,).

    Pairs that agree do not change under any flip, so that the test is exactly a binomial one of those that differ.
    """
    gained, lost = int(np.sum(better & ~worse)), int(np.sum(~better & worse))
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained + lost else 1.0


def _named(finding: Mapping[str, Any]) -> Named:
    return Named(
        finding["id"],
        finding["cause"],
        finding.get("declared", False),
        finding["repair"] or "",
        finding["confidence"],
        finding.get("basis", ""),
    )
