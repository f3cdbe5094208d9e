"""Figures that move without a kernel.

A cell hands over a frame of numbers and a still figure of the first setting; a script
of the book draws in the page in its place. Without JavaScript the still one stays.
"""

from companion.moving.place import figure
from companion.moving.sliders import sliders

__all__ = ["figure", "sliders"]
