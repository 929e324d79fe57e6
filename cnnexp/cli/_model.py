"""What commands that use a saved model have in common: which store, which model."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_STORE = "tracking.uri="
CARD_FILE = "card.json"  # as `cnnexp.portable.card` has it, which imports NumPy


def without_store(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the words, and the store: the last ``tracking.uri=...`` among them, or the configured one."""
    others = [word for word in words if not word.startswith(_STORE)]
    stores = [word.removeprefix(_STORE) for word in words if word.startswith(_STORE)]
    return others, stores[-1] if stores else _configured_uri()


def _configured_uri() -> str:
    import yaml  # composing takes half a second

    from cnnexp.compose.folder import CONF

    settings = yaml.safe_load((CONF / "tracking" / "default.yaml").read_text(encoding="utf-8"))
    return str(settings["uri"])


@contextmanager
def model_folder(target: str, *, uri: str) -> Iterator[Path]:
    """Give the folder of the model that is meant: an exported folder, or one of a recorded run.

    Raises:
        TargetError: no run is meant, or several are.
        ModelError: the run has no model.

    """
    if (Path(target) / CARD_FILE).is_file():
        yield Path(target)
        return
    from cnnexp.tracking.recorded_model import recorded_model

    with recorded_model(target, uri=uri).folder() as folder:
        yield folder


def accept_any_letter() -> None:
    """Let standard output replace letters that its encoding lacks, instead of failing."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
