"""The command that trains a recorded run again."""

import shlex
from collections.abc import Callable, Collection

from cnnexp.comparison.result import Comparison
from cnnexp.records import RunSummary

TypedAgain = Callable[[RunSummary, Collection[str]], str | None]  # the command with all settings; None: not known
_ALWAYS = ("data", "model", "optimizer", "seed")  # are named, also where they are the defaults


def train_again(comparison: Comparison, run: RunSummary, typed_again: TypedAgain | None) -> str:
    """The command that trains this run again; where not all of its settings can be typed, by those that differ."""
    differing = [name for setting in comparison.settings for name in (setting.name, *setting.confounded_with)]
    named = [name for name in dict.fromkeys((*_ALWAYS, *differing)) if name in run.settings]
    if typed_again is not None and (command := typed_again(run, named)) is not None:
        return command
    code = {value.partition("@")[0] for name, value in run.settings.items() if name.endswith(".code")}
    flags = [f"--extend={file}" for file in sorted(code)]
    words = [f"{name}={run.settings[name]}" for name in named if not name.endswith(".code")]
    return shlex.join(["cnnexp", *flags, *sorted(words, key=lambda word: word.startswith("seed="))])
