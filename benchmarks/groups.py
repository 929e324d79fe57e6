"""A step of convolutions in groups, as in ResNeXt: those of training against Keras's, which XLA compiles.

    python benchmarks/groups.py

Prints milliseconds of a convolution and its gradients, the best of several, in float32 and bfloat16. They are why
`models/fast_groups.py` exists: when every line says about 1, it can go.
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

BATCH, REPEATS = 8, 5
LAYERS = ((56, 128, 32), (28, 256, 32), (16, 64, 4))  # side, channels, groups


def seconds(call: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, variables: list[keras.Variable]) -> float:
    """Return the shortest time of a step."""

    @tf.function(jit_compile=False, autograph=False)
    def step(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        return tape.gradient(y, [x, *variables])

    step(x)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step(x)
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
            layer = f"{side} px, {channels} channels in {groups} groups, {policy}"
            print(f"{layer:52} {own * 1e3:7.1f} ms, Keras {theirs * 1e3:7.1f} ms: {theirs / own:.0f} times as fast")


if __name__ == "__main__":
    main()
