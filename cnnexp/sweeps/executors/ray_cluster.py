"""Joins the Ray cluster that executes a sweep, and asks which cores and GPUs it has."""

import re
import socket
from collections.abc import Mapping

from cnnexp.errors import ConfigError, SweepError
from cnnexp.system.devices import Devices, Gpu
from cnnexp.system.text import one_line

_ACCELERATOR = "accelerator_type:"  # how Ray names the models of a node's GPUs among its resources
# Of Ray's names of models those of compute capability 8.0 and higher, such as A100, L4, H200, GeForce-RTX-4090.
_AMPERE_ON = re.compile(r"(A|L|H|B|GB|GH)\d+\w*|GeForce-RTX-[3-9]\d{3}.*|RTX-(A|PRO).*|RTX-.*Ada.*")
_REACH_SECONDS = 6.0  # for the head to answer; Ray itself would try for more than a minute


def join(address: str) -> None:
    """Join the cluster.

    Raises:
        ConfigError: Ray is not installed, or the address is malformed.
        SweepError: there is no cluster at the address, or it refuses.

    """
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ConfigError(
            "hydra/launcher=ray needs Ray, here and on every node; install it with: pip install 'cnnexp[ray]'"
        ) from None
    if address != "auto":
        _reach(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:  # what Ray raises, for many causes
        reason = one_line(error)
        raise SweepError(
            f"hydra.launcher.address must name a Ray cluster of this machine; {address} could not be joined: "
            f"{reason}. Start one with `ray start --head`, join one with `ray start --address=HOST:PORT`, and have "
            "RAY_AUTH_MODE and its token set alike everywhere."
        ) from error


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ConfigError(f"hydra.launcher.address must be auto, or host:port of the head of a cluster; got {address}.")
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_SECONDS).close()
    except OSError as error:
        raise SweepError(
            f"hydra.launcher.address must answer within {_REACH_SECONDS:g} seconds; {address} did not ({error}). Start "
            "the cluster with `ray start --head`, or correct the address."
        ) from error


def cores_of_nodes() -> list[int]:
    """Return the cores of each node that offers any."""
    resources = _resources_of_nodes()
    return [int(offered["CPU"]) for offered in resources if "CPU" in offered and offered["CPU"] >= 1]


def devices_of_nodes() -> Devices:
    """Return the GPUs that all nodes offer, by what Ray knows of them: a model, and no memory."""
    return Devices(tuple(gpu for offered in _resources_of_nodes() for gpu in gpus_of(offered)))


def gpus_of_each_node() -> list[int]:
    """Return how many GPUs each node offers."""
    return [int(offered.get("GPU", 0)) for offered in _resources_of_nodes()]


def gpus_of(offered: Mapping[str, float]) -> list[Gpu]:
    """Return the GPUs of a node that offers these resources."""
    model = next((name.removeprefix(_ACCELERATOR) for name in offered if name.startswith(_ACCELERATOR)), None)
    capability = (8, 0) if model is not None and _AMPERE_ON.fullmatch(model) else None
    return [Gpu(model or "GPU", number, str(number), None, capability) for number in range(int(offered.get("GPU", 0)))]


def _resources_of_nodes() -> list[Mapping[str, float]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
