"""``cnnexp diagnose model.keras|model.onnx --data FOLDER``: what does a model want that cnnexp did not train?"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.cli.diagnose import Outputs
from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.compose import compose_config
from cnnexp.config import Override
from cnnexp.diagnosis.foreign.preprocessing import FACTORS, Preprocessing, options
from cnnexp.errors import ConfigError, DataError, ModelError
from cnnexp.report.console import open_console
from cnnexp.system import quiet
from cnnexp.system.files import is_file
from cnnexp.system.streams import print_error
from cnnexp.system.text import did_you_mean, listed

if TYPE_CHECKING:
    from cnnexp.config import DataConfig
    from cnnexp.saved.foreign_diagnosis import ForeignDiagnosis, UsableModel
    from cnnexp.saved.foreign_model import ForeignModel
    from cnnexp.saved.mismatches import Mismatches

_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
ONNX = ".onnx"  # needs no TensorFlow, which takes seconds
_NAMES = ("class_names.txt", "class_names.json")  # beside the images, or beside the model


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the user says beside the model."""

    data: Path  # labelled images
    images: Sequence[str]  # to be diagnosed
    root: Path | None
    true_label: str | None
    class_names: Path | None  # a file
    size: str | None  # "224" or "224,320", height first
    given: str | None  # how images are prepared now: "rgb,0..1,stretch"


def diagnose_foreign(path: Path, asked: Asked, *, outputs: Outputs) -> int:
    """Print what a model wants, and why it answers images as it does; return 1 if an image could not be read.

    Raises:
        ModelError: it cannot be used.
        ConfigError: an option is wrong.
        DataError: the labelled images are missing or too few.

    """
    refuse_to_mix(outputs)
    changes = _given(asked.given)
    names = _class_names(asked, path)
    if path.suffix.lower() != ONNX:
        quiet.import_tensorflow()
    from cnnexp.diagnosis.foreign.verdict import judge_given
    from cnnexp.report.diagnosis.foreign_json import foreign_values
    from cnnexp.report.diagnosis.foreign_page import foreign_page
    from cnnexp.report.diagnosis.foreign_text import print_foreign
    from cnnexp.report.diagnosis.image_json import images_as_json
    from cnnexp.report.diagnosis.image_page import images_page
    from cnnexp.report.diagnosis.image_text import print_diagnosis
    from cnnexp.saved import list_images
    from cnnexp.saved.foreign_diagnosis import usable
    from cnnexp.saved.foreign_model import open_foreign
    from cnnexp.saved.image_diagnosis import Diagnosis, require_class
    from cnnexp.saved.image_diagnosis import diagnose_images as diagnosed

    model = open_foreign(path)
    found = _wanted(model, asked, names)
    given = None if changes is None else _with(found.wanted.preprocessing, changes)
    findings = judge_given(found.wanted, given)
    require_class(asked.true_label, found.class_names)
    items, about = list(list_images(asked.images, root=asked.root)), Diagnosis((), None, None)
    own = usable(found) if items or outputs["html"] is not None else None  # asks about all labelled images
    if own is not None and items:
        about = diagnosed(
            own.classifier, items, mismatches=_mismatches(own), recorded=own.recorded, true_label=asked.true_label
        )
    if own is not None and outputs["html"] is not None:
        page = images_page(
            str(path),
            own.classifier,
            items,
            about,
            true_label=asked.true_label,
            mapper=own.mapper,
            foreign=foreign_page(found, findings),
        )
        write_document(page, outputs["html"], option="--html")
    if outputs["json"] is not None:
        document = images_as_json(str(path), about, foreign=foreign_values(found, findings))
        write_document(document, outputs["json"], option="--json")
    elif outputs["html"] != STDOUT:
        print_foreign(open_console(), found, findings)
        print_diagnosis(open_console(), about)
    return 1 if any(image.verdict is None for image in about.images) else 0


def _wanted(model: "ForeignModel", asked: Asked, names: Sequence[str] | None) -> "ForeignDiagnosis":
    from cnnexp.saved.foreign_diagnosis import diagnose_foreign as diagnosed
    from cnnexp.saved.labelled_images import read_labelled

    size = _size(model, asked.size)
    images = read_labelled(_data(asked.data), grey=model.channels == 1, size=size)
    return diagnosed(model, images, size=size, class_names=names, on_progress=lambda done, total: None)


def _data(place: Path) -> "DataConfig":
    """Return the settings of labelled images in a folder, an archive, a table, or arrays."""
    lower = place.name.lower()
    option = "table" if lower.endswith(_TABLES) else "npz" if lower.endswith(".npz") else "folder"
    return compose_config([f"data={option}", str(Override.setting("data.path", str(place)))]).data


def _size(model: "ForeignModel", size: str | None) -> tuple[int, int]:
    """Return height and width of what the model is given.

    Raises:
        ConfigError: they are no numbers, contradict the model, or are needed and not given.

    """
    if size is None:
        if model.size is None:
            raise ConfigError(f"{model.path} takes images of any size; say which: --size 224, or --size H,W.")
        return model.size
    parts = size.lower().replace("x", ",").split(",")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"--size must be pixels, such as 224, or H,W; got {size!r}.")
    asked = int(parts[0]), int(parts[-1])
    if model.size is not None and model.size != asked:
        raise ConfigError(f"--size must be what the model takes, {model.size[0]},{model.size[1]}; got {size}.")
    return asked


def _class_names(asked: Asked, model: Path) -> tuple[str, ...] | None:
    """Return the classes in the order of the outputs, from a file: the one that is named, or one beside the others."""
    places = [folder / name for folder in (asked.data, model.parent) for name in _NAMES]
    path = asked.class_names or next((place for place in places if is_file(place)), None)
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--class-names must be a text file with a class a line, or a JSON list; {path}: {error}"
        ) from error
    names = [str(name).strip() for name in content] if isinstance(content, list) else []
    names = [name for name in names if name]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"--class-names must name two classes or more, each once; {path} has {listed(names, most=10)}."
        )
    return tuple(names)


def _given(text: str | None) -> dict[str, str] | None:
    """Return the choice of each step that is named: "rgb,0..1,stretch"."""
    if text is None:
        return None
    known = {
        name: factor
        for factor in FACTORS
        for grey in (False, True)
        for name in options(factor, grey=grey, whole_numbers=False)
    }
    found = {}
    for name in text.lower().replace(" ", "").split(","):
        if name not in known:
            raise ConfigError(
                f"--given is a list of {', '.join(known)}; got {name!r}.{did_you_mean(name, list(known))}"
            )
        found[known[name]] = name
    return found


def _with(wanted: Preprocessing, changes: dict[str, str]) -> Preprocessing:
    for factor, name in changes.items():
        wanted = wanted.with_(factor, name)
    return wanted


def _mismatches(own: "UsableModel") -> "Mismatches | None":
    from cnnexp.saved.held_out import FEWEST
    from cnnexp.saved.mismatches import mismatches_of

    held_out = own.held_out
    if held_out is None:
        print_error(
            f"Mismatches of single images were not looked for: that takes {FEWEST} labelled images in each half, "
            f"{2 * FEWEST} in all."
        )
        return None
    fitting = f"Mismatches are simulated on the {held_out.name}, once; the next diagnosis needs no time for it."
    try:
        return mismatches_of(own.classifier, held_out, on_fit=lambda: print_error(fitting))
    except (DataError, ModelError) as error:
        print_error(str(error))
        return None
