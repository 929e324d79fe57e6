"""What travels with a model: this package and the reader, copied as they stand into every logged model and export.

They need nothing else of cnnexp, so that an exported folder and a server answer as the run did. ``classifier.load`` is
the way in.
"""

import shutil
from pathlib import Path

_HERE = Path(__file__).parent
_READER = [_HERE.parent / name for name in ("images.py", "jpeg.py")]


def copy_to(package: Path, *, without: str) -> None:
    """Make `package`, a folder that does not exist yet, a Python package that reads images and asks models.

    It gets the reader and this package beside it; `without` names a module that is of no use there.
    """
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for file in _READER:
        shutil.copyfile(file, package / file.name)
    shutil.copytree(_HERE, package / _HERE.name, ignore=shutil.ignore_patterns("__pycache__", without))
