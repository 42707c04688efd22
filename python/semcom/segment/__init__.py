# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmentation by prompts: what is meant in an image, and which pixels it covers.

The two segmenters that run networks load on first use: who only reads a scene needs neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .boundaries import boundaries, partition, snap
from .classes import COCO_TO_VOC, PALETTE, VOC, VOID
from .draw import cut_out, outline, overlay
from .everything import everything
from .instances import Instances, SceneObject, class_mask, instances, objects, pixels_of
from .masks import Candidates, Embedding, Segmentation
from .prompts import (
    MAX_REGIONS,
    Box,
    ClassName,
    Everything,
    Mask,
    MaskFile,
    Point,
    Prompt,
    count_regions,
    join_prompts,
    parse_prompt,
    regions_of,
    split_prompts,
    validate,
)  # fmt: skip

_SEGMENTERS = {
    "Sam": ".sam",
    "ClassSegmenter": ".semantic",
    "SemanticSegmenter": ".semantic",
    "TaskAssessor": ".tasks",
}

__all__ = [
    "COCO_TO_VOC",
    "MAX_REGIONS",
    "PALETTE",
    "VOC",
    "VOID",
    "Box",
    "Candidates",
    "ClassName",
    "ClassSegmenter",
    "Embedding",
    "Everything",
    "Instances",
    "Mask",
    "MaskFile",
    "Point",
    "Prompt",
    "Sam",
    "SceneObject",
    "Segmentation",
    "SemanticSegmenter",
    "TaskAssessor",
    "boundaries",
    "class_mask",
    "count_regions",
    "cut_out",
    "everything",
    "instances",
    "join_prompts",
    "objects",
    "outline",
    "overlay",
    "parse_prompt",
    "partition",
    "pixels_of",
    "regions_of",
    "snap",
    "split_prompts",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _SEGMENTERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_SEGMENTERS[name], __name__), name)
