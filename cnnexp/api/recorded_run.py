"""One recorded run as a program reads it: frozen, with tables of pandas, figures and a display for notebooks."""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cnnexp.cli.targets import separate_store
from cnnexp.errors import ConfigError, TargetError
from cnnexp.records import EpochValues, Evaluation, History, RunSummary
from cnnexp.report.run.fragment import RunFacts, headline_text, summary_text
from cnnexp.system.text import listed
from cnnexp.tracking.run_page import page_in
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.find_runs import ask, find_runs
from cnnexp.tracking.tags import PRUNED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cnnexp.api.loaded_model import LoadedModel


_Part = TypeVar("_Part", History, Evaluation)


def get_run(target: str, *settings: str) -> "Run":
    """Read a recorded run, whoever started it.

    Args:
        target: Its id or the first six characters of it or more, its name, or ``latest``.
        settings: ``tracking.uri=URI``, where it is recorded elsewhere than by default.

    Raises:
        TargetError: No run is meant, or several are.

    """
    others, uri = separate_store(settings)
    if others:
        raise ConfigError(f"get_run takes a run and tracking.uri=URI; got also {' '.join(others)}.")
    found = find_runs([target], uri=uri)
    if len(found) > 1:
        ids = listed(run.run_id[:12] for run in found)
        raise TargetError(f"One run must be meant; {target!r} is {len(found)} runs. Name one of them: {ids}.")
    return Run.of(found[0], uri=uri)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """A recorded run; its tables are read when they are asked for."""

    run_id: str
    name: str
    status: str  # as MLflow has it: FINISHED, FAILED, KILLED, RUNNING
    settings: Mapping[str, str]  # flat, as recorded, such as {"optimizer.learning_rate": "0.001"}
    summary: RunSummary
    store: str  # its address
    _read: Callable[[str], bytes | None]  # a file of the run by its name; None: it has none

    @classmethod
    def of(cls, summary: RunSummary, *, uri: str) -> "Run":
        """Return the run of a summary from the store at `uri`."""
        artifacts = ask(uri, lambda store: store.locations(summary.run_id)).artifacts
        read = partial(run_files.read_file, artifacts, store=uri)
        return cls(summary.run_id, summary.name, summary.status, summary.settings, summary, uri, read)

    @property
    def metrics(self) -> "pd.Series":
        """Every final number under its recorded name, such as ``test/accuracy``; float64."""
        import pandas as pd

        return pd.Series(dict(sorted(self.summary.metrics.items())), dtype="float64", name=self.name)

    @property
    def curves(self) -> "pd.DataFrame":
        """One row an epoch, from 1: train/loss, train/accuracy, val/loss, val/accuracy, learning_rate; float64."""
        import pandas as pd

        curves = {name: dict(values) for name, values in self.summary.read_curves().items()}
        return pd.DataFrame(curves, dtype="float64").rename_axis(index="epoch").sort_index()

    @property
    def predictions(self) -> "pd.DataFrame":
        """One row an image of validation, calibration and test: file, split, label, predicted, confidence, p/<class>.

        The larger its `mistakenness`, 0..1, the more probably the label of an image is wrong.
        Empty where the run has none, such as a run that failed.
        """
        import pandas as pd

        content = self._read("predictions.parquet")
        return pd.DataFrame() if content is None else pd.read_parquet(io.BytesIO(content))

    @property
    def findings(self) -> "pd.DataFrame":
        """One row for each fault that the diagnosis found: title, sentence, repair, confidence (0..1), evidence."""
        import pandas as pd

        columns = ["id", "title", "sentence", "repair", "confidence", "cause", "evidence"]
        return pd.DataFrame([asdict(finding) for finding in self.summary.read_findings()], columns=columns)

    @property
    def per_class(self) -> "pd.DataFrame":
        """One row a class, on the test split: support, precision, recall, f1, roc_auc; NaN where it is undefined."""
        import pandas as pd

        scores = () if (evaluation := self.evaluation) is None else evaluation.per_class
        columns = ["name", "support", "precision", "recall", "f1", "roc_auc"]
        return pd.DataFrame([asdict(score) for score in scores], columns=columns).set_index("name")

    @property
    def confusion(self) -> "pd.DataFrame":
        """Test images (K, K), int64: a row for each true class, a column for each predicted one."""
        import pandas as pd

        if (evaluation := self.evaluation) is None:
            return pd.DataFrame()
        names = [score.name for score in evaluation.per_class]
        index, columns = pd.Index(names, name="true"), pd.Index(names, name="predicted")
        return pd.DataFrame(evaluation.confusion, index=index, columns=columns)

    @property
    def evaluation(self) -> Evaluation | None:
        """The numbers on the test split with their intervals; None where the run was not evaluated."""
        content = self._read(run_files.REPORT)
        return None if content is None else run_files.evaluation(content)

    @property
    def history(self) -> History | None:
        """The course of the training, as far as it is recorded; None where no epoch has ended."""
        values = self.curves.dropna()
        if values.empty:
            return None
        epochs = tuple(_epoch(int(epoch), row) for epoch, row in values.iterrows())
        metrics, planned = self.summary.metrics, int(self.settings["training.epochs"])
        kept = metrics["best/epoch"] if "best/epoch" in metrics else values["val/loss"].idxmin()
        return History(
            epochs=epochs,
            best_epoch=int(kept),
            stopped_early=self.status == "FINISHED" and len(epochs) < planned,
            steps=int(metrics["updates"]) if "updates" in metrics else 0,
            seconds=metrics.get("seconds/train", math.nan),
            pruned=PRUNED in self.summary.tags,
        )

    @property
    def page(self) -> str | None:
        """The file of its page, or its address on a server; None: it has none there."""
        return page_in(self.run_id, uri=self.store)

    @property
    def curves_figure(self) -> "Figure":
        """Loss, accuracy and learning rate over the epochs.

        Raises:
            TargetError: No epoch has ended.

        """
        from cnnexp import figures

        return figures.curves(self._require(self.history))

    @property
    def confusion_figure(self) -> "Figure":
        """The confusion matrix on the test split.

        Raises:
            TargetError: The run was not evaluated.

        """
        from cnnexp import figures

        return figures.confusion_matrix(self._require(self.evaluation), normalized=False, split="test")

    def load(self) -> "LoadedModel":
        """Load its model, as `cnnexp.load` does."""
        from cnnexp.api.loaded_model import load
        from cnnexp.config import Override

        return replace(load(self.run_id, str(Override.setting("tracking.uri", self.store))), name=self.name)

    def _require(self, part: _Part | None) -> _Part:
        if part is None:
            raise TargetError(f"Run {self.run_id} ({self.name}) has none: it is {self.status}.")
        return part

    def _facts(self) -> RunFacts:
        return RunFacts(
            run_id=self.run_id,
            name=self.name,
            status="pruned" if PRUNED in self.summary.tags else self.status,
            failure=self.summary.tags.get("failure", ""),
            metrics=self.summary.metrics,
            evaluation=self.evaluation,
            history=self.history,
            findings=self.summary.read_findings(),
            page=self.page,
        )

    @property
    def headline(self) -> str:
        """The result, and how the training went, in two lines."""
        return headline_text(self._facts())

    def __repr__(self) -> str:
        return summary_text(self._facts())

    def _repr_html_(self) -> str:
        from cnnexp.report.run.fragment import fragment

        return fragment(self._facts())


def _epoch(number: int, row: "pd.Series") -> EpochValues:
    return EpochValues(
        epoch=number,
        train_loss=float(row["train/loss"]),
        train_accuracy=float(row["train/accuracy"]),
        val_loss=float(row["val/loss"]),
        val_accuracy=float(row["val/accuracy"]),
        learning_rate=float(row["learning_rate"]),
        seconds=math.nan,
    )
