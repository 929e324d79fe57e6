"""A depthwise convolution whose gradients avoid what is slow in oneDNN on the processor (3.12, AVX-512).

Its gradient by the kernel is fast up to 3×3 taps, and several times slower for larger kernels: so it is computed in
parts of at most 3×3. Its gradient by the input is some ten times slower in bfloat16 than in float32 where the
convolution has a stride, so it is computed in float32 there. `benchmarks/depthwise.py` measures both.
"""

from collections.abc import Callable, Iterator

import tensorflow as tf

FAST_TAPS = 3

Gradients = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def depthwise(x: tf.Tensor, kernel: tf.Tensor, *, stride: int, padding: str) -> tf.Tensor:
    """Return the depthwise convolution of x (N, H, W, C) with a kernel (h, w, C, M), padding ``same`` or ``valid``."""
    settings = {"strides": [1, stride, stride, 1], "padding": padding.upper()}

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolution(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
        def gradients(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            exact = tf.float32 if stride > 1 else x.dtype
            dx = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(x), filter=tf.cast(kernel, exact), out_backprop=tf.cast(dy, exact), **settings
            )
            return tf.cast(dx, x.dtype), _kernel_gradient(x, dy, kernel.shape, stride=stride, padding=padding)

        return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, **settings), gradients

    return convolution(x, kernel)


def _kernel_gradient(x: tf.Tensor, dy: tf.Tensor, shape: tf.TensorShape, *, stride: int, padding: str) -> tf.Tensor:
    height, width, channels, multiplier = shape
    if max(height, width) <= FAST_TAPS:
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=x, filter_sizes=shape, out_backprop=dy, strides=[1, stride, stride, 1], padding=padding.upper()
        )
    x = _padded(x, dy, (height, width), stride=stride) if padding == "same" else x
    reach = [(side - 1) * stride for side in dy.shape[1:3]]  # from the first place of a tap to its last one

    def part(top: int, left: int, taps: tuple[int, int]) -> tf.Tensor:
        seen = x[:, top : top + reach[0] + taps[0], left : left + reach[1] + taps[1]]
        return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=seen,
            filter_sizes=(*taps, channels, multiplier),
            out_backprop=dy,
            strides=[1, stride, stride, 1],
            padding="VALID",
        )

    taps = min(height, FAST_TAPS), min(width, FAST_TAPS)
    rows = [
        tf.concat([part(top, left, taps)[above:, beside:] for left, beside in _parts(width)], axis=1)
        for top, above in _parts(height)
    ]
    return tf.concat(rows, axis=0)


def _parts(taps: int) -> Iterator[tuple[int, int]]:
    """Yield where each part of a side begins, and how many of its first taps an earlier part has, too."""
    for first in range(0, taps, FAST_TAPS):
        begin = max(min(first, taps - FAST_TAPS), 0)
        yield begin, first - begin


def _padded(x: tf.Tensor, dy: tf.Tensor, taps: tuple[int, int], *, stride: int) -> tf.Tensor:
    """Return x with the zeros around it that padding "same" means for a convolution with the output dy."""
    sides = zip(x.shape[1:3], dy.shape[1:3], taps, strict=True)
    missing = [max((outputs - 1) * stride + tap - inputs, 0) for inputs, outputs, tap in sides]
    around = [(total // 2, total - total // 2) for total in missing]
    return tf.pad(x, [(0, 0), *around, (0, 0)])
