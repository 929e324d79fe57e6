"""The text in an exported folder that says what is there, and how it is used."""

import textwrap
from collections.abc import Sequence

from cnnexp.portable.card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, Card
from cnnexp.saved.write_tflite import RECORD_FILE, TFLiteFile

README_FILE = "README.txt"
_WIDTH = 118

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
{decision}{variant}{code}{onnx}{tflite}
Loading compares every file with the card and replays the golden samples; a model whose answers differ is refused.
"""
_DECISION_README = """The answer is {positive} from a probability of {threshold:.6g} on, even where the other class is
    more probable. predict.py does so; in your own program, call reader.portable.decision.decide.
"""
_VARIANT_README = """The model is not the trained one as it was: {variant}.
    All of it is part of {model}; calibration and thresholds are those of this model.
"""
_CODE_README = """extensions/: code of whoever trained the model ({files}).
    It is executed only where the model has layers of its own, and only if you trust it: read it, then set
    CNNEXP_TRUST_CODE=1.
"""
_ONNX_README = """model.onnx: the same model for ONNX runtimes, without TensorFlow. It is not checked when loaded.
"""
_TFLITE_README = """model.tflite: the same model for LiteRT (TensorFlow Lite), as on phones. It takes one image at a
    time, as uint8 (1, {height}, {width}, {channels}), and gives {classes} probabilities as float32. It is not checked
    when loaded. Your app has to make the same pixels of a picture as reader/ does, see "image" in {card}: try it with
    the golden samples there, which have file, pixels and probabilities.
{sentences}
    {record} has the same as numbers.
"""


def readme(card: Card, *, code: Sequence[str], onnx: bool, tflite: TFLiteFile | None) -> str:
    """Return the text.

    Args:
        card: of the model.
        code: names of the user's own files in the folder.
        onnx: whether there is a ``model.onnx``.
        tflite: what is known about ``model.tflite``; None: there is none.

    """
    height, width, channels = card.image.shape
    decision = card.decision
    return _README.format(
        data=card.data["name"],
        model=MODEL_FILE,
        card=CARD_FILE,
        reference=REFERENCE_FILE,
        height=height,
        width=width,
        channels=channels,
        classes=len(card.class_names),
        decision=""
        if decision is None
        else _DECISION_README.format(positive=decision.positive, threshold=decision.threshold),
        variant=_VARIANT_README.format(variant=card.variant_summary, model=MODEL_FILE) if card.variant else "",
        code=_CODE_README.format(files=", ".join(code)) if code else "",
        onnx=_ONNX_README if onnx else "",
        tflite="" if tflite is None else _tflite_readme(card, tflite),
    )


def _tflite_readme(card: Card, tflite: TFLiteFile) -> str:
    height, width, channels = card.image.shape
    indent = "    "
    known = [textwrap.fill(one, _WIDTH, initial_indent=indent, subsequent_indent=indent) for one in tflite.sentences]
    return _TFLITE_README.format(
        height=height,
        width=width,
        channels=channels,
        classes=len(card.class_names),
        card=CARD_FILE,
        sentences="\n".join(known),
        record=RECORD_FILE,
    )
