"""Drawings of one run: each a pure function from a record to a Matplotlib figure.

Figures are made without pyplot, which keeps global state: they may be drawn in any thread and need no closing.
"""

from cnnexp.figures.canvas import png
from cnnexp.figures.confusion import confusion_matrix
from cnnexp.figures.curves import curves
from cnnexp.figures.per_class import per_class

__all__ = ["confusion_matrix", "curves", "per_class", "png"]
