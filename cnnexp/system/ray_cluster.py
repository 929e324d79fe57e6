"""Joins the Ray cluster that executes a sweep, or a run on several machines; asks what its nodes have."""

import re
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cnnexp.errors import ConfigError, SweepError
from cnnexp.system.devices import Devices, Gpu
from cnnexp.system.text import one_line

# What asks for Ray, and the setting of the address.
SWEEP = "hydra/launcher=ray", "hydra.launcher.address"
RUN = "training.strategy=multi_worker", "training.cluster"

_ACCELERATOR = "accelerator_type:"  # how Ray names the models of a node's GPUs among its resources
# Of Ray's names of models those of compute capability 8.0 and higher, such as A100, L4, H200, GeForce-RTX-4090.
_AMPERE_ON = re.compile(r"(A|L|H|B|GB|GH)\d+\w*|GeForce-RTX-[3-9]\d{3}.*|RTX-(A|PRO).*|RTX-.*Ada.*")
_LIBRARIES = ("cnnexp", "tensorflow", "keras", "numpy", "scikit-learn")  # that a run's numbers depend on
_REACH_SECONDS = 6.0  # for the head, or a node, to answer; Ray itself would try for more than a minute


def join(address: str, *, of: tuple[str, str] = SWEEP) -> None:
    """Join the cluster at an address, once; `of` is what asks for it, and the setting that names it.

    Raises:
        ConfigError: Ray is not installed, or the address is malformed.
        SweepError: there is no cluster at the address, or it refuses.

    """
    what, setting = of
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ConfigError(
            f"{what} needs Ray, here and on every node; install it with: pip install 'cnnexp[ray]'"
        ) from None
    if ray.is_initialized():
        return
    if address != "auto":
        _reach(address, setting)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:  # what Ray raises, for many causes
        reason = one_line(error)
        raise SweepError(
            f"{setting} must name a Ray cluster of this machine; {address} could not be joined: "
            f"{reason}. Start one with `ray start --head`, join one with `ray start --address=HOST:PORT`, and have "
            "RAY_AUTH_MODE and its token set alike everywhere."
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # or Ray would end the process at once


def _reach(address: str, setting: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        raise ConfigError(f"{setting} must be auto, or host:port of the head of a cluster; got {address}.")
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_SECONDS).close()
    except (OSError, UnicodeError) as error:  # the latter for names that no host can have, such as a..b
        raise SweepError(
            f"{setting} must answer within {_REACH_SECONDS:g} seconds; {address} did not ({error}). Start "
            "the cluster with `ray start --head`, or correct the address."
        ) from error


def versions() -> dict[str, str]:
    """Return the versions of the libraries that a run's numbers depend on."""
    return {name: version(name) for name in _LIBRARIES}


def introduction(expected: Mapping[str, str]) -> str:
    """Return the name of this node.

    Raises:
        SweepError: it has other versions than those expected.

    """
    other = {name: found for name, found in versions().items() if found != expected[name]}
    if other:
        listed = ", ".join(f"{name} {found} instead of {expected[name]}" for name, found in other.items())
        raise SweepError(
            f"Every node must have the versions of the machine where the command was typed; {socket.gethostname()} has "
            f"{listed}. Install the same there."
        )
    return socket.gethostname()


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster."""

    identifier: str  # Ray's
    cores: int
    gpus: int


def other_nodes() -> list[Node]:
    """Return the nodes that offer cores, but the one that this process has joined."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    alive = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here and _answers(node)]
    alive.sort(key=lambda node: (node["NodeManagerAddress"], node["NodeID"]))
    offered = [(node["NodeID"], node["Resources"]) for node in alive]
    return [Node(name, int(one["CPU"]), int(one.get("GPU", 0))) for name, one in offered if one.get("CPU", 0) >= 1]


def _answers(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is there: of one that is lost, Ray says for up to half a minute that it is."""
    with suppress(OSError):
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), timeout=_REACH_SECONDS).close()
        return True
    return False


def require_others(kind: str) -> list[Node]:
    """Return the other nodes that compute a part of each batch of a run; with `kind` ``gpu`` those that offer a GPU.

    Raises:
        ConfigError: there are none.

    """
    nodes = [node for node in other_nodes() if kind == "cpu" or node.gpus]
    if not nodes:
        what = "cores" if kind == "cpu" else "a GPU"
        raise ConfigError(
            f"training.strategy=multi_worker needs another machine in the Ray cluster that offers {what}; there is "
            "none beside this one. Join one with `ray start --address=HOST:PORT`, or leave the setting out."
        )
    return nodes


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
