"""The difference of two shares that were counted on different images."""

import math

from scipy import special

from cnnexp.comparison.paired import CONFIDENCE, Estimate


def difference_of_shares(right: int, images: int, other_right: int, other_images: int) -> Estimate:
    """Share of right answers on some images minus that on others, with Newcombe's 95 % interval.

    The hybrid score interval, which joins Wilson's intervals of the two shares (Newcombe 1998, Statistics in Medicine
    17:873, method 10). `n` is the smaller number of images.
    """
    share, other = right / images, other_right / other_images
    low, high = _wilson(share, images)
    other_low, other_high = _wilson(other, other_images)
    difference = share - other
    return Estimate(
        mean=difference,
        low=difference - math.hypot(share - low, other_high - other),
        high=difference + math.hypot(high - share, other - other_low),
        n=min(images, other_images),
    )


def _wilson(share: float, images: int) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    z = float(special.ndtri(0.5 + CONFIDENCE / 2))
    middle = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return max(0.0, middle - half), min(1.0, middle + half)
