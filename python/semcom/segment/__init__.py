# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmentation by prompts: what is meant in an image, and which pixels it covers."""

from .boundaries import boundaries, partition, snap
from .classes import COCO_TO_VOC, PALETTE, VOC, VOID
from .draw import cut_out, overlay
from .everything import everything
from .prompts import Box, ClassName, Everything, MaskFile, Point, Prompt, parse_prompt, validate
from .sam import Embedding, Sam, Segmentation
from .semantic import ClassSegmenter, SceneObject, SemanticSegmenter, class_mask, objects

__all__ = [
    "COCO_TO_VOC",
    "PALETTE",
    "VOC",
    "VOID",
    "Box",
    "ClassName",
    "ClassSegmenter",
    "Embedding",
    "Everything",
    "MaskFile",
    "Point",
    "Prompt",
    "Sam",
    "SceneObject",
    "Segmentation",
    "SemanticSegmenter",
    "boundaries",
    "class_mask",
    "cut_out",
    "everything",
    "objects",
    "overlay",
    "parse_prompt",
    "partition",
    "snap",
    "validate",
]
