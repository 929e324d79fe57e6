"""Joins the Ray cluster that executes a sweep, and asks how many cores it has."""

import socket

from cnnexp.errors import ConfigError, SweepError
from cnnexp.system.text import one_line

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
    import ray

    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [int(offered["CPU"]) for offered in resources if "CPU" in offered and offered["CPU"] >= 1]
