"""Grouped convolutions by oneDNN, which has them on the processor where TensorFlow itself has not.

Keras compiles each of them by XLA, since TensorFlow's own kernels compute no gradients of groups. With oneDNN a step of
them is some hundred times faster (3.12, AVX-512): `benchmarks/groups.py` measures it.
"""

import functools
from typing import Any

import tensorflow as tf


@functools.cache
def has_fast_groups(dtype: str) -> bool:
    """Tell whether TensorFlow computes grouped convolutions of a precision, and their gradients, on this processor."""

    @tf.function(jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]
    def gradients() -> Any:  # noqa: ANN401
        x, kernel = tf.ones((1, 4, 4, 4), dtype), tf.ones((3, 3, 2, 4), dtype)
        return tf.gradients(tf.nn.convolution(x, kernel, 1, "SAME"), [x, kernel])

    try:
        with tf.init_scope():  # asked while a graph is made, it is tried at once, and no tape records
            gradients()
    except tf.errors.OpError:  # no oneDNN, or none for this precision
        return False
    return True
