"""The header: what this run is going to do, before it does it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnnexp.config.defaults import from_variables
from cnnexp.records import RunInfo
from cnnexp.report.model_room import ModelSize, room_for_model
from cnnexp.system.text import plural, printable

FEW_CLASSES = 12  # up to this many are counted by name
MOST_COLUMNS = 60  # up to this many classes fit into one row of columns
IMBALANCED_FROM = 1.5  # largest class over smallest
HEIGHTS = "▁▂▃▄▅▆▇█"


def print_header(console: Console, info: RunInfo, settings: Mapping[str, Any], *, named: bool = True) -> None:
    """Print data, model and method, below the name if `named`; `settings` is the whole configuration, plain values."""
    if named:
        console.print(Text(printable(info.name), style="title"))
    console.print(Padding.indent(_table(info, settings, columns=console.encoding.startswith("utf")), 2))
    console.print()


def _table(info: RunInfo, settings: Mapping[str, Any], *, columns: bool) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=True)
    grid.add_column(style="label", no_wrap=True)
    grid.add_column(overflow="fold")
    notes = [("note", printable(note)) for note in info.notes]
    for label, text in (*header_rows(info, settings, columns=columns), *notes):
        grid.add_row(label, text)
    return grid


def header_rows(info: RunInfo, settings: Mapping[str, Any], *, columns: bool) -> list[tuple[str, str | Text]]:
    """Return what a run does, as labels and texts.

    Args:
        info: Of the run.
        settings: The whole configuration as nested plain values.
        columns: Draw the number of images of each class with letters that only Unicode has.

    """
    return [
        ("data", _data(info)),
        ("images", _images(info, settings["data"])),
        ("classes", _classes(info, columns=columns)),
        ("model", f"{settings['model']['name']}, {info.parameters:,} parameters"),
        ("model files", _model_files(info, settings["tracking"])),
        ("optimizer", _optimizer(info, settings)),
        ("schedule", _schedule(settings["schedule"])),
        *_loss(settings["loss"]),
        ("regularization", _regularization(settings["regularization"])),
        ("augmentation", info.augmentation),
        ("training", _training(info, settings["training"])),
        ("machine", _machine(info, settings)),
        *_store(settings["tracking"]),
    ]


def _machine(info: RunInfo, settings: Mapping[str, Any]) -> str:
    """Name the device, and how it computes."""
    device = re.sub("^cpu", "processor", printable(info.device))
    varies = "" if settings["training"]["deterministic"] else ", not deterministic"
    return f"{device}, {plural(info.threads, 'thread')}, {info.precision}, seed {settings['seed']}{varies}"


def _store(tracking: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name the store where the environment has chosen it."""
    chosen = from_variables(uri=tracking["uri"], experiment=tracking["experiment"])
    return [] if chosen is None else [("store", printable(chosen))]


def _model_files(info: RunInfo, tracking: Mapping[str, Any]) -> str:
    """Say how much room the model will take; a run of a sweep that is not its best may lose it."""
    return "not kept" if tracking["models"] == "none" else room_for_model(ModelSize.of_run(info))


def _data(info: RunInfo) -> str:
    size = " × ".join(str(side) for side in info.input_shape)
    source = f"; {info.data_source}" if info.data_source else ""
    return printable(f"{info.data_name}, {plural(len(info.class_names), 'class')}, {size}{source}")


def _images(info: RunInfo, data: Mapping[str, Any]) -> str:
    """Count the images of each split; of a run of folds those that its final model trains on, and declared splits."""
    counts = {split: sum(counts) for split, counts in info.class_counts.items()}
    if data["folds"] is None or data["fold"] is not None:
        return ", ".join(f"{split} {count:,}" for split, count in counts.items())
    others = [f"{split} {count:,}" for split, count in counts.items() if count and split != "train"]
    return ", ".join([f"train {counts['train']:,}, each judged in one of {data['folds']} folds", *others])


def _classes(info: RunInfo, *, columns: bool) -> Text:
    """Training images per class: the range, as columns, and by name where that is short."""
    counts = info.class_counts["train"]
    fewest, most = min(counts), max(counts)
    if fewest == most:
        return Text(f"{most:,} train images each")
    text = Text(f"{fewest:,} to {most:,} train images each")
    if fewest == 0:
        text.append(f", {plural(counts.count(0), 'class')} without any", style="attention")
    elif most >= IMBALANCED_FROM * fewest:
        text.append(f", imbalance {most / fewest:.3g} : 1", style="attention")
    if columns and len(counts) <= MOST_COLUMNS:
        text.append("  ")
        text.append("".join(HEIGHTS[round(7 * count / most)] for count in counts), style="label")
    text.append("\n")
    text.append(_named(info.class_names, counts), style="muted")
    return text


def _named(names: Sequence[str], counts: Sequence[int]) -> str:
    if len(names) <= FEW_CLASSES:
        return _listed(names, counts, range(len(names)))
    order = sorted(range(len(names)), key=lambda index: -counts[index])
    return f"most: {_listed(names, counts, order[:3])}; fewest: {_listed(names, counts, order[-3:])}"


def _listed(names: Sequence[str], counts: Sequence[int], chosen: Sequence[int]) -> str:
    return ", ".join(f"{printable(names[index])} ({counts[index]:,})" for index in chosen)


def _optimizer(info: RunInfo, settings: Mapping[str, Any]) -> str:
    optimizer = settings["optimizer"]
    shown = [name for name in ("momentum", "weight_decay", "clip_norm") if optimizer.get(name)]
    extras = _as_text({name: optimizer[name] for name in shown})
    if optimizer["layer_decay"] != 1:
        extras.append(f"layer decay {optimizer['layer_decay']:g}")
    if optimizer.get("nesterov"):
        extras.append("nesterov")
    return ", ".join([optimizer["name"], _learning_rate(info, optimizer, settings["training"]), *extras])


def _learning_rate(info: RunInfo, optimizer: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    rate = f"learning rate {info.learning_rate:g}"
    size, parts = _batches(info, training)
    images = size * parts
    if optimizer["batch_scaling"] != "none" and images != optimizer["reference_batch_size"]:
        ratio = f"{images}/{optimizer['reference_batch_size']}"
        factor = f"sqrt({ratio})" if optimizer["batch_scaling"] == "sqrt" else ratio
        at_reference = optimizer["learning_rate"] if info.found is None else info.found.learning_rate
        rate += f" ({at_reference:g} × {factor})"
    return rate if info.found is None else f"{rate}, found"


def _loss(loss: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name a loss other than cross-entropy."""
    return [] if loss["name"] == "cross_entropy" else [("loss", ", ".join([loss["name"], *_as_text(loss)]))]


def _schedule(schedule: Mapping[str, Any]) -> str:
    return ", ".join([schedule["name"], *_as_text(schedule)])


def _regularization(values: Mapping[str, Any]) -> str:
    return ", ".join(_as_text({name: value for name, value in values.items() if value != 0})) or "none"


def _as_text(values: Mapping[str, Any]) -> list[str]:
    return [f"{name.replace('_', ' ')} {value:g}" for name, value in values.items() if name != "name"]


def _training(info: RunInfo, training: Mapping[str, Any]) -> str:
    patience = training["patience"]
    stop = f", patience {patience} on {training['monitor']}" if patience is not None else ""
    kept = "" if training["keep"] == "best" else f", keeps the {training['keep']}"
    head = f"{plural(training['head_epochs'], 'epoch')} of the head, then " if training["head_epochs"] else ""
    epochs = f"{head}{plural(training['epochs'], 'epoch')} of {plural(info.steps_per_epoch, 'step')}"
    size, parts = _batches(info, training)
    batch = f"batch {size}" + (f" × {parts}" if parts > 1 else "") + (", found" if info.accumulation else "")
    if info.devices > 1:
        batch += f" ({size * parts / info.devices:g} on each of {info.devices} devices)"
    recipes = "".join(f", {recipe}" for recipe in _recipes(training))
    return f"{epochs}, {batch}{stop}{kept}{recipes}{_frozen(training['freeze'])}"


def _batches(info: RunInfo, training: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many images a batch has, and how many of them make a step, as they were found or set."""
    found = info.accumulation
    return (training["batch_size"], training["accumulate"]) if found is None else (found.batch_size, found.accumulate)


def _frozen(freeze: str | int) -> str:
    if isinstance(freeze, int):
        return f", first {plural(freeze, 'block')} frozen"
    return "" if freeze == "none" else f", {freeze} frozen"


def _recipes(training: Mapping[str, Any]) -> list[str]:
    """Name what is not as usual."""
    recipes = {
        f"class weights {training['class_weight']}": training["class_weight"] != "none",
        f"sampling {training['sampling']}": training["sampling"] != "shuffled",
        f"average of weights {training['ema']}": training["ema"] is not None,
        f"soup of {training['soup']} epochs": training["soup"] > 1,
    }
    return [recipe for recipe, is_used in recipes.items() if is_used]
