"""The training step of whole networks, on images in memory, against Keras's `fit` and PyTorch.

    python -m venv peers; peers/bin/pip install torch timm
    python benchmarks/training.py --peer peers/bin/python [--rows resnet lite0] [--rounds 5] [--compile] [--busy]
    python benchmarks/training.py --peer peers/bin/python --quick    # one row a size, two rounds

Each side builds its network in a process of its own and makes some steps that do not count. Then they take turns, so
that a slower machine slows all of them: images a second are those of a turn, and ratios are those of the turns of one
round. A number behind a name is the side in pixels, else it is 32. `resnet` and the like train from scratch; `lite0`,
`resnet50` and those after it are pretrained backbones fine-tuned at 224 px: all weights change, and batch normalization
uses its stored statistics. PyTorch's networks are channels-last.

Two more sides take turns. A ceiling multiplies matrices, with as many multiplications as the convolutions and dense
layers of the steps have, so that the ratio to it is the share of the machine's matrix ceiling. `cnnexp auto, fed` takes
its batches from the input pipeline, with `augmentation=strong`: by what it is slower, training waits, or shares its
cores with the pipeline.

Where other programs run, threads that wait for one another cost each side differently. `--busy` measures what they do
not change much: one thread, and images by second of processor time instead of wall time.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import measuring

PEER = Path(__file__).with_name("peers") / "torch_training.py"
CLASSES, LEARNING_RATE = 10, 1e-3
MATRIX = 2048
WARM_UP = 2  # turns


@dataclass(frozen=True, slots=True)
class Row:
    """A network, and what it is trained on."""

    peer: str  # the network's name there
    overrides: tuple[str, ...]  # of cnnexp
    side: int  # pixels
    batch: int  # images of a step
    steps: int  # of a turn
    fine_tuned: bool = False


def _pretrained(peer: str, backbone: str, *, batch: int) -> Row:
    overrides = ("model=pretrained", f"model.backbone={backbone}", "model.weights=none")
    return Row(peer, overrides, 224, batch, 1, fine_tuned=True)


ROWS = {
    "baseline": Row("baseline", ("model=baseline",), 32, 128, 8),
    "vgg": Row("vgg", ("model=vgg",), 32, 128, 4),
    "resnet": Row("resnet", ("model=resnet",), 32, 128, 4),
    "airbench": Row("airbench", ("model=airbench",), 32, 128, 2),
    "baseline-64": Row("baseline", ("model=baseline",), 64, 64, 4),
    "vgg-64": Row("vgg", ("model=vgg",), 64, 64, 2),
    "resnet-64": Row("resnet", ("model=resnet",), 64, 64, 2),
    "resnet-224": Row("resnet", ("model=resnet",), 224, 32, 2),
    "lite0": _pretrained("lite0", "efficientnet_lite0", batch=32),
    "resnet50": _pretrained("resnet50", "resnet50", batch=16),
    "convnext": _pretrained("convnext_tiny", "convnext_tiny", batch=8),
    "mobilenet_v3": _pretrained("mobilenetv3_large_100", "mobilenet_v3_large", batch=32),
    "efficientnet_v2": _pretrained("tf_efficientnetv2_b0", "efficientnet_v2b0", batch=16),
    "densenet": _pretrained("densenet121", "densenet121", batch=8),
    "xception": _pretrained("legacy_xception", "xception", batch=8),
}
QUICK = ("resnet", "airbench", "vgg-64", "lite0")


def network(row: Row, precision: str, threads: int):
    """Return the untrained network of cnnexp, and the precision it computes in."""
    from cnnexp.compose import compose_config
    from cnnexp.models import Regularization, build_model
    from cnnexp.records import Scaling
    from cnnexp.runs.resolved_settings import resolve_execution
    from cnnexp.runs.starting_network import starting_network
    from cnnexp.training import configure_tensorflow

    config = compose_config([*row.overrides, f"training.precision={precision}", f"training.batch_size={row.batch}"])
    with starting_network(config) as pretrained:
        _, precision = resolve_execution(
            config, images=row.batch, height=row.side, width=row.side, cores=threads, pretrained=pretrained
        )
        configure_tensorflow(threads=threads, seed=0)
        return build_model(
            config.model,
            input_shape=(row.side, row.side, 3),
            num_classes=CLASSES,
            scaling=Scaling("unit", (1 / 255,) * 3, (0.0,) * 3),
            regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0),
            precision=precision,
            pretrained=pretrained,
        )


def batches(row: Row):
    """Return a data set that repeats one batch for ever."""
    import numpy as np
    import tensorflow as tf

    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (row.batch, row.side, row.side, 3)).astype(np.uint8)
    return tf.data.Dataset.from_tensors((images, numbers.integers(0, CLASSES, row.batch))).repeat()


def fed(row: Row):
    """Return an iterator of the input pipeline, with the strongest of the usual changes of images."""
    import numpy as np

    from cnnexp.compose import compose_config
    from cnnexp.datasets import Split
    from cnnexp.images import ImageSpec
    from cnnexp.runs.resolved_settings import resolve_augmentation
    from cnnexp.training.batches import batches

    config = compose_config(["augmentation=strong", "data=cifar10"])
    spec = ImageSpec(row.side, row.side, "rgb", "stretch", "bilinear", antialias=True, background=0)
    count = 8 * row.batch
    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (count, row.side, row.side, 3)).astype(np.uint8)
    split = Split(images, np.arange(count), numbers.integers(0, CLASSES, count), ("x",) * count)
    augmentation = resolve_augmentation(config.augmentation, config.data, spec)
    endless = {"epochs": 10**6, "sampling": "shuffled", "seed": 0}
    return iter(batches(split, augmentation=augmentation, batch_size=row.batch, **endless))


def ceiling(row: Row, precision: str, threads: int) -> Callable[[], object]:
    """Return what multiplies matrices as often as the steps of a turn multiply numbers."""
    import tensorflow as tf

    made = network(row, precision, threads)
    forward = [  # multiplications of an image by each kernel: of the output's pixels, or of one
        math.prod(kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in made.layers
        for kernel in layer.trainable_variables
        if kernel.path.endswith("kernel")
    ]
    each = 3 * sum(forward) - forward[0]  # forward, and two gradients; the pixels get none
    dtype = next(layer.compute_dtype for layer in made.layers if hasattr(layer, "kernel"))
    rows = each * row.batch * row.steps // MATRIX**2
    one, other = (tf.cast(tf.random.normal((count, MATRIX)), dtype) for count in (rows, MATRIX))
    multiply = tf.function(tf.matmul)
    return lambda: multiply(one, other).numpy()


def cnnexp(row: Row, precision: str, threads: int, *, is_fed: bool = False) -> Callable[[], object]:
    """Return what makes the steps of a turn."""
    import keras
    import numpy as np

    from cnnexp.training import Loss, Network, Trainer

    loss = Loss(class_weights=np.ones(CLASSES, np.float32), label_smoothing=0.0, gamma=0.0)
    made = network(row, precision, threads)
    trainer = Trainer(Network(made), keras.optimizers.AdamW(), loss, backbone_training=not row.fine_tuned)
    read = fed(row) if is_fed else iter(batches(row))
    return lambda: trainer(read, np.full(row.steps, LEARNING_RATE))


def keras_fit(row: Row, threads: int) -> Callable[[], object]:
    """Return what makes the steps of a turn by `fit`, in float32, with all of its defaults."""
    import keras

    model = network(row, "float32", threads)
    for layer in model.layers:
        layer.trainable = not (row.fine_tuned and isinstance(layer, keras.layers.BatchNormalization))
    model.compile(keras.optimizers.AdamW(LEARNING_RATE), loss="sparse_categorical_crossentropy")
    read = batches(row)
    return lambda: model.fit(read, steps_per_epoch=row.steps, shuffle=False, verbose=0)


SIDES: dict[str, Callable[[Row, int], Callable[[], object]]] = {
    "cnnexp auto": lambda row, threads: cnnexp(row, "auto", threads),
    "cnnexp float32": lambda row, threads: cnnexp(row, "float32", threads),
    "Keras fit float32": keras_fit,
    "cnnexp auto, fed": lambda row, threads: cnnexp(row, "auto", threads, is_fed=True),
    "ceiling auto": lambda row, threads: ceiling(row, "auto", threads),
    "ceiling float32": lambda row, threads: ceiling(row, "float32", threads),
}
PEERS = ("Keras", "PyTorch", "torch.compile")  # how their names begin


class Side:
    """A process that makes a turn of steps whenever it is asked."""

    def __init__(self, name: str, command: Sequence[str], *, busy: bool) -> None:
        threads = "1" if busy else str(measuring.cores())
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "OMP_NUM_THREADS": threads}
        quiet |= {"MEASURED_TIME": "processor" if busy else "wall"}
        self.name = name
        self._process = subprocess.Popen(
            command, env={**os.environ, **quiet}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it

    def turn(self) -> float:
        """Return the images a second of a turn."""
        print("go", file=self._process.stdin, flush=True)
        return float(json.loads(self._process.stdout.readline()))


def serve(row: Row, make_steps: Callable[[], object]) -> None:
    """Make a turn for each line of the input."""
    clock = time.process_time if os.environ["MEASURED_TIME"] == "processor" else time.perf_counter
    for _ in sys.stdin:
        start = clock()
        make_steps()
        print(json.dumps(row.batch * row.steps / (clock() - start)), flush=True)


def commands(name: str, peer: str | None, *, compiled: bool) -> dict[str, list[str]]:
    """Return the command of each side."""
    row = ROWS[name]
    sides = {side: [sys.executable, __file__, "--rows", name, "--side", side] for side in SIDES}
    if peer is not None:
        shape = [row.peer, *map(str, (row.side, row.batch, row.steps))]
        sides |= {f"PyTorch {kind}": [peer, str(PEER), *shape, kind, "eager"] for kind in ("float32", "bfloat16")}
        if compiled:
            for kind in ("float32", "bfloat16"):
                sides[f"torch.compile {kind}"] = [peer, str(PEER), *shape, kind, "compile"]
    return sides


def measure(name: str, peer: str | None, *, rounds: int, compiled: bool, busy: bool) -> None:
    """Print a row of the table."""
    with ExitStack() as stack:
        sides = [
            stack.enter_context(Side(side, command, busy=busy))
            for side, command in commands(name, peer, compiled=compiled).items()
        ]
        for _ in range(WARM_UP):
            for side in sides:
                side.turn()
        rates = {side.name: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                rates[side.name].append(side.turn())
    own = rates["cnnexp auto"]
    for side, values in rates.items():
        print(f"{name:11} {side:23} images/s {measuring.spread(values)}; cnnexp auto: {_times(own, values)}")
    for precision in ("auto", "float32"):
        mine = rates[f"cnnexp {precision}"]
        theirs = [side for side in rates if side.startswith(PEERS) and (precision == "auto" or precision in side)]
        fastest = max(theirs, key=lambda side: statistics.median(rates[side]))
        times = statistics.median(mine) / statistics.median(rates[fastest])
        share = statistics.median(_ratios(mine, rates[f"ceiling {precision}"]))
        print(
            f"{name}: in {precision}, {times:.2f} times as many as the fastest peer, {fastest} (medians); "
            f"{share:.0%} of the matrix ceiling"
        )
    slower = 1 - statistics.median(_ratios(rates["cnnexp auto, fed"], own))
    print(f"{name}: fed by the input pipeline with augmentation=strong, {slower:.0%} slower", flush=True)


def _ratios(own: Sequence[float], values: Sequence[float]) -> list[float]:
    """Return the ratios round by round."""
    return [mine / theirs for mine, theirs in zip(own, values, strict=True)]


def _times(own: Sequence[float], values: Sequence[float]) -> str:
    return measuring.spread(_ratios(own, values), " times as many")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS)
    parser.add_argument("--peer", help="Python with PyTorch and timm; without it, Keras is the only peer")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help=f"rows {', '.join(QUICK)}, two rounds")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too: minutes of compiling")
    parser.add_argument("--busy", action="store_true", help="other programs run: one thread, processor time")
    parser.add_argument("--side", choices=SIDES, help="used by the benchmark itself")
    asked = parser.parse_args()
    if asked.side:
        (row,) = (ROWS[name] for name in asked.rows)
        serve(row, SIDES[asked.side](row, int(os.environ["OMP_NUM_THREADS"])))
        return
    print(measuring.machine(), flush=True)
    for name in asked.rows or (QUICK if asked.quick else ROWS):
        measure(
            name, asked.peer, rounds=asked.rounds or (2 if asked.quick else 5), compiled=asked.compile, busy=asked.busy
        )


if __name__ == "__main__":
    main()
