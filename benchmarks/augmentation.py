"""What each change of training images costs, against Keras's layers, and by how much it slows training.

    python benchmarks/augmentation.py kinds       # CPU time of an image, 32 and 224 px, by kind; some 3 minutes
    python benchmarks/augmentation.py training    # the baseline with each group in turn; some 10 minutes at 224 px

Kinds: batches of 32 colour images of noise, one thread, the least of several rounds in which both sides take turns. The
layers of Keras run as its documentation has it, in the `map` of a `tf.data` pipeline.

Training: the same network and images with augmentation=none, basic, strong and mix, in turn, each for some steps; the
ratio of a round is to the `none` of the same round. `batches alone` is the wall time of an image without training:
where that is below the time of an image in training, no step waits, and augmentation costs its share of the cores.
"""

import argparse
import statistics
import time

import measuring

from cnnexp.images import ImageSpec

BATCH = 32
KINDS = {  # settings, and the layers of Keras that do the same, from `keras.layers` and the side
    "flip": ({"flip": True}, lambda k, _: [k.RandomFlip("horizontal")]),
    "basic: flip, shift, zoom": (
        {"flip": True, "shift": 0.1, "zoom": 0.1},
        lambda k, _: [k.RandomFlip("horizontal"), k.RandomTranslation(0.1, 0.1), k.RandomZoom(0.1)],
    ),
    "rotation": ({"rotation": 15}, lambda k, _: [k.RandomRotation(15 / 360)]),
    "crop": (
        {"crop": 0.64},
        lambda k, side: [k.RandomCrop(side * 4 // 5, side * 4 // 5), k.Resizing(side, side)],
    ),
    "brightness, contrast": (
        {"brightness": 0.2, "contrast": 0.2},
        lambda k, _: [k.RandomBrightness(0.2, (0, 255)), k.RandomContrast(0.2, (0, 255))],
    ),
    "all colour": (
        {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05},
        lambda k, _: [k.RandomColorJitter((0, 255), 0.2, 0.2, (0.4, 0.6), 0.05)],
    ),
    "TrivialAugment": ({"policy": "trivial_augment"}, None),
    "RandAugment": ({"policy": "rand_augment"}, lambda k, _: [k.RandAugment((0, 255), 2, 0.9)]),
    "erasing": ({"erasing": 0.25}, lambda k, _: [k.RandomErasing(0.25)]),
    "mixup": ({"mixup": 0.2}, lambda k, _: [k.MixUp(0.2)]),
    "cutmix": ({"cutmix": 1.0}, lambda k, _: [k.CutMix(1.0)]),
}
NOTHING = {"flip": False, "shift": 0, "zoom": 0}
SPEC = ImageSpec(32, 32, "rgb", "stretch", "bilinear", antialias=True, background=0)
GROUPS = ("none", "basic", "strong", "mix")


def kinds(sides: list[int], rounds: int) -> None:
    """Print a table of CPU microseconds an image."""
    import numpy as np
    import tensorflow as tf

    from cnnexp.augmentation import Batch, augment_batch
    from cnnexp.compose import compose_config
    from cnnexp.records import Augmentation
    from cnnexp.runs.resolved_settings import resolve_augmentation

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print("CPU us an image    side   cnnexp    Keras  ratio")
    cases = [
        (name, Augmentation(**{"flip": False, "shift": 0, "zoom": 0} | own), peer)
        for name, (own, peer) in KINDS.items()
    ]
    for group in ("strong", "mix"):
        config = compose_config([f"augmentation={group}", "data=cifar10"])
        cases.append((f"augmentation={group}", resolve_augmentation(config.augmentation, config.data, SPEC), None))
    for side in sides:
        images = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
        labels = np.arange(BATCH) % 10
        for name, augmentation, layers in cases:
            numbers = iter(range(10**9))

            def ours(augmentation=augmentation, numbers=numbers, images=images, labels=labels):
                batch = Batch(seed=0, epoch=1, number=next(numbers), count=BATCH)
                augment_batch(images, labels, augmentation, batch)

            peer = _keras(layers, images, labels) if layers else None
            mine, theirs = [], []
            for _ in range(rounds):
                mine.append(_cpu(ours, 8 if side < 100 else 3))
                if peer is not None:
                    theirs.append(_cpu(peer, 8 if side < 100 else 3))
            best = 1e6 * min(mine) / BATCH
            shown = f"{1e6 * min(theirs) / BATCH:8.0f} {min(theirs) / min(mine):6.1f}" if theirs else f"{'–':>8}"
            print(f"{name:26} {side:4} {best:8.1f} {shown}", flush=True)


def _cpu(do, times):
    """Return the CPU seconds of one call, all threads of the process together; the least of some."""
    least = float("inf")
    for _ in range(times):
        start = time.process_time()
        do()
        least = min(least, time.process_time() - start)
    return least


def _keras(layers, images, labels):
    """Return a function that fetches one batch from a pipeline of these layers of Keras."""
    import keras
    import tensorflow as tf

    made = layers(keras.layers, images.shape[1])
    mixing = any(type(layer).__name__ in ("MixUp", "CutMix") for layer in made)

    def change(images, labels):
        images = tf.cast(images, tf.float32)
        if mixing:
            mixed = made[0]({"images": images, "labels": tf.one_hot(labels, 10)}, training=True)
            return mixed["images"], mixed["labels"]
        for layer in made:
            images = layer(images, training=True)
        return images, labels

    data = tf.data.Dataset.from_tensors((images, labels)).repeat().map(change)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    iterator = iter(data.with_options(options))
    next(iterator)
    return lambda: next(iterator)


def training(sides: list[int], rounds: int) -> None:
    """Print how training slows down with each group."""
    import numpy as np

    from cnnexp import training as program
    from cnnexp.compose import compose_config
    from cnnexp.datasets import Split
    from cnnexp.models import Regularization, build_model
    from cnnexp.records import Scaling
    from cnnexp.runs.resolved_settings import resolve_augmentation, resolve_execution
    from cnnexp.system.resources import cores
    from cnnexp.training.batches import batches
    from cnnexp.training.losses import Loss

    program.configure_tensorflow(threads=cores(), seed=0)
    for side in sides:
        count, steps = (6400, 60) if side < 100 else (256, 4)
        images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        split = Split(images, np.arange(count), np.arange(count) % 10, ("x",) * count)
        runs = {}
        for group in GROUPS:
            config = compose_config([f"augmentation={group}", "data=cifar10"])
            augmentation = resolve_augmentation(config.augmentation, config.data, SPEC)
            _, precision = resolve_execution(config, images=count, height=side, width=side, cores=cores())
            model = build_model(
                config.model,
                input_shape=(side, side, 3),
                num_classes=10,
                scaling=Scaling("unit", (1 / 255,) * 3, (0.0,) * 3),
                regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0),
                precision=precision,
            )
            trainer = program.Trainer(
                program.Network(model),
                program.build_optimizer(config.optimizer, learning_rate=1e-4),
                Loss(class_weights=np.ones(10, np.float32), label_smoothing=0.0),
                mixed=augmentation.mixes,
            )
            made = {"batch_size": BATCH, "epochs": 1000, "sampling": "shuffled", "seed": 0}
            stream, alone = (iter(batches(split, augmentation=augmentation, **made)) for _ in range(2))
            trainer(stream, np.full(2, 1e-4))  # traces
            runs[group] = trainer, stream, alone
        seconds = {group: [] for group in GROUPS}
        for _ in range(rounds):
            for group, (trainer, stream, _) in runs.items():
                start = time.perf_counter()
                trainer(stream, np.full(steps, 1e-4))
                seconds[group].append(time.perf_counter() - start)
        for group, (_, _, alone) in runs.items():
            each = 1e6 / steps / BATCH
            ratios = [100 * (a / b - 1) for a, b in zip(seconds[group], seconds["none"], strict=True)]
            waiting = _alone(alone, steps)
            print(
                f"{side:4} px {group:7} {each * statistics.median(seconds[group]):9.0f} us an image; "
                f"slower than none by {measuring.spread(ratios, ' %')}; "
                f"batches alone {1e6 * waiting / BATCH:.0f} us an image",
                flush=True,
            )


def _alone(iterator, steps):
    """Return the wall seconds of one batch that nobody trains on."""
    for _ in range(6):  # those that were prefetched
        next(iterator)
    start = time.perf_counter()
    for _ in range(steps):
        next(iterator)
    return (time.perf_counter() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("kinds", "training"))
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 224])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    print(measuring.machine())
    {"kinds": kinds, "training": training}[asked.what](asked.sides, asked.rounds)


if __name__ == "__main__":
    main()
