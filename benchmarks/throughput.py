"""Training throughput, against `model.fit` on arrays as Keras users write it.

    python benchmarks/throughput.py digits           # batch 32, float32
    python benchmarks/throughput.py fashion_mnist    # batch 128, precision=auto against float32 `fit`

The two sides train in turn, each in its own process, once per round and seed. Images per second are those of the median
epoch, without the first, which traces the graph. Accuracy is measured on the validation split.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import measuring

CASES = {
    "digits": ["data=digits", "training.batch_size=32", "training.epochs=12", "training.precision=float32"],
    "fashion_mnist": ["data=fashion_mnist", "training.batch_size=128", "training.epochs=4", "data.limit=24000"],
}
ALIKE = ["augmentation=none", "training.patience=null"]  # the peer neither augments nor stops early


def train(overrides: list[str]) -> None:
    """Train with cnnexp and print speed and accuracy as JSON."""
    from cnnexp.compose import compose_config
    from cnnexp.runs import experiment

    config = compose_config(overrides)
    started = []
    result = experiment.run(
        config, name="benchmark", on_start=started.append, on_epoch=lambda _: False, on_progress=lambda *_: None
    )
    images = sum(started[0].class_counts["train"])
    _report(images, [epoch.seconds for epoch in result.history.epochs], result.metrics["best/val_accuracy"])


def fit(overrides: list[str]) -> None:
    """Train with `model.fit` on float32 arrays, with all defaults, and print speed and accuracy as JSON."""
    import time

    import keras
    import numpy as np

    from cnnexp.compose import compose_config
    from cnnexp.datasets import load_splits

    config = compose_config(overrides)
    splits = load_splits(config.data, seed=config.seed, on_progress=lambda *_: None)
    keras.utils.set_random_seed(config.seed)
    x, validation = (split.images[split.rows].astype(np.float32) / 255 for split in (splits.train, splits.validation))
    layers = [keras.Input(splits.spec.shape)]
    for filters in (32, 64, 128):
        layers += [keras.layers.Conv2D(filters, 3, padding="same", activation="relu"), keras.layers.MaxPooling2D()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(len(splits.class_names), activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    seconds: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.perf_counter() - self.start)

    history = model.fit(
        x,
        splits.train.labels,
        batch_size=config.training.batch_size,
        epochs=config.training.epochs,
        validation_data=(validation, splits.validation.labels),
        verbose=0,
        callbacks=[Clock()],
    )
    _report(len(x), seconds, max(history.history["val_accuracy"]))


def _report(images: int, seconds: list[float], accuracy: float) -> None:
    print(json.dumps({"rate": images / statistics.median(seconds[1:]), "accuracy": accuracy}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=("cnnexp", "fit"), help="used by the benchmark itself")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overrides", nargs="*", default=[], help="further settings of cnnexp")
    asked = parser.parse_args()
    overrides = [*CASES[asked.case], *ALIKE, f"seed={asked.seed}", *asked.overrides]
    if asked.side:
        {"cnnexp": train, "fit": fit}[asked.side](overrides)
        return
    print(measuring.machine())
    results: dict[str, list[dict[str, float]]] = {"cnnexp": [], "fit": []}
    for seed in range(asked.rounds):
        for side, done in results.items():
            command = [sys.executable, __file__, asked.case, "--side", side, "--seed", str(seed)]
            _, output = measuring.seconds(command, cwd=Path.cwd(), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
            done.append(json.loads(output.splitlines()[-1]))
    for side, done in results.items():
        rates, accuracies = [r["rate"] for r in done], [r["accuracy"] for r in done]
        print(f"{side:6} images/s {measuring.spread(rates)}; validation accuracy {measuring.spread(accuracies)}")
    ratios = [a["rate"] / b["rate"] for a, b in zip(results["cnnexp"], results["fit"], strict=True)]
    print(f"ratio, round by round: {measuring.spread(ratios)}")


if __name__ == "__main__":
    main()
