"""``cnnexp find-lr``: at which learning rate would these settings train?"""

import dataclasses
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from cnnexp.cli.code_flags import flags_given
from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.compose import run_name
from cnnexp.config import ExperimentConfig
from cnnexp.errors import ConfigError
from cnnexp.records import FoundLearningRate
from cnnexp.report.console import open_console
from cnnexp.report.learning_rate import page, print_found
from cnnexp.report.run import ProgressReport
from cnnexp.runs.artifacts import to_json
from cnnexp.runs.experiment import find_learning_rate
from cnnexp.runs.found_rate import rate_notes
from cnnexp.runs.starting_network import starting_network


def run(config: ExperimentConfig, settings: Sequence[str], *, html: Path | None, json: Path | None) -> int:
    """Find a rate for `config`, which `settings` were composed to, and print it; nothing is recorded.

    Raises:
        ConfigError: a file cannot be written, or the data have folds of which none is chosen.
        CnnexpError: the data cannot be read.

    """
    refuse_to_mix({"html": html, "json": json})
    if config.data.has_folds:
        raise ConfigError(
            "cnnexp find-lr needs the fold whose training images it uses, because every image is judged in some fold: "
            "data.fold=1."
        )
    found = _found(config, quietly=STDOUT in (html, json))
    about = f"{config.data.name}, {run_name(config, settings)}"
    if html is not None:
        command = shlex.join(["cnnexp", "find-lr", *flags_given(), *settings, "--html", "learning_rate.html"])
        write_document(page(found, about=about, command=command), html, option="--html")
    if json is not None:
        write_document(to_json(dataclasses.asdict(found)).decode(), json, option="--json")
    if STDOUT not in (html, json):
        console = open_console()
        print_found(console, found, about=about)
        for note in rate_notes(found):
            console.print(f"note: {note}", style="attention")
    return 0


def _found(config: ExperimentConfig, *, quietly: bool) -> FoundLearningRate:
    with starting_network(config) as pretrained:
        if quietly:
            return find_learning_rate(config, on_progress=lambda *_: None, pretrained=pretrained)
        progress = ProgressReport(open_console(required=False), clock=time.monotonic)
        try:
            return find_learning_rate(config, on_progress=progress.stage, pretrained=pretrained)
        finally:
            progress.stop()
