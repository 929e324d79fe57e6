"""What is known of a network and of its loss without training: numbers by which faults of either are told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network before its first step, on some training images. Layers are those with a kernel, but for the last."""

    hidden: int  # layers
    input_rms: float | None  # root mean square of what the first one gets; None: it is normalized before
    gain: float | None  # by which a layer changes the root mean square, geometric mean; None: the network normalizes
    dead: float  # largest share of the units of a layer that answer 0 to every image
    alike: float  # largest share of the units of a layer that have the weights of another one
    spread: float  # standard deviation over images of what the last of them gives, by its root mean square
    narrowest: int  # numbers that the layer with the fewest passes on
    linear: tuple[str, ...]  # names of layers that no activation follows before the next kernel
    drawn: tuple[str, ...]  # names of layers whose weights are random numbers, as far as can be seen
    unchanged: tuple[str, ...] = ()  # names of layers whose weights are the same after training


@dataclass(frozen=True, slots=True)
class LossFacts:
    """The loss of a user's own, of made-up logits; in nats, and beside them what cross-entropy has."""

    at_uniform: float  # of equal logits; cross-entropy: ln K
    least: float  # for a right answer, however sure; cross-entropy: 0
    stuck: float  # share of answers, undecided and wrong ones, from which no gradient leads away; cross-entropy: 0
    classes: int
    # How many times too large the logits are at which it is least for labels that are sure to a part; cross-entropy: 1.
    sharpness: float = 1.0
