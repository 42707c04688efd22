# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes of objects as the maps that a network learns: centres, sides, and where neither is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..segment.classes import VOC, VOID
from .labelled import Crop

CELL = 8  # pixels between two values of the maps
CERTAIN = 0.3  # score of a box that is learnt; where there is a less certain one nothing is
SPREAD = 0.09  # of a box's sides: deviation of the peak at its centre
MIN_SPREAD = 0.35  # cells
FOREIGN = 0.2  # weight of cells in a box that show another class than the box's


@dataclass(frozen=True, eq=False)
class Targets:
    """What a network should say of the objects in a crop.

    Attributes
    ----------
    centres : float32 [classes - 1, h, w]
        1 at the centre of an object, less around it; -1 where nothing is known.
    sides : float32 [4, h, w]
        Pixels from the middle of a cell to the left, upper, right and lower side of its object's box.
    weights : float32 [h, w]
        How much the sides of a cell count; 0 where there is no object.
    """

    centres: np.ndarray
    sides: np.ndarray
    weights: np.ndarray


def targets(crop: Crop) -> Targets:
    """The maps of a crop.

    A cell within several boxes belongs to the smallest of those that have the class which it shows, or else to the
    smallest.

    Parameters
    ----------
    crop : Crop
        Of a photograph.

    Returns
    -------
    Targets
        At an eighth of its size.
    """
    count = crop.labels.shape[0] // CELL
    shown = _shown(crop, count)
    places = np.arange(count) + 0.5
    centres = np.zeros((len(VOC) - 1, count, count), np.float32)
    sides, weights = np.ones((4, count, count), np.float32), np.zeros((count, count), np.float32)
    # objects that the detector may have missed, and those of which it is not certain, are neither right nor wrong
    centres[shown[None] == np.arange(1, len(VOC))[:, None, None]] = -1
    sizes = np.prod(crop.boxes[:, 2:4] - crop.boxes[:, :2], axis=1)
    certain = crop.boxes[:, 4] >= CERTAIN
    for corners, label in _by_size(crop.boxes[~certain], sizes[~certain]):
        centres[label - 1][_inside(corners, places)] = -1
    ours = _by_size(crop.boxes[certain], sizes[certain])
    for corners, label in ours:
        known = centres[label - 1]
        known[_inside(corners, places) & (known < 0)] = 0
    for corners, label in ours:
        x0, y0, x1, y1 = corners / CELL
        row, column = (min(int(middle), count - 1) for middle in ((y0 + y1) / 2, (x0 + x1) / 2))
        dy = (places - places[row]) / max(MIN_SPREAD, SPREAD * (y1 - y0))
        dx = (places - places[column]) / max(MIN_SPREAD, SPREAD * (x1 - x0))
        peak = np.exp(-0.5 * (dy[:, None] ** 2 + dx[None] ** 2))
        np.maximum(centres[label - 1], np.where(peak > 0.01, peak, centres[label - 1]), out=centres[label - 1])
    for own in (False, True):
        for corners, label in ours:
            cells = _inside(corners, places) & ((shown == label) | (not own))
            x0, y0, x1, y1 = corners
            x, y = np.broadcast_arrays(places[None] * CELL, places[:, None] * CELL)
            sides[:, cells] = np.stack([x - x0, y - y0, x1 - x, y1 - y])[:, cells]
            foreign = (shown != label) & (shown != VOID)
            weights[cells] = np.where(foreign, FOREIGN, 1)[cells]
    return Targets(centres, sides, weights)


def _shown(crop: Crop, count: int) -> np.ndarray:
    """uint8 [count, count]: the class of each cell, true or by the teacher; void where neither is known."""
    middle = CELL // 2
    true = crop.labels[middle::CELL, middle::CELL][:count, :count]
    step = crop.shares.shape[1] // count
    shares = crop.shares[:, step // 2 :: step, step // 2 :: step][:, :count, :count]
    taught = np.where(shares.max(axis=0) > 0.5, shares.argmax(axis=0), VOID)
    return np.where(true == VOID, taught, true).astype(np.uint8)


def _by_size(boxes: np.ndarray, sizes: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Corners and label of each box, the largest first."""
    return [(boxes[i, :4], int(boxes[i, 5])) for i in np.argsort(-sizes, kind="stable")]


def _inside(corners: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Bool [h, w]: the cells whose middle lies in a box."""
    x0, y0, x1, y1 = corners / CELL
    return ((places > y0) & (places < y1))[:, None] & ((places > x0) & (places < x1))[None]
