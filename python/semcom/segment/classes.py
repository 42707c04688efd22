# SPDX-License-Identifier: GPL-3.0-or-later
"""The classes that a class map speaks of: those of PASCAL VOC, and what stands for them elsewhere."""

from __future__ import annotations

import numpy as np

VOC = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""Names of the labels 0 to 20, in PASCAL VOC's order and spelling (Everingham et al., 2010)."""

VOID = 255
"""Label of pixels that count neither for nor against a segmentation."""

COCO_TO_VOC = {
    "person": "person",
    "bicycle": "bicycle",
    "car": "car",
    "motorcycle": "motorbike",
    "airplane": "aeroplane",
    "bus": "bus",
    "train": "train",
    "boat": "boat",
    "bird": "bird",
    "cat": "cat",
    "dog": "dog",
    "horse": "horse",
    "sheep": "sheep",
    "cow": "cow",
    "bottle": "bottle",
    "chair": "chair",
    "couch": "sofa",
    "potted plant": "pottedplant",
    "dining table": "diningtable",
    "tv": "tvmonitor",
}
"""COCO category -> VOC name. Categories that are not here have no VOC class: their pixels are background."""


def _palette(count: int) -> np.ndarray:
    """VOC's colours: bits 0, 3, 6 of a label are the high bits of its red, 1, 4, 7 of green and 2, 5, 8 of blue."""
    labels = np.arange(count)
    channels = [sum(((labels >> (3 * step + c)) & 1) << (7 - step) for step in range(3)) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


PALETTE = _palette(len(VOC))
"""Colour of each label as PASCAL VOC draws it, uint8 [21, 3], RGB."""
PALETTE.flags.writeable = False
