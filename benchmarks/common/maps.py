# SPDX-License-Identifier: GPL-3.0-or-later
"""How well class maps agree, over the pixels of several images together."""

from __future__ import annotations

import numpy as np
from gnuradio.semcom.segment.classes import VOC
from gnuradio.semcom.segment.metrics import confusion


def tallied(found: np.ndarray, truth: np.ndarray) -> list[list[int]]:
    """Pixels of each class in both, in the truth, and found; of several images they add up."""
    counts = confusion(found, truth.astype(np.uint8), len(VOC))
    return [np.diag(counts).tolist(), counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()]


def mean_iou(rows: list[list[list[int]]]) -> float:
    """Over the classes that the truth of the images shows, over all their pixels together."""
    both, true, found = np.sum(rows, axis=0)
    shown = true > 0
    return round(float((both / np.maximum(1, true + found - both))[shown].mean()), 4)
