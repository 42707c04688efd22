# SPDX-License-Identifier: GPL-3.0-or-later
"""B-seg: an image cut into segments along the outlines of all that SAM finds in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import BadInput
from .regions import merged

MAX_SEGMENTS = 255
"""Segments that a partition may have: their numbers fit into a byte, and 0 is left for what is not segmented."""


def partition(
    masks: Sequence[np.ndarray], height: int, width: int, least: int = 64, most: int = MAX_SEGMENTS
) -> np.ndarray:
    """Cut the image up along the masks' outlines, small masks lying over large ones.

    What no mask covers makes segments too. Strips thinner than 3 pixels, 5 where no mask covers them, are outlines that
    do not quite meet rather than objects, and go to the segments beside them. Every segment is connected, and they are
    numbered by where their first pixels lie, row by row: segments that touch differ, so that the outlines alone tell
    the whole partition.

    Parameters
    ----------
    masks : sequence of bool [H, W]
        True inside.
    height, width : int
        Of the image, in pixels.
    least : int, default 64
        Pixels; smaller pieces go to the neighbour that they share the longest edge with.
    most : int, default ``MAX_SEGMENTS``
        Segments that may remain, 1 to 255; the smallest are given away until no more are left.

    Returns
    -------
    uint8 [H, W]
        1 to the number of segments.

    Raises
    ------
    BadInput
        A mask of another size, or ``most`` out of range.
    """
    if not 1 <= most <= MAX_SEGMENTS:
        raise BadInput(f"a partition has 1 to {MAX_SEGMENTS} segments, not {most}")
    layers = np.zeros((height, width), np.int32)
    for number, mask in enumerate(sorted(masks, key=np.count_nonzero, reverse=True), 1):
        if mask.shape != layers.shape:
            raise BadInput(f"a mask of size {mask.shape} does not fit an image of {layers.shape}; segment this image")
        layers[mask] = number
    bare = layers == 0
    layers = filled(layers, _thick(layers, 1) & (~bare | _thick(bare, 2)))
    regions, _ = merged(layers, least, most)
    return (regions + 1).astype(np.uint8)


def boundaries(labels: np.ndarray) -> np.ndarray:
    """Where a label map changes: left of and above a change, one pixel thick.

    Parameters
    ----------
    labels : integers [H, W]
        The map.

    Returns
    -------
    bool [H, W]
        True at a change.
    """
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def snap(labels: np.ndarray, segments: np.ndarray, clear: float = 0.8, reach: float = 0.01) -> np.ndarray:
    """The class map with its outlines moved onto those of the segments.

    A class that holds most of a segment takes the rest of it, as far as that lies near: what lies deeper is rather an
    object that the segments missed. On true class maps drawn in blocks, warped or grown by 4 to 16 pixels the defaults
    raise mIoU by up to 0.06 and lower none; reaching farther lowers that of maps which are nearly right.

    Parameters
    ----------
    labels : uint8 [H, W]
        The class of each pixel.
    segments : uint8 [H, W]
        A partition of the same image.
    clear : float, default 0.8
        Share of a segment, above 0.5, that a class must hold.
    reach : float, default 0.01
        How far outlines move at most, as a share of the longer side.

    Returns
    -------
    uint8 [H, W]
        A new map.

    Raises
    ------
    BadInput
        Maps of different sizes.
    """
    if labels.shape != segments.shape:
        raise BadInput(f"a class map of {labels.shape} does not fit segments of {segments.shape}; take one image's")
    counts = np.bincount(segments.ravel() * np.intp(256) + labels.ravel(), minlength=256 * 256).reshape(256, 256)
    areas = counts.sum(axis=1)
    taker = counts.argmax(axis=1).astype(np.uint8)
    wins = counts.max(axis=1) > clear * np.maximum(areas, 1)
    wanted = np.where(wins[segments], taker[segments], labels)
    snapped = labels.copy()
    for _ in range(round(reach * max(labels.shape))):
        # a layer of pixels per step, within the segment only
        near = np.zeros(labels.shape, bool)
        settled = snapped == wanted
        for here, there in _NEIGHBOURS:
            near[here] |= settled[there] & (segments[here] == segments[there])
        near &= ~settled
        if not near.any():
            break
        snapped[near] = wanted[near]
    return snapped


_ALL, _FIRST, _LAST = slice(None), slice(None, -1), slice(1, None)
_NEIGHBOURS = (
    ((_FIRST, _ALL), (_LAST, _ALL)),
    ((_LAST, _ALL), (_FIRST, _ALL)),
    ((_ALL, _FIRST), (_ALL, _LAST)),
    ((_ALL, _LAST), (_ALL, _FIRST)),
)


def _thick(labels: np.ndarray, radius: int) -> np.ndarray:
    """Pixels, bool [H, W], in a square of side ``2 radius + 1`` of one label; the image's edge cuts no square off."""
    height, width = labels.shape
    sides = 2 * radius + 1
    wide = np.pad(labels, radius, mode="edge")
    middles = np.ones(labels.shape, bool)
    for down in range(sides):
        for right in range(sides):
            middles &= wide[down : down + height, right : right + width] == labels
    wide = np.pad(middles, radius)
    thick = np.zeros(labels.shape, bool)
    for down in range(sides):
        for right in range(sides):
            thick |= wide[down : down + height, right : right + width]
    return thick


def filled(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Labels with those of pixels that are not ``known`` taken from the nearest that are, a layer at a time.

    Parameters
    ----------
    labels : integers [H, W]
        The map.
    known : bool [H, W]
        True where the label counts.

    Returns
    -------
    integers [H, W]
        A new map.
    """
    labels, known = labels.copy(), known.copy()
    while not known.all() and known.any():
        reached = known.copy()
        for here, there in _NEIGHBOURS:
            new = known[there] & ~reached[here]
            labels[here][new] = labels[there][new]
            reached[here] |= new
        known = reached
    return labels
