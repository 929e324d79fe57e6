"""What test-time augmentation, another test size and soups bring and cost, on networks that train in seconds.

    python benchmarks/variants.py [--seeds 3] [--data data=digits data.jitter=0.25] [--network model=resnet ...]

A sweep over seeds is trained and evaluated as a user does it: ``cnnexp evaluate SWEEP --tta ...``, and ``--size`` a
quarter larger than the digits. The network of its first run is the start of a second sweep over as many seeds, of
which ``--soup`` makes one model. A third sweep trains the first one again with ``training.soup=5``. Printed are the
means over seeds, with the range of their differences: accuracy and log loss against the same model without the option,
the time of the network for an image against its own, and how long the command took for each model. ``training.soup``
has the time of a whole training instead.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import measuring

from cnnexp.records import RunSummary
from cnnexp.tracking.store.find_runs import find_runs

VIEWS = ("2", "5", "9")


@dataclass(frozen=True, slots=True)
class Home:
    """An empty folder in which commands are given, with a store."""

    folder: Path

    def command(self, *words: str) -> float:
        """Execute a command of cnnexp; return its seconds."""
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        return measuring.seconds([sys.executable, "-m", "cnnexp", *words], cwd=self.folder, env=environment)[0]

    def latest(self) -> tuple[RunSummary, ...]:
        """Return the runs of the newest command."""
        return tuple(find_runs(["latest"], uri=f"sqlite:///{self.folder / 'mlflow.db'}"))


def row(option: str, runs: Sequence[RunSummary], seconds: float) -> str:
    """Return a line of the table for evaluations of models made by one option."""
    plain = [run.metrics["plain/accuracy"] for run in runs]
    changes = [100 * (run.metrics["test/accuracy"] - was) for run, was in zip(runs, plain, strict=True)]
    losses = [run.metrics["test/log_loss"] - run.metrics["plain/log_loss"] for run in runs]
    times = [run.metrics["seconds_per_image"] / run.metrics["plain/seconds_per_image"] for run in runs]
    took = f"{seconds / len(runs):.1f} s"
    cells = [f"`{option}`", f"{statistics.mean(plain):.3f}", _difference(changes, ".1f"), _difference(losses, ".3f")]
    return "| " + " | ".join([*cells, f"{statistics.mean(times):.2f}", took]) + " |"


def _difference(values: Sequence[float], form: str) -> str:
    mean = f"{statistics.mean(values):+{form}}"
    return mean if len(values) == 1 else f"{mean} ({min(values):+{form}} to {max(values):+{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=["data=digits", "data.jitter=0.25"])
    parser.add_argument("--network", nargs="+", default=["model=resnet", "model.width=8"])
    parser.add_argument("--size", default="10,10", help="of the test images")
    asked = parser.parse_args()
    print(measuring.machine())
    print(" ".join([*asked.data, *asked.network, f"seed=range({asked.seeds})"]))
    print("| option | accuracy without | points | log loss | time of an image, times | command, each model |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        home, words = Home(Path(folder)), [*asked.data, *asked.network, "training.threads=1", "sweep.workers=2"]
        seeds = f"seed=range({asked.seeds})"
        home.command("-m", *words, seeds)
        trained = home.latest()
        names = [run.run_id for run in trained]
        sweep = trained[0].parent_id
        for views in VIEWS:
            print(row(f"--tta {views}", *_evaluated(home, sweep, "--tta", views)), flush=True)
        print(row(f"--size {asked.size}", *_evaluated(home, sweep, "--size", asked.size)), flush=True)
        start = [f"model.run={names[0]}", "model=from_run", "training.freeze=none"]
        home.command("-m", *asked.data, *start, "training.threads=1", seeds)
        soup = home.latest()[0].parent_id
        print(row("--soup", *_evaluated(home, soup, "--soup")), flush=True)
        home.command("-m", *words, seeds, "training.soup=5")
        print(_training_soup(trained, home.latest()))


def _evaluated(home: Home, sweep: str, *option: str) -> tuple[tuple[RunSummary, ...], float]:
    seconds = home.command("evaluate", sweep, *option)
    return home.latest(), seconds


def _training_soup(without: Sequence[RunSummary], with_soup: Sequence[RunSummary]) -> str:
    by_seed = {run.settings["seed"]: run.metrics for run in without}
    pairs = [(by_seed[run.settings["seed"]], run.metrics) for run in with_soup]
    changes = [100 * (soup["test/accuracy"] - plain["test/accuracy"]) for plain, soup in pairs]
    losses = [soup["test/log_loss"] - plain["test/log_loss"] for plain, soup in pairs]
    accuracy = statistics.mean(plain["test/accuracy"] for plain, _ in pairs)
    seconds = [statistics.mean(values["seconds/train"] for values in side) for side in zip(*pairs, strict=True)]
    cells = ["`training.soup=5`", f"{accuracy:.3f}", _difference(changes, ".1f"), _difference(losses, ".3f"), "1"]
    return "| " + " | ".join([*cells, f"training {seconds[1]:.1f} s instead of {seconds[0]:.1f} s"]) + " |"


if __name__ == "__main__":
    main()
