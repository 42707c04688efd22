# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmentation by prompts: what is meant in an image, and which pixels it covers."""

from .draw import cut_out, overlay
from .prompts import Box, ClassName, Everything, MaskFile, Point, Prompt, parse_prompt, validate
from .sam import Embedding, Sam, Segmentation

__all__ = [
    "Box",
    "ClassName",
    "Embedding",
    "Everything",
    "MaskFile",
    "Point",
    "Prompt",
    "Sam",
    "Segmentation",
    "cut_out",
    "overlay",
    "parse_prompt",
    "validate",
]
