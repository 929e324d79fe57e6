"""The process that tries how many images of a step fit into memory at a time, see `batch_trials`."""

import os
import pickle
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from cnnexp.runs.batch_trials import NO_SHORTAGE
from cnnexp.system import quiet


def main() -> int:
    """Try the sizes that come on standard input, with a configuration; write each that fits on standard output."""
    quiet.set_environment()
    _die_first()
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever libraries print
    config, sizes = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    quiet.import_tensorflow()
    from cnnexp.runs.prepare import load, prepare
    from cnnexp.runs.resolved_settings import resolve
    from cnnexp.runs.starting_network import starting_network
    from cnnexp.training import is_memory_shortage

    try:
        with starting_network(config) as pretrained:
            splits, _ = load(config, pretrained, on_progress=lambda *_: None)
            settings = resolve(config, splits, pretrained=pretrained)
            model, network_training, _ = prepare(
                config,
                splits,
                settings,
                pretrained,
                graphs=None,
                on_epoch=lambda _: False,
                on_progress=lambda *_: None,
            )
            for size in network_training.fitting_batches(model, sizes):
                os.write(answers, f"{size}\n".encode())
    except Exception as error:  # whatever it is, the run itself will raise it
        traceback.print_exc()
        return 1 if is_memory_shortage(error) else NO_SHORTAGE
    return 0


def _die_first() -> None:
    """Have the kernel kill this process, where it must kill one of the machine or of a container for its memory."""
    with suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # until the process that asked has closed it, or is gone
    os._exit(1)


if __name__ == "__main__":
    os._exit(main())  # TensorFlow's threads may wait for memory
