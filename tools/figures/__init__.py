# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and sentences of figures in the pages, each made of what ``results/`` holds by one function."""

from . import coders, digital, front, painting, regions, scenes, training, waveform
from .pages import BLOCKS, Unknown, Wrong, filled, lines, named, pages
from .results import Missing, Results

__all__ = [
    "BLOCKS",
    "Missing",
    "Results",
    "Unknown",
    "Wrong",
    "coders",
    "digital",
    "filled",
    "front",
    "lines",
    "named",
    "pages",
    "painting",
    "regions",
    "scenes",
    "training",
    "waveform",
]
