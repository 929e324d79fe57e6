"""Does a run get slower in a long sweep, how much memory does the sweep take, and how soon does its first run start?

    python benchmarks/drift.py [--runs 300] [--many 1000] [--workers 1]

One sweep of tiny runs that differ only in the seed. The time of a run is from its start to its end in MLflow. It also
contains other load on the machine, so the medians of all parts of the sweep are printed: a growing cost rises from part
to part. Memory is the largest resident set of a process, including pages that it shares with others.
"""

import argparse
import signal
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import measuring
from killed_sweep import processes

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.sweep_processes import WORDS, start, wait_for  # as the tests read them

TINY = [*WORDS, "data.limit=200", "training.epochs=2"]
WINDOW = 11  # runs in each of the two medians that are compared: runs 10 to 20, and the last ones
MOST_GROWTH, MOST_MEMORY, MOST_WAITING = 1.1, 2.0, 10.0  # ratio, GB, seconds
PARTS = 6


class Watch(threading.Thread):
    """Records the largest resident set of each kind of process of a sweep, in GB."""

    def __init__(self, driver: int) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, float] = {}
        self._driver = driver
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.2):
            with suppress(OSError):  # a process has just ended
                for pid, kind in processes(self._driver).items():
                    self.peaks[kind] = max(self.peaks.get(kind, 0.0), peak_gigabytes(pid))

    def stop(self) -> Mapping[str, float]:
        self._over.set()
        self.join()
        return self.peaks


def peak_gigabytes(pid: int) -> float:
    """Return the largest resident set of a process so far; 0 for one that has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    return 0.0


def sweep_of(runs: int, workers: int, folder: Path) -> tuple[list[float], Mapping[str, float]]:
    """Run a sweep; return the seconds of its runs, in order, and the peak memory of each kind of process in GB."""
    process = start(*TINY, f"seed=range({runs})", f"sweep.workers={workers}", folder=folder)
    watch = Watch(process.pid)
    watch.start()
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(printed)
    peaks = watch.stop()
    query = (
        "SELECT end_time - start_time FROM runs JOIN tags USING (run_uuid) WHERE key = 'identity' ORDER BY start_time"
    )
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return [milliseconds / 1000 for (milliseconds,) in store.execute(query)], peaks


def seconds_to_the_first(runs: int, folder: Path) -> float:
    """Return the seconds from the command to the process of the first run, then stop the sweep."""
    began = time.monotonic()
    process = start(*TINY, f"seed=range({runs})", folder=folder)
    # the outbox holds the record of the sweep, then that of its first run
    wait_for(lambda: "a run" in processes(process.pid).values() and len(list(folder.glob("outbox/*"))) > 1, seconds=300)
    seconds = time.monotonic() - began
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    return seconds


def meets(what: str, value: float, most: float, unit: str) -> bool:
    """Print a value and its target, and return whether it is met."""
    outcome = "met" if value <= most else "NOT met"
    print(f"{what}: {value:.2f}{unit}; target: at most {most:g}{unit}, {outcome}", flush=True)
    return value <= most


def growth(seconds: Sequence[float]) -> float:
    """Print the medians; return the median of the last runs divided by the median of runs 10 to 20."""
    early, late = seconds[9 : 9 + WINDOW], seconds[-WINDOW:]
    print(f"runs 10 to 20: {measuring.spread(early, ' s')}; the last: {measuring.spread(late, ' s')}")
    size = len(seconds) // PARTS
    parts = [statistics.median(seconds[part * size : (part + 1) * size]) for part in range(PARTS)]
    print(f"medians of {PARTS} parts, {size} runs each: {', '.join(f'{part:.2f}' for part in parts)} s")
    return statistics.median(late) / statistics.median(early)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--many", type=int, default=1000, help="number of runs of the sweep whose first start is timed")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as long:
        waited = seconds_to_the_first(asked.many, Path(many))
        good = [meets(f"the first of {asked.many} runs starts after", waited, MOST_WAITING, " s")]
        seconds, peaks = sweep_of(asked.runs, asked.workers, Path(long))
    good.append(meets("the last runs against runs 10 to 20", growth(seconds), MOST_GROWTH, " times"))
    print("largest resident sets: " + ", ".join(f"{kind} {peak:.2f} GB" for kind, peak in sorted(peaks.items())))
    good.append(meets("the largest of them", max(peaks.values()), MOST_MEMORY, " GB"))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
