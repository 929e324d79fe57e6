"""A program that prints what of a step fits: one image, all of it in little memory, and the largest of its parts.

It imports no TensorFlow, which would itself need the memory that it takes away.
"""

import os
import re
import resource
import threading
from contextlib import suppress
from pathlib import Path

from cnnexp.compose import compose_config
from cnnexp.runs.batch_trials import divisors, largest_that_fits

# The whole step takes gigabytes, its parts next to nothing.
STEP = 256
TRAINING = ["data.size=[128,128]", "data.limit=400", "model=small", "model.width=32", f"training.batch_size={STEP}"]
MORE = 300 * 2**20  # bytes, than the process takes that tries a single image


class PeakOfChildren(threading.Thread):
    """The most bytes of addresses that a child of this process has had."""

    def __init__(self):
        super().__init__(daemon=True)
        self.bytes = 0
        self._over = threading.Event()

    def run(self):
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        while not self._over.wait(0.05):
            for pid in children.read_text().split():
                with suppress(OSError):
                    found = re.search(r"VmPeak:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
                    self.bytes = max(self.bytes, int(found[1]) * 1024 if found else 0)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()


def main():
    config = compose_config(TRAINING)
    with PeakOfChildren() as peak:
        one = largest_that_fits(config, [1])
    resource.setrlimit(resource.RLIMIT_AS, (peak.bytes + MORE, peak.bytes + MORE))
    print(one, largest_that_fits(config, [STEP]), largest_that_fits(config, divisors(STEP)))


if __name__ == "__main__":
    main()
