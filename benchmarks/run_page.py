"""What the page of a run costs: of the smallest runs in a warm process, as in a sweep, and of the first one.

    python benchmarks/run_page.py [--runs 12] [--epochs 10] [SETTING=VALUE ...]

Each run trains, is evaluated, and makes all its files. CPU seconds are counted, in which other work on the machine does
not matter: of the whole, of choosing the images (some of them go through the network once more), and of drawing the
page. The first run compiles the page's template, which a sweep does once, before it forks its workers.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import measuring

DIGITS = ("data.limit=null", "training.threads=1", "training.patience=null", "augmentation=none")


class CpuSeconds:
    """Counts the CPU seconds of this process that are spent in functions."""

    def __init__(self) -> None:
        self.spent = 0.0

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.spent += time.process_time() - begun

        return counted

    def take(self) -> float:
        spent, self.spent = self.spent, 0.0
        return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE")
    asked = parser.parse_args()

    from cnnexp.compose import compose_config, run_command
    from cnnexp.runs import artifacts, experiment
    from cnnexp.training import GraphCache

    choosing, drawing, whole = CpuSeconds(), CpuSeconds(), CpuSeconds()
    experiment.build_gallery = choosing.of(experiment.build_gallery)
    artifacts.run_page = drawing.of(artifacts.run_page)
    graphs = GraphCache()

    def one_run(seed: int) -> int:
        overrides = (*DIGITS, f"training.epochs={asked.epochs}", f"seed={seed}", *asked.settings)
        config = compose_config(overrides)
        result = experiment.run(
            config,
            name="run",
            on_start=lambda _: None,
            on_epoch=lambda _: False,
            on_progress=lambda *_: None,
            graphs=graphs,
        )
        return len(artifacts.files(result, run_command(config, overrides))["run.html"])

    print(measuring.machine())
    rows = []
    for seed in range(asked.runs):
        size = whole.of(one_run)(seed)
        rows.append((whole.take(), choosing.take(), drawing.take(), size))
    first, later = rows[0], rows[1:]
    shares = [100 * (chosen + drawn) / (total - chosen - drawn) for total, chosen, drawn, _ in later]
    print(f"first run: {1000 * first[1]:.0f} ms to choose the images, {1000 * first[2]:.0f} ms to draw the page")
    print(f"later runs, each {measuring.spread([total for total, *_ in later], ' s')} of CPU:")
    print(f"  choose  {measuring.spread([1000 * chosen for _, chosen, _, _ in later], ' ms')}")
    print(f"  draw    {measuring.spread([1000 * drawn for _, _, drawn, _ in later], ' ms')}")
    print(f"  both    {measuring.spread(shares, ' % of the rest')}")
    print(f"  page    {measuring.spread([size / 1000 for *_, size in later], ' kB')}")


if __name__ == "__main__":
    main()
