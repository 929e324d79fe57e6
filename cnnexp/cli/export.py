"""``cnnexp export``: a model as a folder that works by itself."""

from pathlib import Path

import click

from cnnexp.cli._commands import model_folder, without_store


@click.command()
@click.argument("target", metavar="RUN")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI]")
@click.option("--onnx", is_flag=True, help="Also write model.onnx; needs pip install 'cnnexp[onnx]'.")
def command(*, target: str, folder: Path, settings: tuple[str, ...], onnx: bool) -> int:
    """Write the model of RUN into the new folder DIR, to be used without MLflow and without cnnexp.

    DIR gets the model, its card, the code that reads images, a command predict.py and a README.txt, and is checked
    against the golden samples after writing. RUN is a run's id or the first six characters of it or more, a run's name,
    or latest.
    """
    from cnnexp.errors import ConfigError
    from cnnexp.system import quiet

    others, uri = without_store(settings)
    if others:
        raise ConfigError(f"export takes RUN, DIR and tracking.uri=URI; got also {' '.join(others)}.")
    with model_folder(target, uri=uri) as source:
        quiet.import_tensorflow()
        from cnnexp.saved.export import export
        from cnnexp.system.text import printable

        export(source, folder, onnx=onnx)
    click.echo(f"{printable(str(folder))} is complete. Try it: python {printable(str(folder))}/predict.py IMAGE")
    return 0
