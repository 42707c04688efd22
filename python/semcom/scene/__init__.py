# SPDX-License-Identifier: GPL-3.0-or-later
"""Explainable semantics (ES-ISC): an image as a scene that a person can read, in a few hundred bytes, and back.

Ye et al., "ES-ISC Demo": caption, class map (A-seg), boundaries (B-seg) and sub-images (S-img) over standard digital
transmission. The encoder, with the networks that it runs, loads on first use: a receiver needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .budget import Budget, ByteBudget, UseBudget
from .coding.container import NAMES, Decoded, Section, sections, sizes
from .coding.container import decode as decode_scene
from .coding.container import encode as encode_scene
from .coding.protection import Protection, adapted, parts
from .model import Scene, SubImage, at_size
from .render import draw
from .render.reconstruction import reconstruct
from .render.show import describe_scene, terminal_map

_ENCODER = ("EncoderSettings", "SemanticEncoder")

__all__ = [
    "NAMES",
    "Budget",
    "ByteBudget",
    "Decoded",
    "EncoderSettings",
    "Protection",
    "Scene",
    "Section",
    "SemanticEncoder",
    "SubImage",
    "UseBudget",
    "adapted",
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


def __getattr__(name: str) -> Any:
    if name not in _ENCODER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".encoder", __name__), name)
