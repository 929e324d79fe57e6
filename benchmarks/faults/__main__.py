"""How many faults does cnnexp name, and how many healthy runs does it accuse?

    python -m benchmarks.faults split                           # the parts, counted and hashed
    python -m benchmarks.faults run --state FOLDER --tier ci    # about 50 development cases
    python -m benchmarks.faults run --state FOLDER --tier full --part held_out --minutes 30   # resumed by the same line
    python -m benchmarks.faults score --state FOLDER            # tables of what has been run
    python -m benchmarks.faults confidences --state FOLDER      # how often each kind of evidence was right

`run` ends with exit code 75 while cases are left, so that `until python -m benchmarks.faults run ...; do :; done` runs
a tier to its end, in processes of half an hour each.

Data sets that no package brings are given by --cifar10 FOLDER (train/CLASS/*.png) and --signs FOLDER (CLASS/*).
FOLDER/records.jsonl keeps every verdict as it was given; score reads it alone, the last record of each case. Runs and
their data are kept below FOLDER/cases, so that `run --again` diagnoses them with another version without training.
"""

import argparse
import json
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.faults import records, split
from benchmarks.faults.cases import EXTRA, PARTS, Case, all_cases
from benchmarks.faults.counted import table_of
from benchmarks.faults.data_sets import Places
from benchmarks.faults.scoring import report
from benchmarks.faults.tiers import chosen

if TYPE_CHECKING:
    from benchmarks.faults.execute import Bench

GOES_ON = 75  # exit code while cases are left: EX_TEMPFAIL of sysexits.h
RUNNING = "running.txt"  # beside the records: the case that runs, and how often it was begun
DEATHS = 2


def main() -> int:
    asked = _arguments().parse_args()
    if asked.command == "split":
        print(split.lines() + split.added(), end="")
        return 0 if split.is_unchanged() else 1
    file = asked.state / "records.jsonl"
    if asked.command == "confidences":
        print(table_of(tuple(records.read(file))))
        return 0
    ended = _run(asked, file) if asked.command == "run" else True
    print(report(tuple(records.read(file))))
    return 0 if ended else GOES_ON


def _run(asked: argparse.Namespace, file: Path) -> bool:
    """Run the cases of a tier that have no record yet, until time is up; return whether none is left."""
    from benchmarks.faults.execute import Bench

    if not split.is_unchanged():
        raise SystemExit("the cases are not those of split.sha256: results would not be comparable")
    asked.state.mkdir(parents=True, exist_ok=True)
    places = Places(asked.cifar10, asked.signs)
    bench = Bench(
        asked.state,
        places,
        version=_version(),
        repairs=asked.repairs,
        passive=asked.passive,
        discard=asked.discard,
    )
    _record_death(bench, asked.state / RUNNING, file)
    done = {record.case: record for record in records.read(file)}
    ends = time.monotonic() + 60 * asked.minutes
    for case in (case for part in asked.part for case in chosen(asked.tier, part)):
        before = done.get(case.id)
        if not _matches(case, asked.only) or (before and not (asked.again and _is_older(before, bench))):
            continue
        if time.monotonic() > ends:
            print(f"{asked.minutes:g} minutes are over; the same line goes on.")
            return False
        begun = _begun(asked.state / RUNNING)
        (asked.state / RUNNING).write_text(f"{case.id} {begun[1] + 1 if begun[0] == case.id else 1}")
        try:
            record = bench.run(case) if before is None else bench.again(case, before)
        except Exception as error:  # of the program that is measured: it counts as a case without a verdict
            record = bench.failed(case, f"{type(error).__name__}: {error}"[:500])
        _append(record, file)
        (asked.state / RUNNING).unlink()
        named = ", ".join(one.id for one in record.named[:4]) or "nothing"
        print(f"{case.id:36} {named:20} {record.train_seconds:5.1f} + {record.diagnose_seconds:5.1f} s", flush=True)
    return True


def _append(record: records.CaseRecord, file: Path) -> None:
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(record)) + "\n")


def _begun(running: Path) -> tuple[str, int]:
    """Return the case in which an earlier process ended, and how often it was begun; an empty name: none was."""
    name, _, times = running.read_text().rpartition(" ") if running.is_file() else ("", "", "0")
    return name, int(times)


def _record_death(bench: "Bench", running: Path, file: Path) -> None:
    """Record a case in which two processes died, as for want of memory, so that the next one is not stuck there."""
    name, times = _begun(running)
    if times >= DEATHS:
        cases = {case.id: case for case in all_cases()}
        _append(bench.failed(cases[name], "the process died, or was stopped, twice"), file)
        running.unlink()


def _is_older(record: records.CaseRecord, bench: "Bench") -> bool:
    return record.version != bench.version or record.probed == bench.passive


def _matches(case: Case, only: str | None) -> bool:
    return only is None or case.id.startswith(tuple(only.split(",")))


def _version() -> str:
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("split", help="count and hash the parts")
    run, score = commands.add_parser("run", help="run cases"), commands.add_parser("score", help="score what was run")
    confidences = commands.add_parser("confidences", help="count how often each kind of evidence was right")
    for command in (run, score, confidences):
        command.add_argument("--state", type=Path, required=True, help="folder of the records")
    run.add_argument("--tier", choices=("ci", "full"), default="ci")
    run.add_argument("--part", choices=(*PARTS, *EXTRA), nargs="+", default=["development"])
    run.add_argument("--minutes", type=float, default=30)
    run.add_argument("--only", help="beginnings of ids, separated by commas")
    run.add_argument("--cifar10")
    run.add_argument("--signs")
    run.add_argument(
        "--passive", action="store_true", help="the verdict is what a run ends with, and no run is recorded"
    )
    run.add_argument("--again", action="store_true", help="diagnose kept runs again, by the program as it is now")
    run.add_argument("--discard", action="store_true", help="keep the records alone, not the runs and their data")
    run.add_argument("--repairs", action="store_true", help="run again with the override of the first verdict")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
