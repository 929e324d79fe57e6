"""Ordinary runs by the hundred, a few seconds each: how many of them are accused, and of what?

    python -m benchmarks.faults.ordinary run PART --state FOLDER [--runs 120] [--first 0] [--minutes 10] \
        --cifar10 FOLDER --signs FOLDER
    python -m benchmarks.faults.ordinary run PART --varied --state FOLDER ...     # other networks and settings, too
    python -m benchmarks.faults.ordinary count PART --state FOLDER

PART is `development` or `held_out`; they share no data set, as in `split.toml`, but the two smallest networks, as
others take longer; with `--varied` a residual and a VGG-like one are drawn as often, beside larger batches, more
dropout, stronger augmentation, focal loss and other schedules. Run `i` of a part is always the same: some classes of a
data set, some of the images of each split, so that chance has its say, and settings that a person would choose. Nothing
is wrong with them, so that every finding is a false alarm; but where a network ends far below five nearest neighbours
by raw pixels, settings did not suit it, and it is counted apart. The verdict is what a run ends with.
FOLDER/PART.jsonl, or PART-varied.jsonl, keeps them; the same line goes on where it stopped.
"""

import argparse
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.faults.cases import PARTS, table
from benchmarks.faults.compose_case import BASE, merged
from benchmarks.faults.data_sets import SPLITS, DataSet, Part, Places, load
from benchmarks.faults.intervals import wilson

DATA = {  # each with its share of the runs: photographs take minutes to learn
    "development": (("digits", 0.45), ("fashion_a", 0.45), ("cifar_a", 0.1)),
    "held_out": (("fashion_b", 0.7), ("signs", 0.2), ("cifar_b", 0.1)),
}
HALVED = 0.7  # of the runs on larger images than digits, that average 2 × 2 pixels
FEWEST = {"train": 0.6, "val": 0.2, "calibration": 0.2, "test": 0.2}  # share of the images of a split that is kept
NETWORKS = ("small", "baseline")
EPOCHS, WIDTHS, BATCHES = (30, 45), (8, 12, 16), (16, 32, 64)
OPTIMIZERS = (  # each with the range of its rate
    ("adam", 0.001, 0.004),
    ("adamw", 0.001, 0.004),
    ("rmsprop", 0.0007, 0.002),
    ("sgd", 0.01, 0.05),
)
REGULARIZATIONS = (
    (),
    ("regularization=dropout", "regularization.dropout=0.3"),
    ("regularization=l2",),
    ("regularization=dropout_l2",),
    ("regularization=label_smoothing",),
)
AUGMENTATIONS = (("augmentation=none",), ("augmentation=basic",))
SCHEDULES = (("schedule=constant",), ("schedule=constant",), ("schedule=cosine",), ("schedule=plateau",))
BELOW = 0.05  # accuracy on test that a healthy run may be below its neighbours
SCALINGS = ((), ("data.scaling=standardize",))
VARIED_NETWORKS = (*NETWORKS, "resnet", "vgg")
VARIED_BATCHES = (16, 32, 64, 128)
VARIED_OPTIMIZERS = (*OPTIMIZERS, ("muon", 0.001, 0.004))
VARIED_REGULARIZATIONS = (*REGULARIZATIONS, ("regularization=dropout",), ("regularization=l1",))
VARIED_AUGMENTATIONS = (*AUGMENTATIONS, ("augmentation=strong", "augmentation.policy=none"))
VARIED_SCHEDULES = (*SCHEDULES, ("schedule=warmup_cosine",), ("schedule=linear",), ("schedule=one_cycle",))
LOSSES = ((), (), (), ("loss=focal",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "count"])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first run, so that two processes share them"
    )
    parser.add_argument("--varied", action="store_true")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cifar10")
    parser.add_argument("--signs")
    asked = parser.parse_args()
    file = asked.state / f"{asked.part}{'-varied' if asked.varied else ''}.jsonl"
    if asked.what == "run":
        asked.state.mkdir(parents=True, exist_ok=True)
        numbers = range(asked.first, asked.first + asked.runs)
        places, until = Places(asked.cifar10, asked.signs), time.monotonic() + 60 * asked.minutes
        run(asked.part, numbers, file, places, until=until, varied=asked.varied)
    print(counted(records_of(file)))


def run(part: str, numbers: Sequence[int], file: Path, places: Places, *, until: float, varied: bool = False) -> None:
    """Train what has no record yet, one after the other, until time is up."""
    from benchmarks.faults.finished import Unrecorded

    unrecorded, done = Unrecorded(), {record["number"] for record in records_of(file)}
    for number in numbers:
        if number in done or time.monotonic() > until:
            continue
        work = file.parent / f"{file.stem}-{number}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            overrides = line_of(part, number, work, places, varied=varied)
            neighbours = accuracy_of_neighbours(work / "data.npz")
            finished, error = unrecorded.train(overrides, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        own = [word for word in overrides if str(work) not in word]
        record = {"number": number, "line": " ".join(own), "error": error}
        if finished is not None:
            said = [{key: one[key] for key in ("id", "title", "sentence", "repair")} for one in finished.findings]
            record |= {
                "accuracy": finished.reported,
                "neighbours": neighbours,
                "findings": said,
                "seconds": finished.seconds,
            }
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")
        print(number, _names(record), f"{record.get('accuracy', 0):.3f} {record.get('seconds', 0):.1f} s", flush=True)


def line_of(part: str, number: int, work: Path, places: Places, *, varied: bool = False) -> tuple[str, ...]:
    """Write the data of a run into `work`, and return the overrides of its command line."""
    random = np.random.default_rng([PARTS.index(part), number, *([1] if varied else [])])
    names, shares = zip(*DATA[part], strict=True)
    name = str(random.choice(names, p=shares))
    data = thinned(load(name, places, seed=number), random, name)
    if name != "digits" and random.random() < HALVED:
        data = halved(data)
    data.save(work / "data.npz")
    networks, optimizers = (VARIED_NETWORKS, VARIED_OPTIMIZERS) if varied else (NETWORKS, OPTIMIZERS)
    network = table("split")["overrides"][networks[random.integers(len(networks))]]
    optimizer, low, high = optimizers[random.integers(len(optimizers))]
    rate = float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.2g}")
    usual = (REGULARIZATIONS, AUGMENTATIONS, SCHEDULES, SCALINGS)
    groups = (VARIED_REGULARIZATIONS, VARIED_AUGMENTATIONS, VARIED_SCHEDULES, SCALINGS, LOSSES) if varied else usual
    chosen = [group[random.integers(len(group))] for group in groups]
    batches = VARIED_BATCHES if varied else BATCHES
    numbers = [group[random.integers(len(group))] for group in (WIDTHS, batches, EPOCHS)]
    return merged(
        BASE,
        network,
        (f"model.width={numbers[0]}", f"training.batch_size={numbers[1]}", f"training.epochs={numbers[2]}"),
        (f"optimizer={optimizer}", f"optimizer.learning_rate={rate}"),
        *chosen,
        ("data=npz", f"data.path={work / 'data.npz'}", f"data.cache={work / 'cache'}", f"seed={number}"),
    )


def thinned(data: DataSet, random: np.random.Generator, name: str) -> DataSet:
    """Return some classes of a data set and some of the images of each split; of hands, a thousand are few enough."""
    classes = len(data.class_names)
    number = {"cifar_a": 2, "cifar_b": 2, "signs": classes}.get(name) or int(random.choice([2, 3, 5, classes]))
    kept = np.sort(random.permutation(classes)[:number])
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero(np.isin(data[split].labels, kept))
        share = 1.0 if (name, split) == ("signs", "train") else random.uniform(FEWEST[split], 1)
        rows = random.permutation(rows)[: max(round(share * len(rows)), min(len(rows), 40))]
        parts[split] = Part(data[split].images[rows], np.searchsorted(kept, data[split].labels[rows]))
    return DataSet(tuple(data.class_names[place] for place in kept), parts)


def halved(data: DataSet) -> DataSet:
    """Return images of half as many rows and columns."""
    parts = {}
    for split, part in data.parts.items():
        count, height, width, channels = part.images.shape
        blocks = part.images.reshape(count, height // 2, 2, width // 2, 2, channels)
        parts[split] = Part(np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8), part.labels)
    return DataSet(data.class_names, parts)


def accuracy_of_neighbours(archive: Path) -> float:
    """Return the accuracy on test of five nearest training images by their pixels."""
    from sklearn.neighbors import KNeighborsClassifier

    with np.load(archive) as arrays:
        parts = [
            (arrays[f"x_{split}"].reshape(len(arrays[f"x_{split}"]), -1) / 255, arrays[f"y_{split}"])
            for split in ("train", "test")
        ]
    return float(KNeighborsClassifier(5).fit(*parts[0]).score(*parts[1]))


def records_of(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def counted(records: Sequence[dict]) -> str:
    """Return how many runs were accused with 95 % Wilson intervals, of what, and each of them on a line."""
    ended = [record for record in records if not record["error"]]
    healthy = [record for record in ended if record["accuracy"] >= record["neighbours"] - BELOW]
    poor = [record for record in ended if record not in healthy]
    accused = [record for record in ended if record["findings"]]
    lines = [f"healthy: {_accused(healthy)}", f"far below their neighbours: {_accused(poor)}"]
    lines += [f"{len(records) - len(ended)} failed"] if len(records) > len(ended) else []
    return "\n".join([*lines, *map(_line, accused)])


def _accused(records: Sequence[dict]) -> str:
    accused = [record for record in records if record["findings"]]
    low, high = wilson(len(accused), len(records)) if records else (0.0, 1.0)
    first = Counter(record["findings"][0]["id"] for record in accused)
    named = ", ".join(f"{name} {count}" for name, count in first.most_common())
    share = len(accused) / max(len(records), 1)
    return f"{len(accused)} of {len(records)} accused, {share:.3f} ({low:.3f} to {high:.3f}) {named}"


def _line(record: dict) -> str:
    scores = f"{record['accuracy']:.3f}, neighbours {record['neighbours']:.3f}"
    return f"{record['number']} {_names(record)} {scores}: {record['line']}"


def _names(record: dict) -> str:
    return "+".join(one["id"] for one in record.get("findings", ())) or record["error"] or "nothing"


if __name__ == "__main__":
    main()
