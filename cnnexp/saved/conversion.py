"""What every conversion of a model into another format has to show."""

from cnnexp.errors import ModelError
from cnnexp.portable import golden
from cnnexp.portable.card import Card, UnfitModelError
from cnnexp.portable.golden import Predict

TOLERANCE = 1e-4  # of a probability


def require_recorded_answers(name: str, card: Card, predict: Predict) -> None:
    """Replay the golden samples with a converted model; `name` is that of its file.

    Raises:
        ModelError: a probability differs by more than 1e-4, or is no number.

    """
    try:
        golden.replay(card, predict, same_machine=True, tolerance=TOLERANCE)
    except UnfitModelError as error:
        raise ModelError(f"{name} does not answer as the model does. {error}") from error
