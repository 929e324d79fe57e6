"""The command that trains a recorded run again."""

import shlex

from cnnexp.comparison.result import Comparison
from cnnexp.records import RunSummary


def train_again(comparison: Comparison, run: RunSummary) -> str:
    """The command that trains this run again, by the settings that differ; config.yaml has all settings."""
    chosen = {name: run.settings[name] for name in ("data", "model") if name in run.settings}
    for setting in comparison.settings:
        for name in (setting.name, *setting.confounded_with):
            if name in run.settings and not name.endswith(".code"):
                chosen[name] = run.settings[name]
    if "seed" in run.settings:
        chosen["seed"] = run.settings["seed"]
    code = {value.partition("@")[0] for name, value in run.settings.items() if name.endswith(".code")}
    flags = [f"--extend={file}" for file in sorted(code)]
    return shlex.join(["cnnexp", *flags, *(f"{name}={value}" for name, value in chosen.items())])
