"""Decoded images on disk, used by every later run."""
