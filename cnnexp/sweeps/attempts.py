"""What restarts a run whose worker died: the count of attempts, and whether there is another one."""

from cnnexp.sweeps.executors.protocol import Failed, WorkerDied


class Attempts:
    """The attempts at one task.

    A worker that dies, whether it was killed, ran out of memory or exceeded the time limit, and an unexpected exception
    cost an attempt; `sweep.retries` attempts may follow the first. An expected error is final, because it would be
    raised again, unless memory ran out: the next attempt has the machine to itself, and is the last one if memory runs
    out again. A node that lacks the data costs no attempt: nothing was begun there.
    """

    def __init__(self, *, retries: int) -> None:
        self._retries = retries
        self.number = 1  # of the current attempt
        self.alone = False  # memory ran out: nothing else runs beside the current attempt

    def another_after(self, ended: Failed | WorkerDied) -> bool:
        """Return whether the task is attempted again after the current attempt ended like this."""
        final = self.alone if ended.memory else isinstance(ended, Failed) and ended.expected
        return not final and self.number <= self._retries

    def begin_another(self, *, alone: bool = False) -> None:
        """Count the current attempt as lost; nothing runs beside the next one if it is to be `alone`."""
        self.number += 1
        self.alone = self.alone or alone
