"""Images of a run that changes are tried on, and its network that answers them: how many, and is there time for it?"""

import functools
import time
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnnexp.datasets import Split, Splits
from cnnexp.diagnosis import RunImages, Sample
from cnnexp.diagnosis.pixel_statistics import statistics_of
from cnnexp.records import Images, Labels, Probabilities
from cnnexp.training import Network

# Where a split is below another, changes of its pixels are tried: answers are asked for the few that make pixels agree.
CHANGES_TRIED, CHANGES_MADE = 30, 75  # in units of an answer; of the statistics of an image, making changes included
SHARE_OF_TRAINING, LEAST_SECONDS = 0.04, 0.3
FEWEST_TRIED, MOST_TRIED = 160, 600  # of fewer photographs, chance hides what a change of half of them does
# Seconds that these may take where it is more than the share: at 224 pixels, 15 ms an answer, it would be a minute.
MOST_SECONDS = 3.0
# Images, by which the time is estimated: of what takes so few seconds, a call itself is most, so that more are timed.
TIMED, BRIEF = 16, 0.02


def images_to_try(
    splits: Splits,
    network: Network,
    seed: int,
    *,
    seconds: float,
    limit: float = 1.0,
    without: Collection[int] = (),
) -> RunImages:
    """Return images to try changes on: so many that it takes a small part of the `seconds` of training.

    What takes at most `limit` times what a run may spend at its end is quick. `without` are rows of the data set that
    are not looked at.
    """

    def predict(images: Images) -> Labels:
        best: Labels = network.logits(images, np.arange(len(images))).argmax(axis=1)
        return best

    def probabilities(images: Images) -> Probabilities:
        return np.asarray(softmax(network.logits(images, np.arange(len(images))), axis=1), np.float32)

    @functools.cache
    def of_an_image() -> float:  # its seconds
        split = splits.validation if len(splits.validation) else splits.train
        for most in (TIMED, FEWEST_TRIED):
            few = sample_of(split, seed, most=most).images
            predict(few)  # the first time is longer
            if _seconds(predict, few) > BRIEF:
                break
        return (CHANGES_TRIED * _seconds(predict, few) + CHANGES_MADE * _seconds(statistics_of, few)) / len(few)

    def is_quick() -> bool:
        return FEWEST_TRIED * of_an_image() <= limit * max(MOST_SECONDS, SHARE_OF_TRAINING * seconds)

    def sample(split: str) -> Sample:
        allowed = max(LEAST_SECONDS, SHARE_OF_TRAINING * seconds)
        most = int(np.clip(allowed / of_an_image(), FEWEST_TRIED, MOST_TRIED))
        return sample_of(splits[split], seed, most=most, without=without)

    return RunImages(sample, predict, probabilities, is_quick)


def _seconds(call: Callable[[Images], object], images: Images) -> float:
    """Return the seconds of the processor that a call takes: others on the machine must not change what is found.

    The shortest of three: another thread of this process may be at work meanwhile.
    """
    taken = []
    for _ in range(3):
        started = time.process_time()
        call(images)
        taken.append(time.process_time() - started)
    return max(min(taken), 1e-4)


def sample_of(split: Split, seed: int, *, most: int, without: Collection[int] = ()) -> Sample:
    """Return at most so many images of a split, each as likely, but none of some rows of the data set."""
    return sample_at(split, places_of(split, seed, most=most, without=without))


def places_of(split: Split, seed: int, *, most: int, without: Collection[int] = ()) -> NDArray[np.int64]:
    """Return the places (N,) in a split of at most so many of its images, ascending, none of some rows."""
    places = np.flatnonzero(~np.isin(split.rows, list(without))) if without else np.arange(len(split))
    if len(places) <= most:
        return places
    return np.sort(np.random.default_rng(seed).choice(places, most, replace=False))


def sample_at(split: Split, places: NDArray[np.int64]) -> Sample:
    """Return the images at some places of a split."""
    return Sample(split.images[split.rows[places]], split.labels[places])
