"""Convolutions in groups, as in ResNeXt and ConvNeXt: those of training and of answers against Keras's, by XLA.

    python benchmarks/groups.py

Prints milliseconds of a convolution and its gradients, the best of several, in float32 and bfloat16, and of a
convolution without gradients, as a saved model answers, in float32. They are why `portable/fast_groups.py` exists: when
every line says about 1, it can go.
"""

import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import measuring
import tensorflow as tf

from cnnexp.models.fast_layers import with_fast_layers
from cnnexp.portable.fast_groups import with_fast_groups

BATCH, REPEATS = 8, 5
LAYERS = ((56, 128, 32), (28, 256, 32), (16, 64, 4))  # side, channels, groups
ANSWERED = (*((*layer, 3) for layer in LAYERS), (56, 96, 96, 7))  # and taps a side; the last one is of ConvNeXt


def seconds(call: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, variables: list[keras.Variable]) -> float:
    """Return the shortest time of a step."""

    @tf.function(jit_compile=False, autograph=False)
    def step(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        return tape.gradient(y, [x, *variables])

    return shortest(step, x)


def answering(call: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> float:
    """Return the shortest time of an answer."""
    return shortest(tf.function(call, jit_compile=False, autograph=False), x)


def shortest(graph: Callable[[tf.Tensor], object], x: tf.Tensor) -> float:
    graph(x)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        graph(x)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    print(measuring.machine())
    for side, channels, groups in LAYERS:
        for policy in ("float32", "mixed_bfloat16"):
            inputs = keras.Input((side, side, channels))
            convolution = keras.layers.Conv2D(channels, 3, padding="same", groups=groups, dtype=policy)
            model = keras.Model(inputs, convolution(inputs))
            x = tf.random.normal((BATCH, side, side, channels))
            variables = [variable.value for variable in model.trainable_variables]
            own, theirs = (seconds(made, x, variables) for made in (with_fast_layers(model, training=True), model))
            show(f"{side} px, {channels} channels in {groups} groups, {policy}", own, theirs)
    for side, channels, groups, taps in ANSWERED:
        inputs = keras.Input((side, side, channels))
        model = keras.Model(inputs, keras.layers.Conv2D(channels, taps, padding="same", groups=groups)(inputs))
        x = tf.random.normal((BATCH, side, side, channels))
        own, theirs = (answering(made, x) for made in (with_fast_groups(model), model))
        show(f"answer, {side} px, {channels} channels in {groups} groups, {taps}×{taps}", own, theirs)


def show(layer: str, own: float, theirs: float) -> None:
    print(f"{layer:56} {own * 1e3:7.1f} ms, Keras {theirs * 1e3:7.1f} ms: {theirs / own:.1f} times as fast")


if __name__ == "__main__":
    main()
