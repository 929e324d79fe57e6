"""Pretrained backbones: which weights there are, how they are read, and the flat networks that they belong to."""
