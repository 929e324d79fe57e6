"""How many faults does cnnexp name, and how many healthy runs does it accuse?

    python -m benchmarks.faults split                           # the parts, counted and hashed
    python -m benchmarks.faults run --state FOLDER --tier ci    # about 50 development cases
    python -m benchmarks.faults run --state FOLDER --tier full --part held_out --minutes 30   # resumed by the same line
    python -m benchmarks.faults score --state FOLDER            # tables of what has been run

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
from benchmarks.faults.cases import PARTS, Case
from benchmarks.faults.data_sets import Places
from benchmarks.faults.scoring import report
from benchmarks.faults.tiers import chosen

if TYPE_CHECKING:
    from benchmarks.faults.execute import Bench


def main() -> int:
    asked = _arguments().parse_args()
    if asked.command == "split":
        print(split.lines(), end="")
        return 0 if split.is_unchanged() else 1
    file = asked.state / "records.jsonl"
    if asked.command == "run":
        _run(asked, file)
    print(report(tuple(records.read(file))))
    return 0


def _run(asked: argparse.Namespace, file: Path) -> None:
    """Run the cases of a tier that have no record yet, until time is up."""
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
    done = {record.case: record for record in records.read(file)}
    ends = time.monotonic() + 60 * asked.minutes
    for case in chosen(asked.tier, asked.part):
        before = done.get(case.id)
        if not _matches(case, asked.only) or (before and not (asked.again and _is_older(before, bench))):
            continue
        if time.monotonic() > ends:
            print(f"{asked.minutes:g} minutes are over; the same line goes on.")
            return
        record = bench.run(case) if before is None else bench.again(case, before)
        with file.open("a") as lines:
            lines.write(json.dumps(asdict(record)) + "\n")
        named = ", ".join(one.id for one in record.named[:4]) or "nothing"
        print(f"{case.id:36} {named:20} {record.train_seconds:5.1f} + {record.diagnose_seconds:5.1f} s", flush=True)


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
    for command in (run, score):
        command.add_argument("--state", type=Path, required=True, help="folder of the records")
    run.add_argument("--tier", choices=("ci", "full"), default="ci")
    run.add_argument("--part", choices=PARTS, default="development")
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
