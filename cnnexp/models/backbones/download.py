"""Has Keras download the weights of one of its networks into its cache: ``python -m ... NAME``, a process of its own.

A sweep looks for weights in a process that never imports Keras, and what Keras prints on the way is for nobody.
"""

import socket
import sys

from cnnexp.config.backbones import BACKBONES

SECONDS = 15  # without an answer, after which a server is given up


def main() -> None:
    """Build the network that is named with the weights that Keras publishes for it."""
    import keras

    socket.setdefaulttimeout(SECONDS)
    backbone = BACKBONES[sys.argv[1]]
    builder = getattr(keras.applications, str(backbone.builder))
    builder(weights="imagenet", include_top=False, input_shape=(backbone.side, backbone.side, 3))


if __name__ == "__main__":
    main()
