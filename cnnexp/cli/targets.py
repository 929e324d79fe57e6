"""What a command line names: the store, and in it or as an exported folder, the model that is meant."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cnnexp.config import Override, unquote, values_of
from cnnexp.config.defaults import default_store, from_variables
from cnnexp.config.tracking import require_store
from cnnexp.errors import ConfigError
from cnnexp.system.files import is_file
from cnnexp.system.text import printable

_STORE = "tracking.uri"
MODEL_ENDINGS = (".keras", ".onnx")  # of models that cnnexp did not train
_OF_KERAS = "If you trust it: keras.saving.load_model(FILE).save('model.keras')."
_OF_TORCH = "In the program that has its code: torch.onnx.export(model, example, 'model.onnx')."
_CONVERTED = {
    ".h5": _OF_KERAS,
    ".hdf5": _OF_KERAS,
    ".pt": _OF_TORCH,
    ".pth": _OF_TORCH,
    ".tflite": "python -m tf2onnx.convert --tflite FILE --output model.onnx",
}
_CARD_FILE = "card.json"  # as `cnnexp.portable.card` has it, which imports NumPy


def separate_store(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return the other arguments, and the store: the last ``tracking.uri=...`` among them, or the configured one.

    Raises:
        ConfigError: the configured one is not the address of a store.

    """
    others = [argument for argument in arguments if Override.parse(argument).key != _STORE]
    values = values_of(arguments)
    if _STORE in values:
        return others, unquote(values[_STORE])
    uri = default_store()
    require_store(uri)
    name_variable(uri)
    return others, uri


def name_variable(uri: str) -> None:
    """Print, beside what a command answers, that the environment has chosen the store."""
    if (chosen := from_variables(uri=uri)) is not None:
        print(f"store {printable(chosen)}", file=sys.stderr)


def is_exported(target: str) -> bool:
    """Return whether a target is the folder of a model, as ``cnnexp export`` writes one."""
    return is_file(Path(target) / _CARD_FILE)


def is_model_file(target: str) -> bool:
    """Return whether a target is the file of a model, as Keras or an ONNX program writes one."""
    return target.lower().endswith(MODEL_ENDINGS) and is_file(target)


def refuse_other_models(target: str) -> None:
    """Refuse model files of other kinds, with what makes one of them that is read.

    Raises:
        ConfigError: it is one.

    """
    ending = Path(target).suffix.lower()
    if ending in _CONVERTED and is_file(target):
        raise ConfigError(f"Models are read from .keras and .onnx files; got {target}. {_CONVERTED[ending]}")


@contextmanager
def model_folder(target: str, *, uri: str) -> Iterator[Path]:
    """Give the folder of the model that is meant: an exported folder, or one of a recorded run.

    Raises:
        TargetError: no run is meant, or several are.
        ModelError: the run has no model.

    """
    if is_exported(target):
        yield Path(target)
        return
    from cnnexp.tracking.recorded_model import recorded_model  # an exported folder needs no store

    with recorded_model(target, uri=uri).folder() as folder:
        yield folder
