"""What a search improves and when it gives a run up; told to every process that takes part."""

from dataclasses import dataclass

from cnnexp.records import EpochValues


@dataclass(frozen=True, slots=True)
class Rules:
    """The same in every process."""

    storage: str  # path of a journal, or a database URL
    name: str  # of the study in it
    objective: str  # best/val_loss | best/val_accuracy
    pruning: str  # none | asha | hyperband | median | patience
    pruning_start: int  # epochs
    epochs: int  # at most, of a run

    def score(self, values: EpochValues) -> float:
        """Return what the objective would be if the run ended with this epoch as its best."""
        return values.val_loss if self.objective == "best/val_loss" else values.val_accuracy

    def better(self, one: float, other: float) -> float:
        """Return the better of two scores."""
        return min(one, other) if self.objective == "best/val_loss" else max(one, other)
