"""``cnnexp diagnose``: what is wrong with a run, or with images that its model answers wrongly?"""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.cli.targets import is_exported
from cnnexp.errors import ConfigError
from cnnexp.report.console import open_console
from cnnexp.report.run.findings_page import findings_page
from cnnexp.report.run.terminal import print_findings
from cnnexp.system import quiet
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.tracking.store.find_runs import find_runs

Outputs = Mapping[str, Path | None]  # html, json: the documents that are asked for


def diagnose_run(target: str, *, uri: str, outputs: Outputs) -> int:
    """Print what the run recorded of itself, or write it; return the exit code.

    Raises:
        TargetError: no run is meant.
        ConfigError: it is an exported folder, which has no record, or a file cannot be written.

    """
    refuse_to_mix(outputs)
    if is_exported(target):
        raise ConfigError(f"{target} is an exported model, without the record of its run; add images to diagnose.")
    runs = find_runs([target], uri=uri)
    if outputs["html"] is not None:
        write_document(findings_page(runs, asked=target), outputs["html"], option="--html")
    if outputs["json"] is not None:
        found = [{"run": run.run_id, "findings": [asdict(finding) for finding in run.read_findings()]} for run in runs]
        write_document(json.dumps(found, indent=2) + "\n", outputs["json"], option="--json")
    if outputs["json"] is not None or outputs["html"] == STDOUT:
        return 0
    console = open_console()
    for run in runs:
        console.print(f"{run.name}  {run.run_id[:12]}", style="title")
        print_findings(console, run.read_findings())
    return 0


def diagnose_images(
    target: str, paths: Sequence[str], *, uri: str, true_label: str | None, root: Path | None, outputs: Outputs
) -> int:
    """Print why images are answered as they are, or write it; return 1 if one could not be read.

    Raises:
        TargetError: no run is meant, or several are.
        ModelError: the run has no model, or it cannot be used.
        ConfigError: the model has no such class, or a file cannot be written.

    """
    refuse_to_mix(outputs)
    recorded = None if is_exported(target) else recorded_model(target, uri=uri)
    with nullcontext(Path(target)) if recorded is None else recorded.folder() as folder:
        quiet.import_tensorflow()
        from cnnexp.report.diagnosis.image_json import images_as_json
        from cnnexp.report.diagnosis.image_page import images_page
        from cnnexp.report.diagnosis.image_text import print_image
        from cnnexp.saved import list_images, open_model
        from cnnexp.saved.image_diagnosis import diagnose_images as diagnosed

        model = open_model(folder)
        answers = None if recorded is None else recorded.run.read_predictions()
        items = list(list_images(paths, root=root))
        images = list(diagnosed(model, items, recorded=answers, true_label=true_label))
        if outputs["html"] is not None:
            page = images_page(target, model, items, images, true_label=true_label)
            write_document(page, outputs["html"], option="--html")
    if outputs["json"] is not None:
        write_document(images_as_json(target, images), outputs["json"], option="--json")
    elif outputs["html"] != STDOUT:
        console = open_console()
        for image in images:
            print_image(console, image)
    return 1 if any(image.verdict is None for image in images) else 0
