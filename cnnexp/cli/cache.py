"""``cnnexp cache``: what decoded images lie on this disk?"""

from pathlib import Path

import click

from cnnexp.errors import ConfigError

_SETTING = "data.cache="


@click.command()
@click.argument("words", nargs=-1, metavar="[clear [NAME ...]] [data.cache=DIR]")
def command(*, words: tuple[str, ...]) -> int:
    """List the data sets that are kept decoded, or clear them; the next run decodes again what it needs.

    A NAME is that of a data set, as the list shows it; without one, all are cleared. What another process is decoding
    at the moment stays.

    \b
    cnnexp cache
    cnnexp cache clear cifar10
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp.datasets import cache

    folder = cache.folder(_setting(words))
    verb, *names = [word for word in words if not word.startswith(_SETTING)] or ["list"]
    if verb == "list" and not names:
        _list(folder)
        return 0
    if verb != "clear":
        raise ConfigError(f"cache takes clear, perhaps with names, and data.cache=DIR; got {verb!r}.")
    _clear(folder, tuple(names))
    return 0


def _setting(words: tuple[str, ...]) -> str | None:
    places = [word.removeprefix(_SETTING) for word in words if word.startswith(_SETTING)]
    return places[-1] if places else None


def _list(folder: Path) -> None:
    from cnnexp.datasets import cache
    from cnnexp.report.cache_table import print_entries
    from cnnexp.report.console import open_console

    print_entries(open_console(), folder, cache.entries(folder))


def _clear(folder: Path, names: tuple[str, ...]) -> None:
    from cnnexp.datasets import cache
    from cnnexp.report.cache_table import sets, size

    known = {entry.name for entry in cache.entries(folder)}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(
            f"cache clear takes the names of data sets in {folder}; {', '.join(unknown)} is none. "
            f"It holds {', '.join(sorted(known)) or 'nothing'}."
        )
    before = len(cache.entries(folder))
    deleted = cache.clear(folder, names or None)
    kept = before - len(deleted) if not names else len([e for e in cache.entries(folder) if e.name in names])
    still = f"; {kept} in use by another process stay" if kept else ""
    click.echo(f"{sets(len(deleted))} cleared, {size(sum(entry.size for entry in deleted))} freed{still}.")
