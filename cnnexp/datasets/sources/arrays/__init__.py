"""Data sets that are arrays of pixels already."""
