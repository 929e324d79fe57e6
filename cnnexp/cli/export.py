"""``cnnexp export``: the model of a run as a folder of its own, in further formats on request."""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.cli.targets import is_exported, model_folder, separate_store
from cnnexp.config import Override
from cnnexp.errors import ConfigError
from cnnexp.system import quiet
from cnnexp.system.streams import print_required
from cnnexp.system.text import printable

if TYPE_CHECKING:
    from cnnexp.config import ExperimentConfig
    from cnnexp.datasets import Splits
    from cnnexp.portable.card import Card

INT8 = "int8"
_QUANTIZED = (
    "8-bit integers are fitted on the images that the model was trained on, and its test images show what it loses"
)


def run(target: str, folder: Path, settings: Sequence[str], *, onnx: bool, tflite: str | None) -> int:
    """Export a model; `tflite` is the form of ``model.tflite``, float32 or int8, or None.

    Raises:
        ConfigError: a setting is wrong, or the folder is in use.
        DataError: the data that int8 needs are not there, or are others.
        ModelError: the model is damaged, cannot be converted, or answers differently then.

    """
    others, uri = separate_store(settings)
    if others and tflite != INT8:
        raise ConfigError(
            f"export takes RUN, DIR and tracking.uri=URI, and with --tflite=int8 settings of data; got also "
            f"{' '.join(others)}."
        )
    quantize_on = partial(read_splits, _config(target, others, uri)) if tflite == INT8 else None
    with model_folder(target, uri=uri) as source:
        quiet.import_tensorflow()
        from rich.text import Text

        from cnnexp.report.console import open_console, print_line
        from cnnexp.saved.export import export

        written = export(source, folder, onnx=onnx, tflite=tflite is not None, quantize_on=quantize_on)
    for sentence in () if written is None else written.sentences:
        print_line(open_console(), Text(sentence), hanging=2)
    print_complete(folder)
    return 0


def print_complete(folder: Path) -> None:
    """Print that an export is complete, and the command that tries it."""
    script = shlex.quote(str(folder / "predict.py"))
    print_required(printable(f"{folder} is complete. Try it: python {script} IMAGE"))


def _config(target: str, overrides: Sequence[str], uri: str) -> "ExperimentConfig":
    """Return the settings of the data that the model of a run, or of an exported folder, was trained on."""
    from cnnexp.cli.evaluation_request import evaluation_config
    from cnnexp.tracking.recorded_model import recorded_model

    source = Path(target) if is_exported(target) else recorded_model(target, uri=uri)
    return evaluation_config(source, [*overrides, str(Override.setting("tracking.uri", uri))])


def read_splits(config: "ExperimentConfig", card: "Card") -> "Splits":
    """Read the images that the model of `card` was trained and tested on."""
    from cnnexp.report.run import reading_shown
    from cnnexp.saved.evaluation_set import load_trained_splits

    with reading_shown() as show:
        return load_trained_splits(config.data, card, seed=config.seed, purpose=_QUANTIZED, on_progress=show)
