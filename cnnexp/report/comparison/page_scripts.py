"""What runs in the page of a comparison: our modules, as they stand in `page/`, and the chart library, compressed."""

import base64
import gzip
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from cnnexp.errors import CnnexpError

_MODULES = Path(__file__).with_name("page")
_LIBRARY = Path("package_data", "plotly.min.js")


@cache
def import_map() -> str:
    """Return the JSON that tells a browser where the modules are: inside the page.

    They import each other as `#name`, which Node reads from `page/package.json`.
    """
    addresses = {f"#{file.stem}": _data_uri(file.read_bytes()) for file in sorted(_MODULES.glob("*.js"))}
    return json.dumps({"imports": addresses})


def _data_uri(script: bytes) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(script).decode()}"


@cache
def style() -> str:
    """Return the style of what the scripts build."""
    return (_MODULES / "page.css").read_text(encoding="utf-8")


@cache
def packed_plotly() -> str:
    """Return plotly.js as its Python package carries it, gzip in base64: a third of its size."""
    found = find_spec("plotly")  # not imported: it is a large package, and one file is wanted
    folders = None if found is None else found.submodule_search_locations
    script = None if not folders else Path(folders[0], _LIBRARY)
    if script is None or not script.is_file():
        raise CnnexpError(
            "The page of a comparison needs plotly, whose package carries the script for its charts; it is not "
            "installed, or without that script: pip install plotly."
        )
    return base64.b64encode(gzip.compress(script.read_bytes(), 9, mtime=0)).decode()
