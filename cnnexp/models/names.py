"""Names of layers that every network has, and that its saved file is known by."""

DROPOUT = "dropout"  # of the features, where there is one
LOGITS = "logits"  # the last dense layer, whose input are the features
PROBABILITIES = "probabilities"  # the last, a softmax
RAW = "uint8_pixels_0_to_255"  # the input
SCALING_LAYER = "scaling"  # the first, of uint8 pixels
WHITENING = "whitening"  # a convolution whose kernel is fitted to training images, where there is one
