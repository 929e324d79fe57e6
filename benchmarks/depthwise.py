"""The gradients of depthwise convolutions of EfficientNet-Lite0 at 224 px: those of training against TensorFlow's own.

    python benchmarks/depthwise.py

Prints milliseconds for both gradients of a batch of 8, the best of several, in float32 and bfloat16. They are why
`models/fast_depthwise.py` exists: when every line says about 1, it can go.
"""

import os
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import measuring
import tensorflow as tf

from cnnexp.models.fast_depthwise import depthwise

BATCH, REPEATS = 8, 9
LAYERS = ((112, 32, 3, 1), (112, 96, 3, 2), (56, 144, 5, 2), (28, 240, 5, 1), (14, 672, 5, 1), (7, 1152, 3, 1))

Convolution = Callable[..., tf.Tensor]


def plain(x: tf.Tensor, kernel: tf.Tensor, *, stride: int) -> tf.Tensor:
    """Convolve as Keras does."""
    return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")


def seconds(convolution: Convolution, x: tf.Tensor, kernel: tf.Tensor) -> float:
    """Return the shortest time of both gradients."""

    @tf.function(autograph=False)
    def gradients(x: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolution(x, kernel)
        return tape.gradient(y, [x, kernel])

    gradients(x, kernel)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        gradients(x, kernel)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    print(measuring.machine())
    for side, channels, taps, stride in LAYERS:
        for dtype in ("float32", "bfloat16"):
            x = tf.cast(tf.random.normal((BATCH, side, side, channels)), dtype)
            kernel = tf.cast(tf.random.normal((taps, taps, channels, 1)), dtype)
            own = seconds(partial(depthwise, stride=stride, padding="same"), x, kernel)
            theirs = seconds(partial(plain, stride=stride), x, kernel)
            layer = f"{side} px, {channels} channels, {taps}x{taps}, stride {stride}, {dtype}"
            print(f"{layer:52} {1000 * own:6.1f} ms against {1000 * theirs:6.1f} ms: {theirs / own:.1f} times as fast")


if __name__ == "__main__":
    main()
