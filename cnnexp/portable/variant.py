"""How a saved model differs from the one that its run trained: views of each image, size, weights of several runs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One look at an image: mirrored left and right or not, then moved by whole pixels; pixels at an edge repeat."""

    mirrored: bool
    down: int  # pixels; negative: up
    right: int  # pixels; negative: left

    def __str__(self) -> str:
        moves = [f"{abs(self.down)} {'down' if self.down > 0 else 'up'}"] if self.down else []
        moves += [f"{abs(self.right)} {'right' if self.right > 0 else 'left'}"] if self.right else []
        return ", ".join([*(["mirrored"] if self.mirrored else []), *moves]) or "as it is"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What was done to a trained model; its card, thresholds and calibration are those of the result."""

    views: tuple[View, ...]  # whose logits are averaged; empty: the image alone
    trained_size: tuple[int, int] | None  # (height, width) of the images of its training; None: the size of the card
    runs: tuple[str, ...]  # ids of runs whose weights are averaged, the best first; empty: one run
    left_out: tuple[str, ...]  # ids of runs whose weights would have made the mean worse on the validation images

    def summary(self, size: tuple[int, int]) -> str:
        """Return what was done, in a few words; `size` is the height and width of the images that the model takes."""
        sizes = ""
        if self.trained_size is not None:
            sizes = "images of {} × {} pixels, {} × {} in training".format(*size, *self.trained_size)
        seen = f"the mean over {len(self.views)} views ({'; '.join(map(str, self.views))})" if self.views else ""
        return "; ".join(filter(None, [self._soup, sizes, seen]))

    def __post_init__(self) -> None:
        if self.trained_size is not None and min(self.trained_size) < 1:
            raise ValueError(f"height and width of a training must be at least 1 pixel; got {self.trained_size}")

    @property
    def _soup(self) -> str:
        if not self.runs:
            return ""
        tried = f" of {len(self.runs) + len(self.left_out)}" if self.left_out else ""
        if len(self.runs) == 1:
            return f"the weights of run {self.runs[0][:12]} alone{tried}"
        return f"the mean of the weights of {len(self.runs)}{tried} runs"
