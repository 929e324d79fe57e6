"""``cnnexp export`` with --tta, --size or --soup: a variant of a model as a folder that works alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cnnexp.cli.evaluation_request import SavedModel, find_sources, run_config, separate_runs
from cnnexp.cli.export import INT8, print_complete, read_splits
from cnnexp.cli.targets import separate_store
from cnnexp.config import Override
from cnnexp.errors import ConfigError
from cnnexp.saved.variant_options import VariantOptions
from cnnexp.system import quiet
from cnnexp.system.streams import print_required
from cnnexp.system.text import printable


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The models whose variant is exported, and the folder to write."""

    models: tuple[SavedModel, ...]
    options: VariantOptions
    folder: Path


def read_request(target: str, folder: Path, settings: Sequence[str], *, options: VariantOptions) -> ExportRequest:
    """Find the models that are meant; with a soup, words between RUN and DIR name further runs.

    Raises:
        TargetError: a name means no run.
        ModelError: a run has no model.
        ConfigError: a setting is not about the images of the runs, or several models are meant without a soup.

    """
    others, uri = separate_store(settings)
    names = [target]
    if options.soup:
        (*names, last), others = separate_runs(target, [str(folder), *others])
        folder = Path(last)
    if wrong := [word for word in others if not Override.parse(word).key.startswith("data.")]:
        raise ConfigError(
            "export takes RUN, DIR, tracking.uri=URI and where the images of the run are, such as data.path=PLACE; "
            f"got also {' '.join(wrong)}. Several RUNs become one model with --soup."
        )
    sources = find_sources(names, uri=uri)
    if len(sources) > 1 and not options.soup:
        raise ConfigError(f"{target} has {len(sources)} models. Name one run of it, or average their weights: --soup.")
    overrides = [*others, str(Override.setting("tracking.uri", uri))]
    configs = [run_config(source, overrides) for source in sources]
    models = tuple(SavedModel(source, config, config) for source, config in zip(sources, configs, strict=True))
    return ExportRequest(models, options, folder)


def run(
    target: str, folder: Path, settings: Sequence[str], *, options: VariantOptions, onnx: bool, tflite: str | None
) -> int:
    """Export the variant, and print what a user should know about it; the arguments are those of `export.run`.

    Raises:
        CnnexpError: see `read_request`, `write_variant` and `saved.export.export`.

    """
    request = read_request(target, folder, settings, options=options)
    quiet.import_tensorflow()
    from cnnexp.cli.variant_folder import variant_folder
    from cnnexp.runs.evaluation_context import cost
    from cnnexp.saved import open_model
    from cnnexp.saved.answer_time import seconds_per_image
    from cnnexp.saved.export import export, require_new_folder

    require_new_folder(request.folder)  # before the minutes that a variant may take
    quantize_on = partial(read_splits, request.models[0].config) if tflite == INT8 else None
    with variant_folder(request.models, request.options) as folders:
        written = export(folders.used, request.folder, onnx=onnx, tflite=tflite is not None, quantize_on=quantize_on)
        assert folders.plain is not None
        model = open_model(folders.used)
        seconds, plain = seconds_per_image([model, open_model(folders.plain)])
    what = f"Another model than the trained one: {model.card.variant_summary}. It takes {cost(seconds, plain)}."
    for sentence in (what, *folders.notes, *(() if written is None else written.sentences)):
        print_required(printable(sentence))
    print_complete(request.folder)
    return 0
