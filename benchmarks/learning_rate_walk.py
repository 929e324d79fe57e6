"""Does the advice of the diagnosis lead from any learning rate to one that learns?

    python benchmarks/learning_rate_walk.py [--data digits] [--models small baseline ...] [--optimizers adam ...]
                                            [--seed 0] [--epochs 6] [--images 500] [--record FILE]

From each of 13 learning rates, 1e-5 to 10, the advice of each run is followed by another run, until there is none. A
walk that ends at a learning rate with half of the best one's accuracy above chance is right. The rule of version 0.1.0,
which knew the losses alone, walks through the same runs. `--data` takes the overrides of any data set, such as
"data=folder data.path=signs data.size=[16,16]". Models are narrow, because a cell is 13 runs and more. Cells in which
no learning rate learns are counted apart: their training is too short for any.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import measuring

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.learning_rate_walks import HOPELESS, LEARNING_RATES, Cell, Outcome, shares

MODELS = {
    "small": [],
    "baseline": ["model.width=16"],
    "regularized": ["model.width=16"],
    "vgg": ["model.width=16", "model.dense=128"],
    "alexnet": ["model.width=24", "model.dense=128"],
    "resnet": ["model.width=8"],
}
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")


def by_outputs(outcome: Outcome) -> float | None:
    return outcome.advised


def by_loss(outcome: Outcome) -> float | None:
    return outcome.advised_by_loss


def courses(cell: Cell) -> list[Mapping[str, Any] | None]:
    return [cell.outcome(learning_rate, cell.epochs).course for learning_rate in LEARNING_RATES]


def alarms(cell: Cell) -> int:
    """Count the learning rates that reach nine tenths of the best one's accuracy, and are advised to change."""
    outcomes = [cell.outcome(learning_rate, cell.epochs) for learning_rate in LEARNING_RATES]
    return sum(one.advised is not None and one.gain >= 0.9 * cell.best for one in outcomes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data=digits", help="overrides, in one word")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--optimizers", nargs="+", default=list(OPTIMIZERS), choices=OPTIMIZERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=500, help="to train on")
    parser.add_argument("--record", type=Path, help="file for the losses and outputs of each run; tests walk by them")
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    cells, hopeless, false = {}, 0, 0
    for model in asked.models:
        for optimizer in asked.optimizers:
            overrides = [
                *asked.data.split(),
                f"model={model}",
                *MODELS[model],
                f"optimizer={optimizer}",
                f"seed={asked.seed}",
                f"training.epochs={asked.epochs}",
                f"data.limit={asked.images}",
                "training.batch_size=16",
                "training.threads=1",
                "training.precision=float32",
            ]
            cell = Cell(overrides)
            if cell.best < HOPELESS:
                hopeless += 1
                print(f"{model:12} {optimizer:8} no learning rate learns in {asked.epochs} epochs", flush=True)
                continue
            name = f"{model} {optimizer}"
            cells[name] = cell
            right, walks = shares({name: cell}, advised=by_outputs, longer=True)
            right_by_loss, _ = shares({name: cell}, advised=by_loss, longer=False)
            false += alarms(cell)
            print(
                f"{name:20} best {cell.best:.2f} above chance; {right} of {walks}, by loss {right_by_loss}", flush=True
            )
    if asked.record is not None:
        asked.record.write_text(json.dumps({name: courses(cell) for name, cell in cells.items()}), encoding="utf-8")
    right, walks = shares(cells, advised=by_outputs, longer=True)
    right_by_loss, _ = shares(cells, advised=by_loss, longer=False)
    print(
        f"{right} of {walks} walks end at a learning rate that learns ({right / walks:.1%}); by the losses alone "
        f"{right_by_loss} ({right_by_loss / walks:.1%}). {hopeless} cells learn at no learning rate. "
        f"{false} of the learning rates that are as good as the best are advised to change."
    )


if __name__ == "__main__":
    main()
