"""``cnnexp rerun``: a recorded run again, from its record, and whether its numbers are the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from cnnexp.cli.code_flags import EXTEND, with_code
from cnnexp.compose import compose_config, recorded_overrides
from cnnexp.config import Override
from cnnexp.config.columns import SETTINGS
from cnnexp.config.extended import all_added
from cnnexp.errors import ConfigError, TargetError
from cnnexp.records import RunSummary
from cnnexp.report.console import open_console, print_line
from cnnexp.report.table import Column, print_table
from cnnexp.sweeps.context import SweepContext
from cnnexp.system.text import listed, plural, printable
from cnnexp.tracking.recorded_model import recorded_config
from cnnexp.tracking.store.find_runs import find_runs, newest_with_tag
from cnnexp.tracking.tags import COMMIT, EVALUATES, RERUNS, SWEEP_EXTEND
from cnnexp.train import train

_TIMES = "seconds/"  # of no number that training again should repeat
_AGAIN = " again"  # after the name of the first run, however often it is repeated
_USED = ("threads", "precision")  # settings of training that were auto: what they became
_SHOWN = 12  # numbers that differ


@dataclass(frozen=True, slots=True)
class Repetition:
    """The numbers of a run and of its repetition."""

    same: int
    different: Mapping[str, tuple[float | None, float | None]]  # name -> recorded and new; None: one has no such number
    changes: tuple[str, ...]  # what else is not the same, which may explain it


def run(target: str, settings: Sequence[str], *, uri: str) -> int:
    """Train a run again with its recorded settings, `settings` after them, and compare; return 1 where numbers differ.

    The repetition is recorded beside the run, with the tag `cnnexp.reruns`. Code of the user's is loaded from where it
    was, unless this command has given it.

    Raises:
        TargetError: the target is not one run that was trained.
        CnnexpError: the training failed.

    """
    recorded = _one_run(target, uri)
    content = recorded_config(recorded.run_id, uri=uri)
    if content is None:
        raise ConfigError(f"A run is repeated from its config.yaml; {recorded.name} ({recorded.run_id}) has none.")
    name = f"{recorded.name.removesuffix(_AGAIN)}{_AGAIN}"
    where = {"tracking.uri": uri, "tracking.experiment": recorded.experiment, "tracking.run_name": name}
    with with_code([f"{EXTEND}={one}" for one in _code(recorded)]):
        overrides = [
            *recorded_overrides(content),
            *(
                f"training.{one}={recorded.settings[f'used.{one}']}"
                for one in _USED
                if f"used.{one}" in recorded.settings
            ),
            *_device(recorded),
            *_parts(recorded),
            *settings,
            *(str(Override.setting(key, value)) for key, value in where.items()),
        ]
        context = SweepContext(tags={RERUNS: recorded.run_id})
        train(compose_config(overrides), overrides=_shown(overrides, recorded), sweep=context, folder=Path())
    again = newest_with_tag(uri, RERUNS, recorded.run_id)
    found = repetition(recorded, again)
    _print(found, recorded, again)
    return 1 if found.different else 0


def _device(recorded: RunSummary) -> list[str]:
    """Return the override for the kind of device that a run has used; a run of earlier versions does not say."""
    used = recorded.settings.get("used.device")
    return [] if used is None else [f"training.device={'cpu' if used.split()[0] == 'cpu' else 'gpu'}"]


def _one_run(target: str, uri: str) -> RunSummary:
    runs = find_runs([target], uri=uri)
    if len(runs) > 1:
        ids = listed(f"{one.run_id[:12]} ({one.name})" for one in runs)
        raise TargetError(f"rerun repeats one run; {target!r} has {len(runs)}. Name one of them: {ids}.")
    if EVALUATES in runs[0].tags:
        raise TargetError(f"rerun repeats a training; {runs[0].name} evaluates a model: cnnexp evaluate does it again.")
    return runs[0]


def _parts(recorded: RunSummary) -> list[str]:
    """Return the parts that a batch was divided into where training.accumulate was auto."""
    found = int(recorded.settings.get("used.accumulate", 1))
    if found == 1:
        return ["training.accumulate=1"] if "used.accumulate" in recorded.settings else []
    size = int(recorded.settings["training.batch_size"]) // found
    return [f"training.batch_size={size}", f"training.accumulate={found}"]


def _shown(overrides: Sequence[str], recorded: RunSummary) -> list[str]:
    """Return the overrides but for those of settings that the run kept out of its columns: they were not asked for."""
    hidden = json.loads(recorded.tags.get(SETTINGS, "{}"))
    return [override for override in overrides if Override.parse(override).key not in hidden]


def _code(recorded: RunSummary) -> list[str]:
    """Return the files of the user's code that a run used, where this command has not given any."""
    if all_added():
        return []
    if SWEEP_EXTEND in recorded.tags:
        return list(json.loads(recorded.tags[SWEEP_EXTEND]))
    return sorted({value.partition("@")[0] for name, value in recorded.settings.items() if name.endswith(".code")})


def repetition(recorded: RunSummary, again: RunSummary) -> Repetition:
    """Compare every final number of two runs but times, to the last bit, and what else may explain a difference."""
    numbers = [{k: v for k, v in one.metrics.items() if not k.startswith(_TIMES)} for one in (recorded, again)]
    names = sorted(numbers[0].keys() | numbers[1].keys())
    pairs = {name: (numbers[0].get(name), numbers[1].get(name)) for name in names}
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    changes = [
        f"{name} {before or 'not recorded'}, now {after or 'not recorded'}"
        for name, before, after in _facts(recorded, again)
        if before != after
    ]
    return Repetition(len(pairs) - len(different), different, tuple(changes))


def _facts(recorded: RunSummary, again: RunSummary) -> list[tuple[str, str | None, str | None]]:
    settings = sorted(recorded.settings.keys() | again.settings.keys())
    return [
        ("data", recorded.data_digest, again.data_digest),
        ("commit", recorded.tags.get(COMMIT), again.tags.get(COMMIT)),
        *((name, recorded.settings.get(name), again.settings.get(name)) for name in settings if name not in _AUTO),
    ]


_AUTO = frozenset(f"training.{name}" for name in (*_USED, "device"))  # given as what they had become


def _print(found: Repetition, recorded: RunSummary, again: RunSummary) -> None:
    console = open_console()
    total = found.same + len(found.different)
    about = f"{again.name} ({again.run_id[:12]}) repeats {recorded.name} ({recorded.run_id[:12]})"
    if not found.different:
        print_line(console, Text(f"{printable(about)}: all {plural(total, 'number')} are the same to the last bit."))
        return
    print_line(console, Text(f"{printable(about)}: {len(found.different)} of {plural(total, 'number')} differ."))
    rows = [(name, _number(one), _number(other)) for name, (one, other) in list(found.different.items())[:_SHOWN]]
    print_table(console, [Column("number"), Column("recorded", numeric=True), Column("now", numeric=True)], rows)
    if len(found.different) > _SHOWN:
        console.print(f"... and {len(found.different) - _SHOWN} more")
    for change in found.changes:
        print_line(console, Text(f"not the same: {printable(change)}"))
    if not found.changes:
        print_line(console, Text("Settings, data and commit are the same: another processor or library explains it."))


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.9g}"
