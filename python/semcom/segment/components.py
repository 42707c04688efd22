# SPDX-License-Identifier: GPL-3.0-or-later
"""Connected pieces of a class map, in NumPy alone: runs along the rows, joined where they touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """The pieces of a map: pixels of one label that touch one another.

    Attributes
    ----------
    ids : int64 [H, W]
        The piece of each pixel, 0 to n-1 in the order of their first pixels.
    labels : numpy.ndarray [n]
        The label of each, of the map's dtype.
    areas : int64 [n]
        Pixels of each.
    boxes : int64 [n, 4]
        x0, y0, x1, y1 of each, x1 and y1 exclusive.
    """

    ids: np.ndarray
    labels: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray


def components(labels: np.ndarray, corners: bool = True) -> Components:
    """The pieces of a map.

    Pixels touch by their edges, and with ``corners`` at their corners too.

    Parameters
    ----------
    labels : integers or bool [H, W]
        Of at least one pixel.
    corners : bool, default True
        Whether pixels touch at their corners too, not only by their edges.

    Returns
    -------
    Components
        In the order of their first pixels.
    """
    height, width = labels.shape
    first = np.ones((height, width), bool)
    first[:, 1:] = labels[:, 1:] != labels[:, :-1]
    starts = np.flatnonzero(first)
    runs = (np.cumsum(first.ravel()) - 1).reshape(height, width)
    lengths = np.diff(starts, append=labels.size)
    roots = _joined(len(starts), _touching(labels, runs, (-1, 0, 1) if corners else (0,)))
    # roots are the smallest run of each piece, so that their order is the order of first pixels
    _, begin, piece = np.unique(roots, return_index=True, return_inverse=True)
    count = len(begin)
    rows, columns = np.divmod(starts, width)
    boxes = np.empty((count, 4), np.int64)
    boxes[:, :2], boxes[:, 2:] = labels.size, 0
    np.minimum.at(boxes[:, 0], piece, columns)
    np.minimum.at(boxes[:, 1], piece, rows)
    np.maximum.at(boxes[:, 2], piece, columns + lengths)
    np.maximum.at(boxes[:, 3], piece, rows + 1)
    areas = np.bincount(piece, weights=lengths, minlength=count).astype(np.int64)
    return Components(piece[runs], labels.ravel()[starts[begin]], areas, boxes)


def without_islands(labels: np.ndarray, least: int) -> np.ndarray:
    """A copy of ``labels`` in which each piece of fewer than ``least`` pixels took the label that surrounds it most.

    A map all of whose pieces are that small stays as it is.

    Parameters
    ----------
    labels : integers [H, W]
        The map.
    least : int
        Pixels.

    Returns
    -------
    integers [H, W]
        A new map.
    """
    cleaned = labels.copy()
    while True:
        found = components(cleaned)
        small = found.areas < least
        if not small.any() or small.all():
            return cleaned
        count = len(found.areas)
        across = found.ids[:, :-1].ravel(), found.ids[:, 1:].ravel()
        down = found.ids[:-1].ravel(), found.ids[1:].ravel()
        a, b = (np.concatenate(ends) for ends in zip(across, down, strict=True))
        differ = a != b
        a, b = np.concatenate([a[differ], b[differ]]), np.concatenate([b[differ], a[differ]])
        # islands within islands wait for their surroundings to be settled
        taken = small[a] & ~small[b]
        pairs, contact = np.unique(a[taken] * count + b[taken], return_counts=True)
        pairs = pairs[np.argsort(contact, kind="stable")]
        becomes = found.labels.copy()
        becomes[pairs // count] = found.labels[pairs % count]  # the longest contact is written last
        cleaned = becomes[found.ids]


def _touching(labels: np.ndarray, runs: np.ndarray, shifts: tuple[int, ...]) -> np.ndarray:
    """[2, m], pairs of runs of one label in neighbouring rows that touch when one row is shifted like this."""
    pairs = []
    for shift in shifts:
        upper = slice(max(0, -shift), labels.shape[1] - max(0, shift))
        lower = slice(max(0, shift), labels.shape[1] - max(0, -shift))
        same = labels[:-1, upper] == labels[1:, lower]
        ends = np.stack([runs[:-1, upper][same], runs[1:, lower][same]])
        # along a pair of runs the same two numbers repeat
        new = np.ones(ends.shape[1], bool)
        new[1:] = (ends[:, 1:] != ends[:, :-1]).any(axis=0)
        pairs.append(ends[:, new])
    return np.concatenate(pairs, axis=1)


def _joined(count: int, pairs: np.ndarray) -> np.ndarray:
    """int64 [count], the smallest number that each of 0 to count-1 is connected with."""
    parent = np.arange(count)
    while True:
        a, b = parent[pairs]
        apart = a != b
        if not apart.any():
            return parent
        pairs = pairs[:, apart]
        np.minimum.at(parent, np.maximum(a, b)[apart], np.minimum(a, b)[apart])
        while not np.array_equal(further := parent[parent], parent):
            parent = further
