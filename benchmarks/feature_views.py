"""How many augmented views of each training image the head of a frozen backbone should be trained on.

    python benchmarks/feature_views.py [--views 0 1 2 4 8] [--seeds 3] -- OVERRIDES
    python benchmarks/feature_views.py -- data=folder data.path=PHOTOGRAPHS data.limit=500 'data.size=[96,96]'

Whole runs of ``cnnexp model=pretrained training.freeze=backbone OVERRIDES`` with another number of views, which is no
setting; 0 views are the plain images. All runs share one cache, so the first with a number of views computes features.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import measuring
from transfer import newest_accuracy

PROGRAM = """
import sys
from cnnexp.__main__ import main
from cnnexp.runs import cached_features
cached_features.VIEWS = int(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", type=int, nargs="+", default=[0, 1, 2, 4, 8], help="0: plain images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="of cnnexp, such as data.size=[96,96]; after --")
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base)
        for views in asked.views:
            plain = [] if views else ["augmentation=none"]
            own = ["model=pretrained", "training.freeze=backbone", *plain, *asked.overrides]
            accuracies, seconds = [], []
            for seed in range(asked.seeds):
                command = [sys.executable, "-c", PROGRAM, str(max(views, 1)), *own, f"seed={seed}"]
                command.append(f"data.cache={folder / 'cache'}")
                took, _ = measuring.seconds(command, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
                accuracies.append(newest_accuracy(folder / "mlflow.db"))
                seconds.append(took)
            print(
                f"{views or 'no'} views: accuracy {measuring.spread(accuracies)}, "
                f"first run {seconds[0]:.1f} s, last {seconds[-1]:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
