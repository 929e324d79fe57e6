"""``cnnexp.load``: a finished model, which answers images of a Python program as ``cnnexp predict`` answers files."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.api.given_images import list_given
from cnnexp.cli.code_flags import TRUST, with_code
from cnnexp.cli.targets import model_folder, separate_store
from cnnexp.errors import ConfigError
from cnnexp.portable.card import Card
from cnnexp.portable.classifier import Classifier
from cnnexp.report.prediction import FIELDS, answer_values
from cnnexp.saved import Prediction, open_model, predict
from cnnexp.system import quiet
from cnnexp.system.text import plural, printable

if TYPE_CHECKING:
    import pandas as pd


def load(target: str | Path, *settings: str, trust_code: bool = False) -> "LoadedModel":
    """Load the model of a run, or of an exported folder, and predict its golden samples again.

    Args:
        target: A run's id or its first six characters or more, a run's name, ``latest``, or an exported folder.
        settings: ``tracking.uri=URI``, where the run is recorded elsewhere than by default.
        trust_code: Execute the code that was recorded with a model of your own layers, as ``--trust-code``.

    Raises:
        TargetError: No run is meant, or several are.
        ModelError: The run has no model, or it is damaged, or answers differently than when it was recorded.

    """
    others, uri = separate_store(settings)
    if others:
        raise ConfigError(f"load takes a run or a folder, and tracking.uri=URI; got also {' '.join(others)}.")
    with with_code([TRUST] if trust_code else []), model_folder(str(target), uri=uri) as folder:
        quiet.set_environment()
        quiet.import_tensorflow()
        return LoadedModel(str(target), open_model(folder))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoadedModel:
    """A model that can be asked."""

    name: str  # as it was asked for
    classifier: Classifier

    @property
    def card(self) -> Card:
        """What it needs to be used as it was trained: classes in their order, input size, how files are read."""
        return self.classifier.card

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return tuple(self.card.class_names)

    def predict(self, images: object, *, coverage: float = 0.9, root: str | Path | None = None) -> "pd.DataFrame":
        """Classify images of any size.

        Args:
            images: A path of a file, a folder or a table, the bytes of a file, a Pillow image, an array (H, W),
                (H, W, 1), (H, W, 3) or (H, W, 4) of uint8 from 0 to 255, an array (N, H, W, C) of many, or a list of
                any of these.
            coverage: Share of images whose class shall be in the prediction set, above 0 and below 1.
            root: What the paths of tables start from; None: the folder of each table.

        Returns:
            One row an image, in their order: file, label, probability (0..1), next_best, next_probability,
            prediction_set (class names, the most probable first), p_value (None without calibration images), unlike
            (the training data), error (why there is no answer; None where there is one), and ``p/<class>``, float32,
            for each class. The same numbers as those of ``cnnexp predict``.

        Raises:
            TypeError: Something is no image, or its pixels are floating point, as after a division by 255.
            ConfigError: The coverage is out of range, or a table cannot be read.

        """
        listed = list_given(images, spec=self.card.image, root=None if root is None else Path(root))
        return _table(predict(self.classifier, listed, coverage=coverage, neighbours=0), self.class_names)

    def __repr__(self) -> str:
        return f"{self.name}: {_summary(self)}"

    def _repr_html_(self) -> str:
        classes = ", ".join(map(printable, self.class_names))
        return (
            f"<div><b>{escape(printable(self.name))}</b>: {escape(_summary(self))}"
            f"<br><small>{escape(classes)}</small></div>"
        )


def _summary(model: LoadedModel) -> str:
    size = " × ".join(map(str, model.card.image.shape))
    return f"{plural(len(model.class_names), 'class')}, images {size}, its golden samples are answered as recorded"


def _table(predictions: Iterable[Prediction], class_names: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    rows = list(predictions)
    table = pd.DataFrame([answer_values(row) for row in rows], columns=list(FIELDS))
    missing = (math.nan,) * len(class_names)
    probabilities = [missing if row.answer is None else row.answer.probabilities for row in rows]
    names = [f"p/{name}" for name in class_names]
    return pd.concat([table, pd.DataFrame(probabilities, columns=names, dtype="float32")], axis=1)
