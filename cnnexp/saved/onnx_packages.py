"""The packages of the extra ``cnnexp[onnx]``, asked for before any work is done."""

from collections.abc import Sequence
from importlib.util import find_spec

from cnnexp.errors import ConfigError

READING = ("onnx", "onnxruntime")
WRITING = ("tf2onnx", *READING)


def require_onnx(asked: str, packages: Sequence[str]) -> None:
    """Refuse to begin without `packages`, which what was `asked` for needs.

    Raises:
        ConfigError: some are missing.

    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ConfigError(
            f"{asked} needs {', '.join(packages)}; missing: {', '.join(missing)}. "
            "Install them: pip install 'cnnexp[onnx]'."
        )
