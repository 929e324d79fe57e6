"""The network that an earlier run left behind, as another one starts from it; without Keras."""

import hashlib
import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnexp.errors import ModelError
from cnnexp.portable import user_code
from cnnexp.portable.card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, Card, UnfitModelError, digest_of
from cnnexp.portable.reference import TrainingReference
from cnnexp.records import PretrainedNetwork, Scaling
from cnnexp.system.files import at_home, is_file

_CONTENTS = ("config.json", "model.weights.h5")  # of a .keras file; the third says when it was saved


@contextmanager
def earlier_network(run: str, *, store: str) -> Iterator[PretrainedNetwork]:
    """Find the network of a run, or of an exported folder; its file is there as long as the block.

    Raises:
        ModelError: the run has no model, or its files are damaged.
        TargetError: no run is meant, or several are.

    """
    if is_exported(run):
        yield _network(at_home(run), origin=f"folder {at_home(run).resolve().name}")
        return
    from cnnexp.tracking.recorded_model import recorded_model  # an exported folder needs no store

    model = recorded_model(run, uri=store)
    with model.folder() as folder:
        yield _network(folder, origin=f"run {model.run.run_id[:12]} ({model.run.name})")


def is_exported(run: str) -> bool:
    """Tell whether the folder of a model is meant, as ``cnnexp export`` writes one."""
    return is_file(at_home(run) / CARD_FILE)


def _network(folder: Path, *, origin: str) -> PretrainedNetwork:
    try:
        card = Card.from_json((folder / CARD_FILE).read_bytes())
        contents = {name: _unchanged(folder, name, card) for name in (MODEL_FILE, REFERENCE_FILE)}
        code = user_code.code_beside(folder)
        reference = TrainingReference.from_bytes(contents[REFERENCE_FILE])
        with zipfile.ZipFile(folder / MODEL_FILE) as archive:
            parts = {name: archive.read(name) for name in _CONTENTS}
    except (UnfitModelError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"The network of {origin} cannot be continued from: {error}") from error
    spec = card.image
    return PretrainedNetwork(
        height=spec.height,
        width=spec.width,
        smallest=None,
        color=spec.color,
        resize=spec.resize,
        scaling=Scaling(card.scaling["rule"], tuple(card.scaling["scale"]), tuple(card.scaling["offset"])),
        values_per_pixel=_largest_map(json.loads(parts["config.json"])) / (spec.height * spec.width),
        weights=folder / MODEL_FILE,
        digest=_digest(parts, card, code),
        class_names=card.class_names,
        trained_on=reference.trained_on,
        origin=f"The network continues from that of {origin}.",
        code={f"{user_code.FOLDER}/{name}": content.decode("utf-8") for name, content in code.items()},
    )


def _unchanged(folder: Path, name: str, card: Card) -> bytes:
    content = (folder / name).read_bytes()
    if digest_of(content) != card.files.get(name):
        raise UnfitModelError(
            f"{name} is not the file that {CARD_FILE} was written for. Take the original from the run."
        )
    return content


def _digest(parts: dict[str, bytes], card: Card, code: dict[str, bytes]) -> str:
    """Return the sha256 (hex) of the network, its weights, classes and code, wherever and whenever it was saved."""
    layers, weights = (parts[name] for name in _CONTENTS)
    description = json.dumps(json.loads(layers, object_hook=_lasting), sort_keys=True)
    digest = hashlib.sha256("\0".join((*card.class_names, description)).encode())
    digest.update(weights)
    for name, content in code.items():
        digest.update(f"{name} {digest_of(content)}".encode())
    return digest.hexdigest()


def _lasting(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what Keras writes of an object's place in memory, which differs each time."""
    return {name: one for name, one in value.items() if name != "shared_object_id"}


def _largest_map(description: dict[str, Any]) -> int:
    """Return the values of the largest feature map (H, W, C) that a layer of a Keras model is given."""
    shapes = [shape for shape in _shapes(description["config"]["layers"]) if len(shape) == 4]
    return max((math.prod(shape[1:]) for shape in shapes), default=0)


def _shapes(value: Any) -> Iterator[list[int]]:  # noqa: ANN401 - JSON
    """Yield the shapes in what Keras says of layers: lists that begin with null, for the number of images."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _shapes(one)
    elif isinstance(value, list) and value and value[0] is None:
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _shapes(one)
