"""The results of the runs of a sweep: the best so far, the table of the parent run, and how fair a comparison is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cnnexp.config.shown_values import label_of
from cnnexp.records import RunInfo
from cnnexp.sweeps.jobs import Job
from cnnexp.system.text import markdown
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import PRUNED

MOST_ROWS = 60  # of the table in the parent's description


@dataclass(frozen=True, slots=True)
class Result:
    """How one run ended."""

    number: int
    name: str
    varied: Mapping[str, str]
    status: str  # FINISHED | pruned | FAILED | KILLED
    metrics: Mapping[str, float]
    learning_rate: float | None  # that was used, after batch scaling
    batch_size: int | None  # images of a step
    batch_scaling: str  # none | linear | sqrt
    seconds: float | None
    reason: str
    failed_learning: str | None = None  # how, such as "collapsed"; None: it learned
    run_id: str | None = None  # of a run that an earlier command finished

    @classmethod
    def from_job(
        cls,
        job: Job,
        status: str,
        metrics: Mapping[str, float],
        info: RunInfo | None,
        seconds: float | None,
        reason: str = "",
        failed_learning: str | None = None,
    ) -> Self:
        """Return the result of a run of this command."""
        return cls(
            number=job.number,
            name=job.name,
            varied=job.varied,
            status=status,
            metrics=metrics,
            learning_rate=info.learning_rate if info is not None else None,
            batch_size=job.config.training.images_per_step,
            batch_scaling=job.config.optimizer.batch_scaling,
            seconds=seconds,
            reason=reason,
            failed_learning=failed_learning,
        )

    @classmethod
    def from_store(cls, number: int, name: str, varied: Mapping[str, str], run: StoredRun) -> Self:
        """Return the result of a run that an earlier command finished."""
        rate, batch = (run.params.get(key) for key in ("used.learning_rate", "training.batch_size"))
        return cls(
            number=number,
            name=name,
            varied=varied,
            status="pruned" if PRUNED in run.tags else run.status,
            metrics=run.metrics,
            learning_rate=None if rate is None else float(rate),
            batch_size=None if batch is None else int(batch) * _parts(run.settings.get("training.accumulate", "1")),
            batch_scaling=run.params.get("optimizer.batch_scaling", "none"),
            seconds=None if run.ended_ms is None else (run.ended_ms - run.started_ms) / 1000,
            reason=run.tags.get("failure", ""),
            run_id=run.run_id,
        )

    @property
    def label(self) -> str:
        """What tells it from the other runs of its sweep; its name where it is the only one."""
        return label_of(self.varied) or self.name

    @property
    def summary(self) -> str:
        """Its scores in one line; first how it failed to learn, because its scores are then those of guessing."""
        scores = f"val loss {self.metrics['best/val_loss']:.4f}, accuracy {self.metrics['best/val_accuracy']:.3f}"
        took = "" if self.seconds is None else f", {self.seconds:.1f} s"
        pruned = ", pruned" if self.status == "pruned" else ""
        failed = f"{self.failed_learning}: " if self.failed_learning else ""
        return f"{failed}{scores} (epoch {self.metrics['best/epoch']:.0f}{took}{pruned})"


def _parts(accumulate: str) -> int:
    """Return how many batches make a step; auto divides one."""
    return int(accumulate) if accumulate.isdigit() else 1


def rank(metrics: Mapping[str, float], objective: str) -> float:
    """Return a number that is smaller for a better run; infinity where it has no value of the objective."""
    value = metrics.get(objective, math.nan)
    if math.isnan(value):
        return math.inf
    return -value if objective.endswith("accuracy") else value


class Results:
    """All results so far."""

    def __init__(self, objective: str) -> None:
        self._objective = objective
        self._numbers: dict[str, int] = {}
        self.all: list[Result] = []
        self.refusals: list[str] = []  # combinations whose settings contradict each other

    def expect(self, run_hash: str, number: int) -> None:
        """Note the hash of a run that is going to be done."""
        self._numbers[run_hash] = number

    def knows(self, run_hash: str) -> bool:
        """Return whether a run with this hash is, or was, done."""
        return run_hash in self._numbers

    def of(self, run_hash: str) -> Result | None:
        """Return the result of the run with this hash; None: it has none yet."""
        number = self._numbers[run_hash]
        return next((result for result in self.all if result.number == number and result.metrics), None)

    def add(self, result: Result) -> None:
        """Add the result of a run."""
        self.all.append(result)

    def refused(self, reason: str) -> None:
        """Note a combination that cannot be composed."""
        self.refusals.append(reason)

    def with_status(self, *statuses: str) -> list[Result]:
        """Return the results with one of the statuses."""
        return [result for result in self.all if result.status in statuses]

    @property
    def ranked(self) -> list[Result]:
        """All results, best first by the objective, which is of the validation split; failed ones last."""
        return sorted(self.all, key=self._rank)

    @property
    def best_summary(self) -> str:
        """The best run so far in one line; empty where there is none."""
        best = self.ranked[:1]
        return f"{best[0].label}: {best[0].summary}" if best and "best/val_loss" in best[0].metrics else ""

    def is_beaten(self, result: Result) -> bool:
        """Return whether a run that this command has finished is as good as another run."""
        finished = (other for other in self.with_status("FINISHED") if other.run_id is None)
        return any(self._rank(other) <= self._rank(result) for other in finished)

    def _rank(self, result: Result) -> float:
        return rank(result.metrics, self._objective)

    def description(self) -> str:
        """Return the sweep in Markdown: verdict first, then a table, best first."""
        if not self.all:
            return "No run has ended."
        best = self.best_summary
        counts = {status: len(self.with_status(status)) for status in ("FINISHED", "pruned", "FAILED", "KILLED")}
        counted = ", ".join(f"{count} {status.lower()}" for status, count in counts.items() if count)
        verdict = f"**best on validation: {markdown(best)}**" if best else "No run has finished."
        keys = list(self.all[0].varied)
        columns = [*keys, self._objective, "best/val_accuracy", "status"]
        rows = [
            _row([*(markdown(result.varied[key]) for key in keys), *map(markdown, self._cells(result))])
            for result in self.ranked
        ]
        table = "\n".join([_row(columns), _row(["---"] * len(columns)), *rows[:MOST_ROWS]])
        notes = [note for note in (self.fairness_note(),) if note]
        return "\n\n".join([verdict, f"{counted}.", table, *notes])

    def _cells(self, result: Result) -> list[str]:
        names = (self._objective, "best/val_accuracy")
        numbers = [f"{result.metrics[name]:.4f}" if name in result.metrics else "" for name in names]
        details = (result.status.lower(), result.failed_learning, result.reason)
        return [*numbers, " ".join(detail for detail in details if detail)]

    def fairness(self) -> list[tuple[str, str, str, str]]:
        """Return name, batch size, learning rate and steps of each finished run; empty where all batches are equal."""
        finished = [result for result in self.with_status("FINISHED") if "updates" in result.metrics]
        if len({result.batch_size for result in finished}) < 2:
            return []
        return [
            (result.name, str(result.batch_size), f"{result.learning_rate:g}", f"{result.metrics['updates']:,.0f}")
            for result in sorted(finished, key=lambda result: (result.batch_size or 0, result.name))
        ]

    def unequal_steps(self) -> str:
        """Return in one line how unequal the steps of different batch sizes are; empty where they are not."""
        steps = {row[3] for row in self.fairness()}
        if len(steps) < 2:
            return ""
        scaling = " or optimizer.batch_scaling=linear" if self._is_unscaled else ""
        return f"{_span(steps)} by batch size, which is unfair to large ones; more training.epochs{scaling} helps them"

    @property
    def _is_unscaled(self) -> bool:
        return all(result.batch_scaling == "none" for result in self.all)

    def fairness_note(self) -> str:
        """Return what else differs between runs of different batch sizes; empty where nothing does."""
        rows = self.fairness()
        steps = {row[3] for row in rows}
        if len(steps) < 2:
            return ""
        rates = sorted({row[2] for row in rows}, key=float)
        label = "a learning rate" if len(rates) == 1 else "learning rates"
        advice = "Give large batches more training.epochs"
        if self._is_unscaled:
            advice += ", or let the learning rate follow with optimizer.batch_scaling=linear or sqrt"
        return (
            f"These runs differ in batch size and made different numbers of steps ({_span(steps)}), at {label} of "
            f"{', '.join(rates)}: a difference between them is not due to the batch size alone. {advice}."
        )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _span(steps: set[str]) -> str:
    ordered = sorted(steps, key=lambda text: int(text.replace(",", "")))
    return f"{ordered[0]} to {ordered[-1]}"
