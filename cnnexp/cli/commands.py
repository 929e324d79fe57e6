"""Every command with its options and its help.

A command imports what it needs when it is called: its help and the refusal of a wrong option need click alone. What
TensorFlow is needed for is imported after `quiet.import_tensorflow`, and after a wrong target was refused.
"""

from pathlib import Path
from typing import Any

import click

from cnnexp.cli.code_flags import EXTEND, TRUST
from cnnexp.cli.outputs import FILE, STDOUT
from cnnexp.errors import ConfigError
from cnnexp.system import quiet
from cnnexp.system.streams import print_required

# A FILE that may be left out: what would be written is printed then.
_OR_PRINTED: dict[str, Any] = {"is_flag": False, "flag_value": str(STDOUT), "metavar": "FILE"}
_EXTEND_HELP = "Code of your own, with what it adds; may be given several times."
_TRUST_HELP = "Execute the code beside a model that has layers of its own."
_NEW_FOLDER = click.Path(path_type=Path)
_TTA = click.option("--tta", default="none", metavar="N|flip", help="Average over N views of each image.")
_SIZE = click.option("--size", default="none", metavar="H,W", help="Size of the images, other than in training.")
_SOUP = click.option("--soup", is_flag=True, help="Average the weights of several runs, as far as it helps.")


@click.group(name="cnnexp")
def commands() -> None:
    """Take the first argument as the name of a command."""


@commands.command("cache")
@click.argument("arguments", nargs=-1, metavar="[clear [NAME ...]] [data.cache=DIR]")
def cache(*, arguments: tuple[str, ...]) -> int:
    """List the data sets that are cached decoded, or clear them; the next run decodes again what it needs.

    A NAME is that of a data set, as the list shows it; without one, all are cleared. A data set that another process
    is decoding is kept.

    \b
    cnnexp cache
    cnnexp cache clear cifar10
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp.cli.cache import run

    return run(arguments)


@commands.command("check-data")
@click.argument("settings", nargs=-1, metavar="[data=... data.path=...]")
@click.option("--html", type=FILE, **_OR_PRINTED, help="Write a page that shows the images.")
@click.option("--json", type=FILE, metavar="[=FILE]", help="Print all of it as JSON, or write it into FILE.")
@click.option(
    "--labels",
    is_flag=True,
    help="Also look for labels that out-of-fold predictions contradict; with model=pretrained, by its features.",
)
@click.option("--labels-from", metavar="RUN", help="The same by a run: its test images, or all with data.folds=5.")
def check_data(
    *, settings: tuple[str, ...], html: Path | None, json: Path | None, labels: bool, labels_from: str | None
) -> int:
    """Look for damaged files, missing classes, duplicates, leakage, images far from the rest, splits that differ.

    All limits are relative to the data set itself. Runs do the same check and record it as data_report.json.

    \b
    cnnexp check-data data=folder data.path=photos/
    cnnexp check-data data=table data.path=a.csv --labels
    cnnexp check-data data=folder data.path=a --json=a.json

    Exit code 0: no fault that makes a run meaningless; 1: such a fault; 2: the command line is wrong.
    """  # noqa: D301
    from cnnexp.cli.check_data import run

    return run(settings, html=html, json=json, labels=labels, labels_from=labels_from)


@commands.command("compare")
@click.argument("targets", nargs=-1, required=True, metavar="SWEEP | EXPERIMENT | RUN RUN ... | latest")
@click.option("--by", default="", metavar="A,B", help="Settings to compare; runs are averaged over all others.")
@click.option("--metric", default="test/accuracy", show_default=True, help="What is compared, such as test/macro_f1.")
@click.option("--html", type=FILE, **_OR_PRINTED, help="Write the report as one page.")
@click.option("--csv", type=FILE, **_OR_PRINTED, help="Write every number as a table.")
@click.option(
    "--log", is_flag=True, help="Write verdict and page to the sweep's run in MLflow, as the sweep did at its end."
)
@click.option("--markdown", type=FILE, **_OR_PRINTED, help="Write verdict and table as Markdown.")
@click.option("--watch", is_flag=True, help="Serve the page of a sweep while it runs, on this machine alone.")
@click.option("--uri", help="The store; the same as tracking.uri=URI.")
@click.option("--json", type=FILE, metavar="[=FILE]", help="Print everything as JSON, or write it into FILE.")
def compare(
    *,
    targets: tuple[str, ...],
    by: str,
    metric: str,
    html: Path | None,
    csv: Path | None,
    log: bool,
    markdown: Path | None,
    watch: bool,
    uri: str | None,
    json: Path | None,
) -> int:
    """Show what differs between recorded runs, and which differences are more than chance.

    Rows are settings, folded over seeds and ranked on validation; they are compared on test, paired by seed. The best
    trained models are compared too, paired by test image. A SWEEP is its parent run's id or name.

    \b
    cnnexp compare latest
    cnnexp compare latest --by model,optimizer --html=a.html
    cnnexp compare 3f9a2c 81be07 --metric test/macro_f1
    cnnexp compare latest --watch
    """  # noqa: D301
    from cnnexp.cli.compare import run

    words = targets if uri is None else (*targets, f"tracking.uri={uri}")
    settings = [name for name in by.split(",") if name]
    if watch:
        from cnnexp.cli.watch import run as serve

        return serve(words, by=settings, metric=metric)
    return run(
        words,
        by=settings,
        metric=metric,
        html=html,
        csv=csv,
        markdown=markdown,
        log=log,
        json=json,
    )


@commands.command("diagnose")
@click.argument("target", metavar="RUN | MODEL_FILE")
@click.argument("images", nargs=-1, metavar="[IMAGE | FOLDER | TABLE ...]")
@click.option("--true", "true_label", metavar="LABEL", help="The class that the images show, where it is known.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), help="What the paths of tables start from.")
@click.option("--try", "tried", is_flag=True, help="Train the run again with the first repair that is a setting.")
@click.option("--data", type=click.Path(path_type=Path), help="Labelled images for a MODEL_FILE: a folder a class.")
@click.option("--images", "more", multiple=True, metavar="IMAGE", help="Further images; it can be repeated.")
@click.option("--class-names", type=click.Path(path_type=Path), help="Classes of a MODEL_FILE, in its outputs' order.")
@click.option("--size", metavar="H,W", help="Size of the images, for a MODEL_FILE that takes any.")
@click.option("--given", metavar="STEPS", help="How you prepare images for a MODEL_FILE now, such as rgb,0..1,stretch.")
@click.option("--html", type=FILE, **_OR_PRINTED, help="Write a page: what the network sees, and where it looks.")
@click.option("--json", type=FILE, metavar="[=FILE]", help="Print everything as JSON, or write it into FILE.")
def diagnose(  # noqa: PLR0913  an argument an option
    *,
    target: str,
    images: tuple[str, ...],
    true_label: str | None,
    root: Path | None,
    tried: bool,
    data: Path | None,
    more: tuple[str, ...],
    class_names: Path | None,
    size: str | None,
    given: str | None,
    html: Path | None,
    json: Path | None,
) -> int:
    """Say what is wrong with a run, or why its model answers images wrongly, and what to do.

    RUN is a run's id or the first six characters of it or more, a run's name, latest, or an exported folder. A run that
    learned too little is trained briefly with other settings, for at most a minute. With images: what their files say,
    how far they are from the training images, and what may have happened to them.

    MODEL_FILE is a model.keras or model.onnx that cnnexp did not train. What it wants to be given (channel order, range
    of values, polarity, resize rule, class order) is found by trying it on labelled images.

    \b
    cnnexp diagnose latest
    cnnexp diagnose latest --try
    cnnexp diagnose latest photo.jpg --true cat
    cnnexp diagnose 3f9a2c photos/ --html why.html
    cnnexp diagnose model.onnx --data labelled/

    Exit code 0: it was answered; 1: an image could not be read, or the model could not be used; 2: the command line is
    wrong.
    """  # noqa: D301
    from cnnexp.cli.diagnose import diagnose_run
    from cnnexp.cli.diagnose_images import diagnose_images
    from cnnexp.cli.targets import is_model_file, refuse_other_models, separate_store

    outputs = {"html": html, "json": json}
    if is_model_file(target):
        if data is None:
            raise ConfigError(
                f"What {target} wants is found on labelled images: add --data FOLDER, with a folder a class."
            )
        if tried:
            raise ConfigError("--try repairs a run; a model file has none.")
        from cnnexp.cli.diagnose_foreign import Asked, diagnose_foreign

        asked = Asked(
            data=data,
            images=(*images, *more),
            root=root,
            true_label=true_label,
            class_names=class_names,
            size=size,
            given=given,
        )
        return diagnose_foreign(Path(target), asked, outputs=outputs)
    refuse_other_models(target)
    foreign = {"--data": data, "--class-names": class_names, "--size": size, "--given": given}
    if wrong := [name for name, value in foreign.items() if value is not None]:
        raise ConfigError(f"{wrong[0]} is for a model file, .keras or .onnx, that is there; got {target}.")
    paths, uri = separate_store((*images, *more))
    if not paths:
        return diagnose_run(target, uri=uri, outputs=outputs, tried=tried)
    if tried:
        raise ConfigError("--try repairs a run; leave the images away.")
    return diagnose_images(target, paths, uri=uri, true_label=true_label, root=root, outputs=outputs)


@commands.command("doctor")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI] [data.cache=DIR] ...")
def doctor(*, settings: tuple[str, ...]) -> int:
    """Print what runs would use here: processor, memory, devices, versions, store, cache and free space.

    Nothing is started. Exit code 0: nothing is in the way of a run; 1: something is; 2: the command line is wrong.
    """
    from cnnexp.cli.doctor import run

    return run(settings)


@commands.command("evaluate")
@click.argument("target", metavar="RUN | SWEEP")
@click.argument("settings", nargs=-1, metavar="[data=...] [shift=... | fault=...]")
@_TTA
@_SIZE
@_SOUP
def evaluate(*, target: str, settings: tuple[str, ...], tta: str, size: str, soup: bool) -> int:
    """Evaluate saved models on another data set, or on images changed on purpose, and record that as new runs.

    RUN is a run's id or the first six characters of it or more, a run's name, latest, or an exported folder; a SWEEP
    or an experiment stands for all its runs. Without data=..., each run's own test split. Classes are matched by name.
    Several models or changes are recorded under one parent, which cnnexp compare takes.

    \b
    cnnexp evaluate latest data=folder data.path=night/
    cnnexp evaluate 3f9a2c shift=blur shift.amount=1.5
    cnnexp evaluate latest shift=none,brightness:0.2,noise:0.1
    cnnexp evaluate latest fault=none,scaled_twice,swapped
    cnnexp evaluate latest --tta none,flip,8
    cnnexp evaluate SWEEP --soup

    --tta, --size and --soup make another model of the trained one, calibrated anew on the run's own images; the score
    stands beside the plain one's on the same images, with what it costs. --tta takes a list. cnnexp export takes them
    too.

    Shifts, what a camera does: brightness, contrast, gain_offset, gamma, noise, blur. Faults, one wrong step on the way
    to the model: scaled_twice, unscaled, swapped, inverted, turned, squeezed, nearest, class_order.
    """  # noqa: D301
    from cnnexp.cli.evaluation_request import read_request
    from cnnexp.saved.variant_options import parse

    request = read_request(target, settings, variants=parse(tta=tta, size=size, soup=soup))
    quiet.import_tensorflow()
    from cnnexp.cli.evaluate import run

    run(request)
    return 0


@commands.command("export")
@click.argument("target", metavar="RUN")
@click.argument("folder", type=_NEW_FOLDER, metavar="DIR")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI]")
@click.option("--onnx", is_flag=True, help="Also write model.onnx; needs pip install 'cnnexp[onnx]'.")
@click.option(
    "--tflite",
    type=click.Choice(["float32", "int8"]),
    metavar="[=int8]",
    help="Also write model.tflite, for phones; int8 makes it small and says what it loses.",
)
@_TTA
@_SIZE
@_SOUP
def export(
    *,
    target: str,
    folder: Path,
    settings: tuple[str, ...],
    onnx: bool,
    tflite: str | None,
    tta: str,
    size: str,
    soup: bool,
) -> int:
    """Write the model of RUN into the new folder DIR, to be used without MLflow and without cnnexp.

    DIR gets the model, its card, the code that reads images, a command predict.py and a README.txt, and is checked
    against the golden samples after writing. RUN is a run's id or the first six characters of it or more, a run's name,
    or latest.

    \b
    cnnexp export latest model/
    cnnexp export 3f9a2c phone/ --tflite=int8
    cnnexp export latest model/ --tta flip
    cnnexp export 3f9a2c model/ --size 48,48
    cnnexp export RUN RUN RUN model/ --soup

    With --tta, --size and --soup the folder has another model made of the trained one, calibrated anew on the images of
    its run. See what it gains first: cnnexp evaluate with the same options.

    With --tflite=int8 the run's data are read: training images fit the 8-bit ranges, test images show what accuracy is
    lost. Settings such as data.path=PLACE say where they are now.
    """  # noqa: D301
    from cnnexp.saved.variant_options import parse_one

    if options := parse_one(tta=tta, size=size, soup=soup):
        from cnnexp.cli.export_variant import run as run_variant

        return run_variant(target, folder, settings, options=options, onnx=onnx, tflite=tflite)
    from cnnexp.cli.export import run

    return run(target, folder, settings, onnx=onnx, tflite=tflite)


@commands.command("find-lr")
@click.argument("settings", nargs=-1, metavar="[model=... optimizer=... data=...]")
@click.option("--html", type=FILE, **_OR_PRINTED, help="Write the curve as a page.")
@click.option("--json", type=FILE, **_OR_PRINTED, help="Write the rate of every step and its loss.")
def find_lr(*, settings: tuple[str, ...], html: Path | None, json: Path | None) -> int:
    """Find a learning rate for a run with these settings, by a short training whose rate grows (Smith 2017).

    Only training images are used, and nothing is recorded. optimizer.learning_rate=auto does the same at the beginning
    of a run, and keeps the curve with it.

    \b
    cnnexp find-lr model=vgg optimizer=sgd
    cnnexp find-lr data=folder data.path=a/ --html lr.html
    """  # noqa: D301
    from cnnexp.compose import compose_config

    config = compose_config(settings)
    from cnnexp.runs.pretrained import find_pretrained

    find_pretrained(config.model)  # raises where its weights are missing
    quiet.import_tensorflow()
    from cnnexp.cli.find_lr import run

    return run(config, settings, html=html, json=json)


@commands.command("predict")
@click.argument("target", metavar="RUN")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE | FOLDER | TABLE ...")
@click.option(
    "--coverage", default=0.9, show_default=True, help="Share of images whose class is in the prediction set."
)
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), help="What the paths of tables start from.")
@click.option("--csv", type=FILE, **_OR_PRINTED, help="Write a line per image.")
@click.option("--json", type=FILE, **_OR_PRINTED, help="Write an object per image, with all probabilities.")
@click.option("--parquet", type=FILE, help="Write a row per image, with all probabilities.")
@click.option(
    "--html", type=FILE, **_OR_PRINTED, help="Write a page: images beside the training images most like them."
)
def predict(
    *,
    target: str,
    images: tuple[str, ...],
    coverage: float,
    root: Path | None,
    csv: Path | None,
    json: Path | None,
    parquet: Path | None,
    html: Path | None,
) -> int:
    """Classify images, with how sure the answer is and a warning if an image is unlike the training data.

    RUN is a run's id or the first six characters of it or more, a run's name, latest, or an exported folder. A TABLE is
    a .csv or .parquet with a column named path, or a .parquet with a column of images.

    \b
    cnnexp predict latest photo.jpg
    cnnexp predict 3f9a2c photos/ --html answers.html
    cnnexp predict signs-exported list.csv --parquet a.parquet

    Exit code 0: every image was answered; 1: some could not be read, or the model could not be used; 2: the command
    line is wrong.
    """  # noqa: D301
    from cnnexp.cli.targets import model_folder, separate_store

    paths, uri = separate_store(images)
    with model_folder(target, uri=uri) as folder:
        quiet.import_tensorflow()
        from cnnexp.cli.predict import run

        outputs = {"csv": csv, "json": json, "parquet": parquet, "html": html}
        return run(
            folder,
            paths,
            asked=[target, *images],
            root=root,
            coverage=coverage,
            outputs={k: path for k, path in outputs.items() if path},
        )


@commands.command("preview")
@click.argument("settings", nargs=-1, metavar="[data=...] [augmentation=...]")
@click.option("--html", type=FILE, default="preview.html", show_default=True, help="The page; - prints it.")
@click.option("--images", type=click.IntRange(2, 64), default=8, show_default=True, help="Training images to show.")
def preview(*, settings: tuple[str, ...], html: Path, images: int) -> int:
    """Show training images as the network would see them, without training.

    The page has the images plain, with each kind of change alone as strong as it is set, and with all together. The
    images are the first of each class in turn.

    \b
    cnnexp preview augmentation=strong
    cnnexp preview data=folder data.path=a/ augmentation=mix
    cnnexp preview data=cifar10 augmentation.hue=0.1
    """  # noqa: D301
    from cnnexp.cli.preview import run

    return run(settings, html=html, images=images)


@commands.command("register")
@click.argument("run_id", metavar="RUN")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI]")
@click.option("--name", help="Of the registered model [default: the experiment's].")
@click.option("--alias", help="That it is loaded by, such as champion; it moves here from another version.")
@click.option("--uri", help="The store; the same as tracking.uri=URI.")
def register(*, run_id: str, settings: tuple[str, ...], name: str | None, alias: str | None, uri: str | None) -> int:
    """Put a run's model into MLflow's registry, if it still gives its recorded answers.

    The version has tags with its scores, the digest of its data, and a signature of its golden samples.

    \b
    cnnexp register 3f9a2c --alias champion
    mlflow models serve -m models:/NAME@champion
    """  # noqa: D301
    from cnnexp.cli.register import run

    return run(run_id, name=name, alias=alias, uri=_store(settings, uri))


@commands.command("rerun")
@click.argument("run_id", metavar="RUN")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI] [SETTING=VALUE ...]")
@click.option("--uri", help="The store; the same as tracking.uri=URI.")
def rerun(*, run_id: str, settings: tuple[str, ...], uri: str | None) -> int:
    """Repeat a recorded run from its record, and compare the numbers.

    The repetition is recorded beside it. Settings change it, such as data.path where the data have moved.

    Exit code 0: all numbers are the same to the last bit; 1: some differ, and what may explain it is printed.
    """
    from cnnexp.cli.rerun import run

    others = [one for one in settings if not one.startswith("tracking.uri=")]
    return run(run_id, others, uri=_store(settings, uri))


@commands.command("resume")
@click.argument("target", metavar="RUN | SWEEP | latest")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI] [sweep.workers=N ...]")
@click.option("--finish", is_flag=True, help="Judge the best epoch of a run so far instead of going on.")
def resume(*, target: str, settings: tuple[str, ...], finish: bool) -> int:
    """Go on with a run or a sweep that was stopped or killed, or whose runs failed; what is finished is not repeated.

    A run goes on from its last saved state to the numbers that it would have had. The target is the id (or its
    beginning) or the name of the run, of the sweep's parent run, or of a run of folds; latest is the newest that is not
    finished. Settings say where it is recorded and how to continue, such as sweep.time_limit=60.
    """
    from cnnexp.cli.resume import run

    return run(target, settings, finish=finish)


@commands.command("send")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def send(*, folder: Path) -> int:
    """Complete in MLflow the run whose record is kept in DIR, then remove the record."""
    from cnnexp.tracking import send

    receipt = send(folder)
    print_required(receipt.reason or f"Run {receipt.run_id} is complete. {receipt.url_command}")
    return 0


@commands.command("ui")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI]")
@click.option("--uri", help="The store; the same as tracking.uri=URI.")
@click.option("--run", "run_id", metavar="ID", help="Open this run's curves, or this sweep's runs.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port on this machine [default: the first free from 5000].")
def ui(*, settings: tuple[str, ...], uri: str | None, run_id: str | None, port: int | None) -> int:
    """Open the MLflow UI on the store that runs are written to, for this machine alone; Ctrl-C ends it."""
    from cnnexp.cli.ui import run

    return run(settings, uri=uri, run_id=run_id, port=port)


def _store(settings: tuple[str, ...], uri: str | None) -> str:
    """Return the store that a command line names, or the configured one."""
    from cnnexp.cli.targets import separate_store

    return separate_store(settings if uri is None else (*settings, f"tracking.uri={uri}"))[1]


def _declare_code_flags() -> None:
    """Show in the help of every command what `code_flags` takes out of its line before it is read here."""
    for command in commands.commands.values():
        extend = click.Option([EXTEND], metavar="FILE.py", multiple=True, expose_value=False, help=_EXTEND_HELP)
        command.params.append(extend)
    for name in ("diagnose", "evaluate", "export", "predict"):
        trust = click.Option([TRUST], is_flag=True, expose_value=False, help=_TRUST_HELP)
        commands.commands[name].params.append(trust)


_declare_code_flags()
