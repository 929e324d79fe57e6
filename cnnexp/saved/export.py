"""A model as a self-contained folder: without MLflow and without this package; ONNX on request."""

import contextlib
import io
import shutil
import tempfile
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from cnnexp import portable
from cnnexp.errors import ConfigError, ModelError
from cnnexp.portable import golden, user_code
from cnnexp.portable.card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, UnfitModelError
from cnnexp.portable.classifier import Classifier, load_keras
from cnnexp.records import Images, Probabilities
from cnnexp.saved.prediction import open_model

READER = "reader"  # the package of the folder
SCRIPT = "predict.py"
ONNX_FILE = "model.onnx"
ONNX_TOLERANCE = 1e-4  # of a probability
_NEEDS = ("tensorflow", "keras", "numpy", "pillow")
_ONNX_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")

_README = """\
An image classifier, trained on {data} by cnnexp.

    pip install -r requirements.txt
    python predict.py photo.jpg

{model}: a Keras model. It takes uint8 (N, {height}, {width}, {channels}) and gives {classes} probabilities.
    Scaling is its first layer: do not scale pixels before.
{card}: class names in order, how an image file becomes these pixels, thresholds, and golden samples.
{reference}: training images to compare with, and calibration scores.
reader/: the code that read the training images, and that loads and checks the model. Always read files with
    reader.images.read_image, and load the model with reader.portable.classifier.load.
predict.py: a command; its first lines show how to use the model in your own program.
{decision}{code}{onnx}
Loading compares every file with the card and replays the golden samples; a model whose answers differ is refused.
"""
_DECISION_README = """The answer is {positive} from a probability of {threshold:.6g} on, even where the other class is
    more probable. predict.py does so; in your own program, call reader.portable.decision.decide.
"""
_CODE_README = """extensions/: code of whoever trained the model ({files}).
    It is executed only where the model has layers of its own, and only if you trust it: read it, then set
    CNNEXP_TRUST_CODE=1.
"""
_ONNX_README = """model.onnx: the same model for ONNX runtimes, without TensorFlow. It is not checked when loaded.
"""


def export(source: Path, target: Path, *, onnx: bool) -> None:
    """Export a model folder, and check the export.

    Args:
        source: a folder with model file, card and features.
        target: the folder to write; must not exist, or be empty.
        onnx: also write ``model.onnx``.

    Raises:
        ConfigError: the target is in use, or packages for ONNX are missing.
        ModelError: the model is damaged, or the export answers differently; nothing is left behind.

    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"An export needs a folder of its own; {target} is there already. Name a new one.")
    if onnx:
        _require_onnx()
    model = open_model(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as part:
        folder = Path(part) / "export"
        folder.mkdir()
        _write(folder, source, model, onnx=onnx)
        open_model(folder)
        if onnx:
            _write_onnx(folder, model)
        folder.replace(target)


def _write(folder: Path, source: Path, model: Classifier, *, onnx: bool) -> None:
    for name in (MODEL_FILE, CARD_FILE, REFERENCE_FILE):
        shutil.copyfile(source / name, folder / name)
    code = user_code.code_beside(source)
    for name, content in code.items():
        file = folder / user_code.FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    portable.copy_to(folder / READER, without="served_model.py")
    (folder / READER / "portable" / SCRIPT).replace(folder / SCRIPT)
    needs = [f"{name}=={version(name)}" for name in _NEEDS]
    (folder / "requirements.txt").write_text("\n".join(needs) + "\n", encoding="utf-8")
    decision = model.card.decision
    height, width, channels = model.card.image.shape
    readme = _README.format(
        data=model.card.data["name"],
        model=MODEL_FILE,
        card=CARD_FILE,
        reference=REFERENCE_FILE,
        height=height,
        width=width,
        channels=channels,
        classes=len(model.card.class_names),
        decision=""
        if decision is None
        else _DECISION_README.format(positive=decision.positive, threshold=decision.threshold),
        code=_CODE_README.format(files=", ".join(code)) if code else "",
        onnx=_ONNX_README if onnx else "",
    )
    (folder / "README.txt").write_text(readme, encoding="utf-8")


def _require_onnx() -> None:
    if missing := [name for name in _ONNX_PACKAGES if find_spec(name) is None]:
        raise ConfigError(
            f"--onnx needs {', '.join(_ONNX_PACKAGES)}; missing: {', '.join(missing)}. "
            "Install them: pip install 'cnnexp[onnx]'."
        )


def _write_onnx(folder: Path, model: Classifier) -> None:
    """Convert the model and replay the golden samples with the result: a failed conversion reports success, too."""
    keras_model = load_keras(folder / MODEL_FILE)
    keras_model.predict_on_batch(
        np.zeros((1, *model.card.image.shape), np.uint8)
    )  # otherwise the export finds no function
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras tests whether NumPy has np.object
        keras_model.export(folder / ONNX_FILE, format="onnx", verbose=False)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()

    def predict(pixels: Images) -> Probabilities:
        probabilities: Probabilities = session.run(None, {source.name: pixels})[0]
        return probabilities

    try:
        golden.replay(model.card, predict, same_machine=True, tolerance=ONNX_TOLERANCE)
    except UnfitModelError as error:
        raise ModelError(f"{ONNX_FILE} does not answer as the model does. {error}") from error
