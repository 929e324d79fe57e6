"""What travels with a model: this package and ``images.py``, copied as they stand into every logged model and export.

They need nothing else of cnnexp, so that an exported folder and a server answer as the run did. ``classifier.load`` is
the way in.
"""

import shutil
from pathlib import Path

_HERE = Path(__file__).parent
_READER = _HERE.parent / "images.py"


def copy_to(package: Path, *, without: str) -> None:
    """Make `package`, a folder that does not exist yet, a Python package that reads images and asks models.

    It gets ``images.py`` and this package beside it; `without` names a module that is of no use there.
    """
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copyfile(_READER, package / _READER.name)
    shutil.copytree(_HERE, package / _HERE.name, ignore=shutil.ignore_patterns("__pycache__", without))
