# SPDX-License-Identifier: GPL-3.0-or-later
"""Explainable semantics (ES-ISC): an image as a scene that a person can read, in a few hundred bytes, and back.

Ye et al., "ES-ISC Demo": caption, class map (A-seg), boundaries (B-seg) and sub-images (S-img) over standard digital
transmission.
"""

from __future__ import annotations

from . import draw
from .container import NAMES, Decoded, Section, sections, sizes
from .container import decode as decode_scene
from .container import encode as encode_scene
from .encoder import EncoderSettings, SemanticEncoder
from .model import Scene, SubImage, at_size
from .protection import Protection, parts
from .reconstruction import reconstruct
from .show import describe_scene, terminal_map

__all__ = [
    "NAMES",
    "Decoded",
    "EncoderSettings",
    "Protection",
    "Scene",
    "Section",
    "SemanticEncoder",
    "SubImage",
    "at_size",
    "decode_scene",
    "describe_scene",
    "draw",
    "encode_scene",
    "parts",
    "reconstruct",
    "sections",
    "sizes",
    "terminal_map",
]
