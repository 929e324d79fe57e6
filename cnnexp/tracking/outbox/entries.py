"""The entries of a record's journal, within what MLflow accepts; `delivery` sends them."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cnnexp.records import Finding, RunInfo, RunResult
from cnnexp.system.files import is_there
from cnnexp.system.secrets import without_secrets
from cnnexp.system.text import as_yaml, markdown, plural
from cnnexp.tracking.outbox.record_folder import Entry, now

_PARAM_LENGTH = 6_000  # characters; MLflow cuts longer ones silently
_TAG_LENGTH = 8_000

Parameter = str | int | float | bool | None


def params(values: Mapping[str, Parameter]) -> Entry:
    """Parameters, written as YAML writes them; a value that is too long is cut, with a note of its length."""
    return {"kind": "params", "values": {_key(name): _fitting(as_yaml(v), _PARAM_LENGTH) for name, v in values.items()}}


def tags(values: Mapping[str, str]) -> Entry:
    """Tags, cut in the same way."""
    return {"kind": "tags", "values": {name: _fitting(value, _TAG_LENGTH) for name, value in values.items()}}


def metrics(values: Mapping[str, float], *, step: int, kind: str, notes: list[str]) -> Entry:
    """Metrics of a step, or the `final` ones; values that are not finite are left out, and noted in `notes`.

    MLflow would record infinity as 1.8e308, which ruins the axis of every chart it is in.
    """
    finite = {_key(name): float(value) for name, value in values.items() if math.isfinite(value)}
    lost = {name: value for name, value in values.items() if not math.isfinite(value)}
    notes += [f"{name} at step {step} was {value}, which is not recorded." for name, value in lost.items()]
    return {"kind": kind, "step": step, "time": now(), "values": finite}


def image(key: str, file: str, *, step: int) -> Entry:
    """Show an artifact in the UI's image grid, too."""
    return {"kind": "image", "key": key, "file": file, "step": step, "time": now()}


def dataset(info: RunInfo) -> Entry:
    """The data set of a run, identified by the digest of its content."""
    return evaluated_dataset(
        name=info.data_name,
        digest=info.data_digest,
        source=info.data_source,
        class_names=info.class_names,
        counts=info.class_counts,
        input_shape=info.input_shape,
    )


def evaluated_dataset(
    *,
    name: str,
    digest: str,
    source: str,
    class_names: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    input_shape: Sequence[int],
) -> Entry:
    """A data set; `counts` are images of each class, by split, and `source` is a path or the name of a function."""
    source = str(Path(source).absolute()) if is_there(source) else source
    profile = {
        "classes": list(class_names),
        "counts": {split: list(per_class) for split, per_class in counts.items()},
        "input_shape": list(input_shape),
        "digest": digest,
    }
    return {"kind": "dataset", "name": name, "digest": digest, "source": source, "profile": profile}


def resolved(info: RunInfo) -> dict[str, Parameter]:
    """The values that `auto` and batch scaling resolved to, beside the settings as they were given.

    A learning rate that was found is the value of its own setting: the run is that of a hand that set it.
    """
    found = {} if info.found is None else {"optimizer.learning_rate": info.found.learning_rate}
    return {
        **found,
        "used.learning_rate": info.learning_rate,
        "used.threads": info.threads,
        "used.precision": info.precision,
        "used.device": info.device,
        "used.augmentation": info.augmentation,
        **({} if info.accumulation is None else {"used.accumulate": info.accumulation.accumulate}),
        "model.trainable_weights": info.parameters,
        "model.reference_bytes": info.reference_bytes,
        **({} if info.head_parameters is None else {"model.head_weights": info.head_parameters}),
    }


def traceback_file(text: str) -> dict[str, bytes]:
    """The artifact that keeps a traceback; its lines of code may quote passwords."""
    return {"traceback.txt": without_secrets(text, code=True).encode(errors="backslashreplace")}


def _key(name: str) -> str:
    """MLflow's names take letters, digits and ``_-. :/``."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _fitting(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    mark = f" … (cut: {len(text)} characters in all)"
    return text[: limit - len(mark)] + mark


def describe_info(info: RunInfo) -> str:
    """Describe what the run is going to do."""
    counts = ", ".join(f"{sum(per_class)} {split}" for split, per_class in info.class_counts.items())
    return "\n\n".join(
        [
            f"**{markdown(info.data_name)}**: {plural(len(info.class_names), 'class')} ({counts}); "
            f"{plural(info.parameters, 'weight')}, "
            f"learning rate {info.learning_rate:g}, {info.precision}, {plural(info.threads, 'thread')}"
            f"{'' if info.device == 'cpu' else f', {markdown(info.device)}'}.",
            *_bullets("Notes", map(markdown, info.notes)),
        ]
    )


def describe_result(result: RunResult, *, notes: Iterable[str]) -> str:
    """Describe what came out: headline, findings, what it was, notes."""
    findings = [_finding(finding) for finding in result.findings]
    return "\n\n".join(
        [
            _headline(result),
            *_bullets("Findings", findings),
            describe_info(result.info),
            *_bullets("Notes of the result", map(markdown, (*result.notes, *result.evaluation.notes, *notes))),
        ]
    )


def _finding(finding: Finding) -> str:
    return f"**{markdown(finding.title)}**: {markdown(finding.sentence)} → {markdown(finding.repair)}"


def _headline(result: RunResult) -> str:
    words = [f"best epoch {result.history.best_epoch} of {len(result.history.epochs)}"]
    if "test/accuracy" in result.metrics:
        interval = ""
        if "accuracy" in result.evaluation.intervals:
            interval = " ({:.3f} to {:.3f})".format(*result.evaluation.intervals["accuracy"])
        what = "test accuracy" if result.folds is None else f"accuracy over {len(result.folds.scores)} folds"
        words.insert(0, f"**{what} {result.metrics['test/accuracy']:.3f}**{interval}")
    return ", ".join(words) + "."


def _bullets(title: str, lines: Iterable[str]) -> list[str]:
    bullets = "\n".join(f"- {line}" for line in lines)
    return [f"{title}:\n\n{bullets}"] if bullets else []
