from dataclasses import dataclass

from cnnexp.config.rules import one_of, within


@dataclass(kw_only=True, slots=True)
class AugmentationConfig:
    """Random changes to training images; never part of the saved model."""

    name: str
    flip: str  # auto: left-right where data.mirror allows it; always; never
    shift: float  # largest move in each direction, as a share of the side
    zoom: float  # largest relative change of size, in or out

    def __post_init__(self) -> None:
        one_of("augmentation.flip", self.flip, ("auto", "always", "never"))
        within("augmentation.shift", self.shift, 0, 0.5)
        within("augmentation.zoom", self.zoom, 0, 0.5)
