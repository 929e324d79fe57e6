"""A model as a self-contained folder: without MLflow and without this package; ONNX and TensorFlow Lite on request."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from cnnexp import portable
from cnnexp.datasets import Splits
from cnnexp.errors import ConfigError
from cnnexp.portable import user_code
from cnnexp.portable.card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, Card
from cnnexp.portable.classifier import load_keras
from cnnexp.saved.export_readme import README_FILE, readme
from cnnexp.saved.onnx_packages import WRITING, require_onnx
from cnnexp.saved.prediction import open_model
from cnnexp.saved.to_onnx import write_onnx
from cnnexp.saved.write_tflite import TFLiteFile, write_tflite
from cnnexp.system.files import is_there

READER = "reader"  # the package of the folder
SCRIPT = "predict.py"
_NEEDS = ("tensorflow", "keras", "numpy", "pillow")

ReadSplits = Callable[[Card], Splits]


def export(
    source: Path, target: Path, *, onnx: bool, tflite: bool = False, quantize_on: ReadSplits | None = None
) -> TFLiteFile | None:
    """Export a model folder, and check the export.

    Args:
        source: a folder with model file, card and features.
        target: the folder to write; must not exist, or be empty, as the current folder or the root of a disk may be.
        onnx: also write ``model.onnx``.
        tflite: also write ``model.tflite``.
        quantize_on: returns the data that the model was trained and tested on, to write ``model.tflite`` with 8-bit
            integers; None: with 32-bit floats.

    Returns:
        What is known about ``model.tflite``; None: it was not asked for.

    Raises:
        ConfigError: the target is in use or cannot be written, or packages for ONNX are missing.
        ModelError: the model is damaged, or the export answers differently; nothing is left behind.

    """
    require_new_folder(target)
    if onnx:
        require_onnx("--onnx", WRITING)
    model = open_model(source)
    splits = None if quantize_on is None else quantize_on(model.card)
    with _new_folder(target) as folder:
        _copy(folder, source)
        open_model(folder)
        if onnx:
            write_onnx(folder, load_keras(folder / MODEL_FILE), model.card)
        written = write_tflite(folder, load_keras(folder / MODEL_FILE), model, splits=splits) if tflite else None
        text = readme(model.card, code=list(user_code.code_beside(source)), onnx=onnx, tflite=written)
        (folder / README_FILE).write_text(text, encoding="utf-8")
    return written


def require_new_folder(target: Path) -> None:
    """Raise ConfigError where there is something at `target` already."""
    if is_there(target) and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"An export needs a folder of its own; {target} is there already. Name a new one.")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Provide a folder that is at `target` after the block; nothing is left of it where the block fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target if target.is_dir() else target.parent, prefix=".export-") as part:
            folder = Path(part) / "export"
            folder.mkdir()
            yield folder
            _give_name(folder, target)
    except OSError as error:
        raise ConfigError(
            f"An export needs a folder that can be written; {target} cannot be: {error.strerror or error}. Name "
            "another one, or make room."
        ) from error


def _give_name(folder: Path, target: Path) -> None:
    """Rename a folder; a target that is there stays the folder that it is, and gets the files."""
    if not target.is_dir():
        folder.rename(target)
        return
    for file in sorted(folder.iterdir()):
        file.rename(target / file.name)


def _copy(folder: Path, source: Path) -> None:
    for name in (MODEL_FILE, CARD_FILE, REFERENCE_FILE):
        shutil.copyfile(source / name, folder / name)
    for name, content in user_code.code_beside(source).items():
        file = folder / user_code.FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    portable.copy_to(folder / READER, without=("served_model.py", "delta.py"))
    (folder / READER / "portable" / SCRIPT).replace(folder / SCRIPT)
    needs = [f"{name}=={version(name)}" for name in _NEEDS]
    (folder / "requirements.txt").write_text("\n".join(needs) + "\n", encoding="utf-8")
