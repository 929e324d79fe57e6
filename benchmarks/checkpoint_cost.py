"""What saving the state of a training takes of its time: at most 2 %, whatever the network.

    python benchmarks/checkpoint_cost.py [--every SECONDS]

Each row is one training, and says how many states it saved, how large they are, and the share of its time that saving
took. The first state of a run is expected to take its bytes at 100 MB a second; later ones what the last one took.
"""

import argparse
import tempfile
import time
from pathlib import Path

import measuring

from cnnexp.compose import compose_config
from cnnexp.runs import experiment
from cnnexp.runs.resuming import Resuming
from cnnexp.system.text import file_size
from cnnexp.training import Checkpoint

ROWS = {
    "digits, baseline, 60 epochs": ["training.epochs=60"],
    "digits, baseline, EMA, soup of 5": ["training.epochs=60", "training.ema=0.99", "training.soup=5"],
    "Fashion-MNIST, 6,000 images, baseline": ["data=fashion_mnist", "data.limit=6000", "training.epochs=6"],
    "digits, vgg (64 wide)": ["model=vgg", "model.width=64", "training.epochs=8"],
}


class Counted(Checkpoint):
    """Counts what it saves."""

    states = 0

    def save(self, stage, state):
        super().save(stage, state)
        self.states += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=float)
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    for name, overrides in ROWS.items():
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Counted(Path(folder), every=asked.every)
            ignored = {"on_start": lambda _: None, "on_epoch": lambda _: False, "on_progress": lambda *_: None}
            began = time.perf_counter()
            experiment.run(
                compose_config(["training.patience=null", "training.threads=1", *overrides]),
                name="cost",
                resuming=Resuming(checkpoint=checkpoint),
                **ignored,
            )
            seconds = time.perf_counter() - began
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
            print(
                f"{name}: {checkpoint.states} states of {file_size(size)}, {checkpoint.spent / seconds:.2%} of "
                f"{seconds:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
