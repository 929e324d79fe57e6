"""``cnnexp send``: deliver what a store that was away could not take."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def command(folder: Path) -> int:
    """Complete in MLflow the run whose record is kept in DIR, then remove the record."""
    from cnnexp.tracking import send

    receipt = send(folder)
    click.echo(receipt.reason or f"Run {receipt.run_id} is complete. {receipt.url_command}")
    return 0
