"""Records the goldens of tests/test_compatibility_*.py: ``python tests/golden/record.py``, from the checkout.

They say what no refactoring may change: which runs are the same run, what a run records, under which names and with
which numbers, what a saved model answers, and how commands end. They are only recorded again when a change of that
contract is decided; the commit that does so says which and why. A test that fails is no reason.
"""

import json
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import compatibility as contract

DATA = r"optuna\.log|(my )?pictures/.*|table\.csv|arrays\.npz|images/.*"
UNKEPT = r"(?<!\.png)(?<!\.webp)(?<!environment\.json)"  # large, or about the machine


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cnnexp-golden-") as place:
        os.environ.update(XDG_CACHE_HOME=f"{place}/cache", LOGNAME="user", COLUMNS="120")
        folder = Path(place) / "home"
        folder.mkdir()
        make_data(folder)
        record_sweeps(folder)
        record_runs(Path(place))
        again = contract.unpack(Path(place) / "again")
        record_answers(again, Path(place) / "exported")
        record_commands(again, Path(place))


def write(name: str, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (contract.GOLDEN / name).write_text(text, encoding="utf-8")


def make_data(folder: Path) -> None:
    """Three classes of twelve made-up pictures, as two folders, a table and an archive; and images to ask about."""
    random = np.random.RandomState(0)
    shades = np.repeat([40, 110, 180], 12)
    pixels = (shades[:, None, None] + random.randint(0, 60, (36, 8, 8))).astype(np.uint8)
    kinds = [("dark", "grey", "light")[label] for label in np.repeat([0, 1, 2], 12)]
    rows = ["path,kind"]
    for number, (kind, picture) in enumerate(zip(kinds, pixels, strict=True)):
        for place in ("pictures", "my pictures"):
            path = folder / place / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        rows.append(f"pictures/{kind}/{number}.png,{kind}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    np.savez_compressed(folder / "arrays.npz", images=pixels, labels=np.repeat([0, 1, 2], 12))
    make_images(folder / "images", random)


def make_images(folder: Path, random: np.random.RandomState) -> None:
    """Digits that the model knows well, and a noisy picture of another size that is unlike them."""
    folder.mkdir()
    digits = (load_digits().images * 255 / 16).astype(np.uint8)
    for number in (0, 1, 2, 5, 8):
        Image.fromarray(digits[number]).save(folder / f"digit-{number}.png")
    Image.fromarray(random.randint(0, 256, (20, 31, 3)).astype(np.uint8)).save(folder / "noise.png")
    (folder / "no-image.png").write_bytes(b"no image")


def record_sweeps(folder: Path) -> None:
    for sweep in contract.SWEEPS:
        print(sweep.name, flush=True)
        contract.end(contract.start("-m", *sweep.words, folder=folder))
    contract.end(contract.start(*contract.MODEL, f"tracking.run_name={contract.MODEL_NAME}", folder=folder))
    write("hashes.json", contract.hashes(folder))
    ids = {name: run for run, name, _ in contract.runs(folder)}
    model = contract.model_id_of(folder, ids[contract.MODEL_NAME])
    children = "|".join(contract.children(folder, contract.parents(folder)[contract.COMPARED]))
    kept = (
        rf"{DATA}|mlartifacts/({ids[contract.MODEL_NAME]}|models/{model})/.*{UNKEPT}"
        rf"|mlartifacts/({children})/artifacts/(predictions\.parquet|findings\.json)"
    )
    contract.pack(folder, contract.GOLDEN / "store.zip", re.compile(kept))


def record_runs(place: Path) -> None:
    """A run and a sweep, of which one run fails: names and numbers."""
    alone, swept = contract.run_and_sweep(place)
    found = contract.runs_by_kind(alone, swept)
    write("records.json", {kind: contract.described(folder, run) for kind, (folder, run) in found.items()})
    numbers = {"alone": contract.numbers(alone), "sweep": contract.numbers(swept)}
    write("numbers.json", {"made_on": contract.machine(), **numbers})
    write("marks.json", contract.hashes(swept))


def record_answers(folder: Path, exported: Path) -> None:
    images = contract.good_images(folder)
    name = contract.MODEL_NAME
    contract.end(contract.start("export", name, str(exported), folder=folder))
    with zipfile.ZipFile(contract.GOLDEN / "exported.zip", "w") as archive:
        for path in sorted(path for path in exported.rglob("*.*") if "__pycache__" not in path.parts):
            info = zipfile.ZipInfo(path.relative_to(exported).as_posix())
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    contract.end(contract.start("predict", name, *images, "--json", str(folder / "answers.json"), folder=folder))
    sweep = contract.parents(folder)[contract.COMPARED]
    compared = contract.end(contract.start("compare", sweep, "--json", folder=folder))
    contract.end(contract.start(*contract.EVALUATE, folder=folder))
    run = contract.runs(folder)[-1][0]
    write(
        "answers.json",
        {
            "run": json.loads((folder / "answers.json").read_text()),
            "script": contract.by_script(exported, folder),
            "mlflow": contract.by_mlflow(contract.logged_model(folder), folder),
            "compare": json.loads(compared),
            "evaluate": contract.metrics_of(folder, run),
        },
    )
    records = contract.golden("records.json") | {"evaluation": contract.described(folder, run)}
    write("records.json", records | {"exported": contract.files(exported)})


def record_commands(store: Path, place: Path) -> None:
    rows = []
    for number, (where, words) in enumerate(contract.COMMANDS):
        folder = store if where == "store" else place / str(number)
        folder.mkdir(exist_ok=True)
        process = contract.start(*words, folder=folder)
        _, errors = process.communicate(timeout=600)
        rows.append(
            {"folder": where, "words": words, "code": process.returncode, "says": contract.said(errors, folder)}
        )
    lines = ",\n".join(json.dumps(row) for row in rows)
    (contract.GOLDEN / "commands.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
