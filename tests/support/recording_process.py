"""A process that records one run, for tests that kill it: ``python -m support.recording_process``."""

import sys
import time
from pathlib import Path

from cnnexp.records import EpochValues
from cnnexp.tracking import recording
from support import tracking_inputs


def main(folder: Path, uri: str, epochs: int, seconds: float) -> None:
    """Say ``opened`` when the store has the run, then an epoch a line with how long recording it held things up."""
    result, settings = tracking_inputs.result(), tracking_inputs.settings(folder, uri or None)
    with recording(settings, run_name="process", parameters={"seed": 0}, config_yaml="", tags={}) as recorder:
        recorder.info(result.info)
        while recorder.run_id is None:
            recorder.check()
            time.sleep(0.01)
        print("opened", recorder.run_id, flush=True)
        for epoch in range(1, epochs + 1):
            began = time.perf_counter()
            recorder.epoch(EpochValues(epoch, 0.5, 0.5, 1 / epoch, 0.5, 0.1, 0.01))
            recorder.check()
            print("epoch", epoch, time.perf_counter() - began, flush=True)
            time.sleep(seconds)
        recorder.finish(result, tracking_inputs.FILES)
    print("receipt", recorder.receipt.run_id, recorder.receipt.kept_folder or "-", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
