"""What travels with a model: this package and the reader, ``images``, copied as they stand into models and exports.

They need nothing else of cnnexp, so that an exported folder and a server answer as the run did. ``classifier.load`` is
the way in.
"""

import shutil
from pathlib import Path

_HERE = Path(__file__).parent


def copy_to(package: Path, *, without: str) -> None:
    """Make `package`, a folder that does not exist yet, a Python package that reads images and asks models.

    It gets the reader and this package beside it; `without` names a module that is of no use there.
    """
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for folder in (_HERE.parent / "images", _HERE):
        shutil.copytree(folder, package / folder.name, ignore=shutil.ignore_patterns("__pycache__", without))
