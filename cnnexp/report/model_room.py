"""How much room the models of runs take, estimated before they are trained."""

from cnnexp.system.text import file_size

_BYTES = 4  # of a parameter: a model is saved in float32


def room_for_model(parameters: int) -> str:
    """Return the room for one model file, by the number of the network's parameters."""
    return f"about {file_size(_BYTES * parameters)}"


def room_for_models(count: int | None, parameters: int, *, kept: str) -> str:
    """Return the room for the model files of a sweep.

    Args:
        count: How many models are trained; None: it is not known.
        parameters: Of one network.
        kept: The setting ``tracking.models``.

    """
    one = _BYTES * parameters
    if kept == "none":
        return f"none is kept (of about {file_size(one)} each)"
    if kept == "best":
        return f"the best run's is kept (about {file_size(one)})"
    every = (
        f"about {file_size(one)} each" if count is None else f"{count:,} × {file_size(one)} = {file_size(one * count)}"
    )
    return f"{every}; tracking.models=best keeps one"
