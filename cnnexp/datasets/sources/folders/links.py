"""Links that are not followed, because they lead out of the data folder, to a folder inside it, or nowhere."""

import os
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from cnnexp.datasets.sources.folders.folder_tree import Parts
from cnnexp.datasets.sources.folders.layout_errors import exclude_for_shell
from cnnexp.errors import DataError
from cnnexp.system.files import is_folder
from cnnexp.system.text import listed, plural, printable


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is not followed."""

    name: str  # relative path with "/"
    target: str  # absolute path; empty: not known, in an archive
    is_folder: bool  # it leads to a folder, or nowhere and is not called like an image
    inside: str | None  # path of what it leads to below the data folder, which therefore holds it already; None: not so


def refuse_linked_folders(links: Sequence[Link], *, parents: Collection[Parts], origin: str) -> None:
    """Refuse links that would be classes or splits, by their places.

    Args:
        links: those that are not followed
        parents: paths of the folders that hold class and split folders
        origin: the data folder, for messages

    Raises:
        DataError: there is one.

    """
    missing = [
        link for link in links if link.is_folder and link.inside is None and tuple(link.name.split("/"))[:-1] in parents
    ]
    if missing:
        names = listed(printable(link.name) for link in missing)
        raise DataError(
            f"Every class and split must be in the data folder; in {origin}, {names} "
            f"{'is a link that leads' if len(missing) == 1 else 'are links that lead'} out of it or nowhere. "
            f"{about_following(missing)}, or leave {'it' if len(missing) == 1 else 'them'} out: "
            f"{exclude_for_shell([escape(link.name) for link in missing])}."
        )


def about_following(links: Sequence[Link]) -> str:
    """Return a clause that says how links are followed."""
    if not any(link.target for link in links):
        return "Pack the archive again with the files that the links lead to: zip -r does so, without -y"
    targets = [link.target if link.is_folder else str(Path(link.target).parent) for link in links if link.target]
    targets = [target for target in targets if is_folder(target)]
    place = shlex.quote(printable(os.path.commonpath(targets))) if targets else "FOLDER"
    return f"Follow the links that lead into a folder: data.follow_links={place}"


def about_links(links: Sequence[Link]) -> tuple[str, ...]:
    """Return a note about links that are not followed."""
    if not links:
        return ()
    which = "it leads" if len(links) == 1 else "they lead"
    return (
        f"{plural(len(links), 'link was', 'links were')} not followed, such as {printable(links[0].name)}: "
        f"{which} out of the data folder, to a folder, or nowhere.",
    )
