# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions that touch by edges of pixels, and small ones given to their neighbours."""

from __future__ import annotations

import heapq

import numpy as np

from .components import components


def touching(regions: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which regions share edges of pixels, and how many.

    Parameters
    ----------
    regions : int [H, W]
        Numbers from 0 to ``count - 1``.
    count : int
        Of regions.

    Returns
    -------
    int64 [n], int64 [n], int64 [n]
        Two regions, each pair once, the first less than the second, and how many edges they share.
    """
    pairs = []
    for a, b in ((regions[:, :-1], regions[:, 1:]), (regions[:-1], regions[1:])):
        differ = a != b
        a, b = a[differ].astype(np.int64), b[differ].astype(np.int64)
        pairs.append(np.minimum(a, b) * count + np.maximum(a, b))
    keys, edges = np.unique(np.concatenate(pairs), return_counts=True)
    return keys // count, keys % count, edges


def merged(labels: np.ndarray, least: int, most: int | None = None) -> tuple[np.ndarray, int]:
    """A label map's regions, small ones given to the neighbour that they share most edges with, the smallest first.

    Parameters
    ----------
    labels : integers or bool [H, W]
        What is connected by edges and has one label is a region.
    least : int
        Pixels; regions below that are given away, unless nothing else is there.
    most : int, optional
        Regions that may remain, at least 1; None for any number.

    Returns
    -------
    int64 [H, W], int
        Regions and their count; connected and numbered in the order of their first pixels, row by row.
    """
    found = components(labels, corners=False)
    regions, areas, count = found.ids, found.areas, len(found.areas)
    beside: list[dict[int, int]] = [{} for _ in range(count)]
    for a, b, edges in zip(*(part.tolist() for part in touching(regions, count)), strict=True):
        beside[a][b] = beside[b][a] = edges
    into = np.arange(count)
    left = count
    waiting = list(zip(areas.tolist(), range(count), strict=True))
    heapq.heapify(waiting)
    while left > 1:
        area, smallest = heapq.heappop(waiting)
        if into[smallest] != smallest or area != areas[smallest]:
            continue  # it has gone or grown since
        if area >= least and (most is None or left <= most):
            break
        home = max(beside[smallest], key=lambda region: (beside[smallest][region], -region))
        into[smallest] = home
        areas[home] += area
        heapq.heappush(waiting, (int(areas[home]), home))
        for other, edges in beside[smallest].items():
            del beside[other][smallest]
            if other != home:
                beside[home][other] = beside[other][home] = beside[home].get(other, 0) + edges
        left -= 1
    while not np.array_equal(into, shorter := into[into]):
        into = shorter
    found = components(into[regions], corners=False)
    return found.ids, len(found.areas)
