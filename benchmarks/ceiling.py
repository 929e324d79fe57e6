"""The floating-point rate of training, as a share of the rate of a large matrix multiplication on this machine.

    python benchmarks/ceiling.py

The ceiling is the rate of a dense multiplication in TensorFlow (2048 × 2048, median of 20). Training the reference
network on Fashion-MNIST, batch 128, costs the equivalent of three forward passes per image: forward, backward to the
inputs (which the first convolution does not need) and backward to the weights. A multiply-add counts as two operations.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import measuring

SIDE = 2048
FIRST_MULTIPLY_ADDS = 28 * 28 * 9 * 32
LATER_MULTIPLY_ADDS = 14 * 14 * 9 * 32 * 64 + 7 * 7 * 9 * 64 * 128 + 3 * 3 * 128 * 128 + 128 * 10
TRAINING_MULTIPLY_ADDS = 2 * FIRST_MULTIPLY_ADDS + 3 * LATER_MULTIPLY_ADDS


def matrix_ceiling(dtype: str) -> float:
    """Return the floating-point operations per second of a dense multiplication."""
    import tensorflow as tf

    a, b = (tf.cast(tf.random.normal((SIDE, SIDE)), dtype) for _ in range(2))
    multiply = tf.function(tf.matmul)
    multiply(a, b)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        multiply(a, b).numpy()
        times.append(time.perf_counter() - start)
    return 2 * SIDE**3 / statistics.median(times)


def main() -> None:
    print(measuring.machine())
    for precision in ("float32", "bfloat16"):
        ceiling = matrix_ceiling(precision)
        command = [sys.executable, str(Path(__file__).with_name("throughput.py")), "fashion_mnist", "--side", "cnnexp"]
        _, output = measuring.seconds(
            [*command, "--overrides", f"training.precision={precision}"],
            cwd=Path.cwd(),
            env={"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        reached = json.loads(output.splitlines()[-1])["rate"] * TRAINING_MULTIPLY_ADDS * 2
        share = reached / ceiling
        print(f"{precision}: {reached / 1e9:.0f} of {ceiling / 1e9:.0f} GFLOP/s, {share:.0%} of the matrix ceiling")


if __name__ == "__main__":
    main()
