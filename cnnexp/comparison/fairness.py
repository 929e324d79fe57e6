"""What makes a comparison unfair, which the numbers alone do not show. A setting that is null is not recorded."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from cnnexp.comparison.data_sets import DIGEST, PATH
from cnnexp.comparison.design import Configuration, Setting, seed_of
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.result import SEEDS_FOR_A_VERDICT
from cnnexp.comparison.tested_images import TestedImages
from cnnexp.config import all_settings, names_affecting
from cnnexp.records import RunSummary
from cnnexp.system.text import as_yaml, listed, plural

_STEPS_RATIO = 1.25  # below, early stopping alone explains the difference
_TRIED = 20  # rows of fewest and of most steps, to find two that differ in little else


def refusals(groups: Sequence[Sequence[RunSummary]]) -> tuple[str, ...]:
    """Why no best run is named: ``groups`` of runs that saw the same test images, more than one of them."""
    if len(groups) < 2:
        return ()
    like = (f"{len(group)} like {group[0].name} ({_data_of(group[0])})" for group in groups)
    return (
        f"Runs can only be compared on the same test images; these were tested on {len(groups)} different sets: "
        f"{listed(like, most=4, separator='; ')}. Compare the runs of one set, or train again with the same data "
        "and data.split_seed.",
    )


def _data_of(run: RunSummary) -> str:
    names = ("data", PATH, DIGEST, "data.split_seed")
    known = [f"{name}={run.settings[name]}" for name in names if name in run.settings]
    return ", ".join([*known, f"digest {run.data_digest[:8]}"] if run.data_digest else known)


def warnings(
    rows: Sequence[Configuration],
    settings: Sequence[Setting],
    metric: Metric,
    images: TestedImages,
    left_out: Sequence[RunSummary],
) -> tuple[str, ...]:
    """Sentences about what is not equal between ``rows`` although it may move the numbers."""
    runs = [run for row in rows for run in row.runs]
    named = {name for setting in settings for name in (setting.name, *setting.confounded_with)}
    found = [
        _different_splits(runs),
        _different_data(runs, named),
        _known_by_name(images),
        _different_steps(rows, settings),
        *_different_machines(runs, named),
        _selected_on_test(runs),
        _seeds(rows),
        _unequal_seeds(rows),
        *(_confounded(setting) for setting in settings if setting.confounded_with),
        _survivorship(left_out),
        None if metric.name.startswith("test/") else f"{metric.name} is not a number of the test split.",
    ]
    return tuple(sentence for sentence in found if sentence)


def _values(runs: Sequence[RunSummary], name: str) -> list[str]:
    return sorted({run.settings[name] for run in runs if name in run.settings})


def _different_splits(runs: Sequence[RunSummary]) -> str | None:
    recorded = {name: _values(runs, name) for name in names_affecting("split")}
    different = [f"{name} ({', '.join(values)})" for name, values in recorded.items() if len(values) > 1]
    if not different:
        return None
    return f"The runs split their data differently: {'; '.join(different)}. They learned from different images."


def _different_data(runs: Sequence[RunSummary], named: set[str]) -> str | None:
    name = PATH if any(PATH in run.settings for run in runs) else DIGEST
    levels = _values(runs, name)
    if len(levels) < 2:
        return None
    where = f"The runs are over {len(levels)} different data sets ({name}: {listed(levels)})"
    if name in named or "data" in named:
        return f"{where}: what differs between rows over different data may be due to the data alone."
    return f"{where}, and rows average over them; --by {name} keeps them apart."


def _known_by_name(images: TestedImages) -> str | None:
    if not images.by_name:
        return None
    run = images.by_name[0]
    predictions = run.read_predictions()
    old = predictions is not None and predictions.digests is None
    why = "cnnexp 0.1.0 recorded no pixels" if old else "they are read in another way"
    return (
        f"That {run.name} was tested on the same images as the runs over other data is known by file names and labels "
        f"alone: {why}."
    )


def _different_steps(rows: Sequence[Configuration], settings: Sequence[Setting]) -> str | None:
    if not all("updates" in run.metrics for row in rows for run in row.runs):
        return None
    means = [float(np.mean([run.metrics["updates"] for run in row.runs])) for row in rows]
    fewest, most = min(means), max(means)
    if most <= _STEPS_RATIO * max(fewest, 1):
        return None
    ends = [[row for row, mean in zip(rows, means, strict=True) if mean == end][:_TRIED] for end in (fewest, most)]
    one, other = min(product(*ends), key=lambda pair: len(_apart(pair[0], pair[1], settings)))
    apart = _apart(one, other, settings)
    return (
        f"Numbers of training steps differ: {fewest:,.0f} ({_label(one, apart)}) to {most:,.0f} "
        f"({_label(other, apart)}). Fewer steps can look like a worse setting; compare at equal steps too."
    )


def _apart(one: Configuration, other: Configuration, settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings in which two rows differ."""
    return [setting for setting in settings if one.values[setting.name] != other.values[setting.name]]


def _label(row: Configuration, settings: Sequence[Setting]) -> str:
    texts = (f"{setting.name}={setting.text(row.values[setting.name])}" for setting in settings)
    return ", ".join(texts) or row.runs[0].name


def _different_machines(runs: Sequence[RunSummary], named: set[str]) -> list[str]:
    found = []
    for name in names_affecting("machine"):
        if name not in named and len(values := _machine_values(runs, name)) > 1:
            what = name.rpartition(".")[2]
            found.append(f"The runs used different {what} ({', '.join(values)}), which changes the numbers by itself.")
    return found


def _machine_values(runs: Sequence[RunSummary], name: str) -> list[str]:
    """What ``auto`` became, where it is recorded; else what was asked for."""
    used = f"used.{name.rpartition('.')[2]}"
    found = _values(runs, used)
    setting = all_settings()[name]
    if found and setting.has_unhashed and not all(used in run.settings for run in runs):  # some are older than it
        found = sorted({*found, as_yaml(setting.unhashed)})
    return found or _values(runs, name)


def _selected_on_test(runs: Sequence[RunSummary]) -> str | None:
    watched = {
        value
        for run in runs
        for name, value in (*run.settings.items(), *run.tags.items())
        if name.endswith(("monitor", "objective", "order_by_key")) and value.lstrip("-").startswith("test/")
    }
    if not watched:
        return None
    return f"The search selected on the test split ({', '.join(sorted(watched))}): its test numbers flatter the winner."


def _seeds(rows: Sequence[Configuration]) -> str | None:
    fewest = min(len({seed_of(run) for run in row.runs}) for row in rows)
    if fewest >= SEEDS_FOR_A_VERDICT:
        return None
    seeds = "A single seed" if fewest == 1 else f"Only {fewest} seeds"
    return (
        f"{seeds} for some settings: a verdict about a setting needs {SEEDS_FOR_A_VERDICT}. "
        f"Repeat with seed={','.join(str(seed) for seed in range(SEEDS_FOR_A_VERDICT))}."
    )


def _unequal_seeds(rows: Sequence[Configuration]) -> str | None:
    seeds = [{seed_of(run) for run in row.runs} for row in rows]
    shared = set.intersection(*seeds)
    if all(own == shared for own in seeds) or all(len(own) == 1 for own in seeds):
        return None
    return "Not every setting ran with the same seeds; pairs are measured on the seeds both have."


def _confounded(setting: Setting) -> str:
    others = ", ".join(setting.confounded_with)
    return f"{setting.name} never changed without {others}: its effect may be due to {others}."


def _survivorship(left_out: Sequence[RunSummary]) -> str | None:
    failed = [run for run in left_out if run.status == "FAILED"]
    if not failed:
        return None
    runs = plural(len(failed), "failed run is", "failed runs are")
    return f"{runs} left out: a setting that fails under some seeds looks better than it is."
