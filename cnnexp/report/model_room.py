"""How much room the models of runs take, estimated before they are trained."""

from cnnexp.system.text import file_size

_BYTES = 4  # of a parameter: a model is saved in float32
_DESCRIPTION = 150_000  # bytes beside a head that is stored alone: what its file says of the layers


def room_for_model(parameters: int) -> str:
    """Return the room for one model file, by the number of the network's parameters."""
    return f"about {file_size(_BYTES * parameters)}"


def room_for_models(count: int | None, parameters: int, *, kept: str, head: int | None = None) -> str:
    """Return the room for the model files of a sweep.

    Args:
        count: How many models are trained; None: it is not known.
        parameters: Of one network.
        kept: The setting ``tracking.models``.
        head: Parameters of the head, where all models have the same backbone, which is stored once; else None.

    """
    one = _BYTES * parameters
    if kept == "none":
        return f"none is kept (of about {file_size(one)} each)"
    if kept == "best":
        return f"the best run's is kept (about {file_size(one)})"
    if head is not None:
        return _room_for_heads(count, one, _BYTES * head + _DESCRIPTION)
    every = (
        f"about {file_size(one)} each" if count is None else f"{count:,} × {file_size(one)} = {file_size(one * count)}"
    )
    return f"{every}; tracking.models=best keeps one"


def _room_for_heads(count: int | None, backbone: int, head: int) -> str:
    if count is None:
        return f"the backbone once, about {file_size(backbone)}, and {file_size(head)} for each head"
    total = file_size(backbone + count * head)
    return f"the backbone once, {file_size(backbone)}, and {count:,} heads × {file_size(head)} = {total}"
