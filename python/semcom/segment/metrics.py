# SPDX-License-Identifier: GPL-3.0-or-later
"""How well label maps and boundaries agree with the truth."""

from __future__ import annotations

import math

import numpy as np

from ..errors import BadInput


def confusion(found: np.ndarray, truth: np.ndarray, classes: int, void: int = 255) -> np.ndarray:
    """Pixels by true and by found class; add up those of several images before ``iou``.

    Parameters
    ----------
    found, truth : integers [H, W]
        0 to ``classes - 1``.
    classes : int
        How many there are.
    void : int, default 255
        Where the truth has this label nothing counts.

    Returns
    -------
    int64 [classes, classes]
        Rows are the truth, columns what was found.

    Raises
    ------
    BadInput
        Maps of different sizes, or a label that is no class.
    """
    if found.shape != truth.shape:
        raise BadInput(f"label maps of {found.shape} and {truth.shape} cannot be compared; give two of equal size")
    known = truth != void
    found, truth = found[known].astype(np.intp), truth[known].astype(np.intp)
    for labels in (found, truth):
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            raise BadInput(f"a label map of {classes} classes holds labels from {labels.min()} to {labels.max()}")
    return np.bincount(truth * classes + found, minlength=classes**2).reshape(classes, classes)


def iou(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class; NaN for classes that never occur.

    Parameters
    ----------
    counts : int64 [classes, classes]
        What ``confusion`` gives.

    Returns
    -------
    float64 [classes]
        0 to 1.
    """
    both = np.diag(counts)
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return np.divide(both, either, out=np.full(len(counts), math.nan), where=either > 0)


def mean_iou(found: np.ndarray, truth: np.ndarray, classes: int, void: int = 255) -> float:
    """Mean of ``iou`` over the classes that occur in the truth or were found; NaN when all is void.

    Parameters
    ----------
    found, truth : integers [H, W]
        Two label maps.
    classes : int
        How many there are.
    void : int, default 255
        Where the truth has this label nothing counts.

    Returns
    -------
    float
        0 to 1.
    """
    values = iou(confusion(found, truth, classes, void))
    present = ~np.isnan(values)
    return float(values[present].mean()) if present.any() else math.nan


def boundary_f(found: np.ndarray, truth: np.ndarray, tolerance: float = 0.0075) -> float:
    """F-score of boundaries: the harmonic mean of precision and recall.

    A boundary pixel counts as right when one of the other side's lies no further away than the tolerance, as in the
    DAVIS benchmark (Perazzi et al., CVPR 2016), which takes this for the matching of Martin et al. (PAMI 2004).

    Parameters
    ----------
    found, truth : bool [H, W]
        What was found, and what is true.
    tolerance : float, default 0.0075
        As a share of the image's diagonal; rounded up to whole pixels.

    Returns
    -------
    float
        0 to 1; 1 where there is no boundary in either, 0 where there is one in only one of them.

    Raises
    ------
    BadInput
        Boundaries of different sizes.
    """
    precision, recall = boundary_match(found, truth, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def boundary_match(found: np.ndarray, truth: np.ndarray, tolerance: float = 0.0075) -> tuple[float, float]:
    """Precision and recall behind ``boundary_f``: the share of what was found that is right, and of the truth found.

    Where nothing was found precision is 1, where there is nothing to find recall is.

    Parameters
    ----------
    found, truth : bool [H, W]
        Boundaries.
    tolerance : float, default 0.0075
        As a share of the image's diagonal.

    Returns
    -------
    float, float
        Precision and recall, 0 to 1.
    """
    if found.shape != truth.shape:
        raise BadInput(f"boundaries of {found.shape} and {truth.shape} cannot be compared; give two of equal size")
    radius = math.ceil(tolerance * math.hypot(*truth.shape))
    precision = _grown(truth, radius)[found].mean() if found.any() else 1.0
    recall = _grown(found, radius)[truth].mean() if truth.any() else 1.0
    return float(precision), float(recall)


def _grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """All pixels no further than ``radius`` from one of the mask's, bool [H, W]."""
    height, width = mask.shape
    radius = min(radius, height + width)
    # before[y, x]: pixels of the mask in row y left of x
    before = np.zeros((height, width + 1), np.int64)
    np.cumsum(mask, axis=1, out=before[:, 1:])
    grown = np.zeros(mask.shape, bool)
    columns = np.arange(width)
    for down in range(-min(radius, height - 1), min(radius, height - 1) + 1):
        reach = math.isqrt(radius**2 - down**2)
        row = before[:, np.minimum(columns + reach + 1, width)] > before[:, np.maximum(columns - reach, 0)]
        grown[max(0, -down) : height - max(0, down)] |= row[max(0, down) : height - max(0, -down)]
    return grown
