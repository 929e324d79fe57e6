"""What travels with a model: this package and the reader, ``images``, are copied unchanged into models and exports.

They need nothing else of cnnexp, so that an exported folder and a server answer as the run did. The entry point is
``classifier.load``. File names are part of logged models and exports and never change.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent


def copy_to(package: Path, *, without: Sequence[str]) -> None:
    """Make the new folder `package` a Python package with the reader and this package, `without` some modules."""
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for folder in (_HERE.parent / "images", _HERE):
        shutil.copytree(folder, package / folder.name, ignore=shutil.ignore_patterns("__pycache__", *without))
