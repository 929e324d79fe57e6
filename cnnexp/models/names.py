"""Names of layers that every network has, and that its saved file is known by."""

LOGITS = "logits"  # the last dense layer, whose input are the features
RAW = "uint8_pixels_0_to_255"  # the input
SCALING_LAYER = "scaling"  # the first, of uint8 pixels
