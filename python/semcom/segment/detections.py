# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as a network sees them: a peak at the centre of each, and a box that each cell of its map gives.

Zhou et al., "Objects as Points", 2019 (peaks), and Tian et al., "FCOS", ICCV 2019 (boxes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_DETECTIONS = 64
MIN_SCORE = 0.22
"""Of a peak that counts as an object."""
NMS = 0.4
"""IoU of two boxes of one class above which the less certain is none."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of objects, the most certain first.

    Attributes
    ----------
    boxes : float32 [n, 4]
        x0, y0, x1, y1 in pixels of the image.
    labels : uint8 [n]
        Classes, never 0.
    scores : float32 [n]
        0 to 1.
    cells : float32 [h, w, 4]
        The box of the object that is seen at each cell of a grid over the whole image, as ``boxes``.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    cells: np.ndarray


def detections(centres: np.ndarray, sides: np.ndarray, height: int, width: int) -> Detections:
    """The objects in what a network says of an image.

    Parameters
    ----------
    centres : float32 [classes - 1, h, w]
        How likely the centre of an object of each class but the background is in each cell, 0 to 1.
    sides : float32 [4, h, w]
        From the middle of each cell to the left, upper, right and lower side of its object's box, as shares of the
        image's width and height.
    height, width : int
        Of the image, in pixels.

    Returns
    -------
    Detections
        At most ``MAX_DETECTIONS``.
    """
    rows, columns = centres.shape[1:]
    y, x = (np.arange(rows)[:, None] + 0.5) / rows, (np.arange(columns)[None] + 0.5) / columns
    ends = np.stack([x - sides[0], y - sides[1], x + sides[2], y + sides[3]], axis=2)
    cells = (np.clip(ends, 0, 1) * np.array([width, height, width, height])).astype(np.float32)
    padded = np.pad(centres, ((0, 0), (1, 1), (1, 1)))
    around = np.max([padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
    label, row, column = np.nonzero((centres == around) & (centres >= MIN_SCORE))
    boxes, scores = cells[row, column], centres[label, row, column]
    kept = distinct(boxes, label, scores, NMS)[:MAX_DETECTIONS]
    return Detections(boxes[kept], (label[kept] + 1).astype(np.uint8), scores[kept], cells)


def distinct(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, nms: float) -> np.ndarray:
    """Which boxes remain when of two of one class that overlap by more than ``nms`` the less certain goes.

    Parameters
    ----------
    boxes : float32 [n, 4]
        x0, y0, x1, y1.
    labels : integers [n]
        Classes.
    scores : float32 [n]
        How certain they are.
    nms : float
        IoU, 0 to 1.

    Returns
    -------
    int64 [m]
        Their numbers, the most certain first.
    """
    kept = np.zeros(0, np.int64)
    for i in np.argsort(-scores, kind="stable"):
        rivals = kept[labels[kept] == labels[i]]
        if not np.any(overlaps(boxes[i], boxes[rivals]) > nms):
            kept = np.append(kept, i)
    return kept


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes.

    Parameters
    ----------
    box : floats [..., 4]
        x0, y0, x1, y1.
    boxes : floats [..., 4]
        Others; the two shapes are broadcast.

    Returns
    -------
    floats [...]
        0 to 1.
    """
    sides = np.minimum(box[..., 2:], boxes[..., 2:]) - np.maximum(box[..., :2], boxes[..., :2])
    both = np.prod(np.maximum(sides, 0), axis=-1)
    areas = np.prod(box[..., 2:] - box[..., :2], axis=-1) + np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    return both / np.maximum(areas - both, 1e-9)
