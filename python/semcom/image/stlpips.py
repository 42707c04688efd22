# SPDX-License-Identifier: GPL-3.0-or-later
"""Perceptual distance that tolerates small shifts, through ONNX Runtime."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..zoo import onnx, weights

METRIC = "stlpips_alex"
"""Name of its weights."""

MIN_SIDE = 21
"""Shortest side that the network's layers leave anything of, in pixels."""

MAX_TILE = 1024
"""Longest side that is measured in one run, in pixels: a run takes about 1 kB of memory for every pixel."""


class StLpips:
    """ST-LPIPS with AlexNet features: 0 for equal images, about 0.1 for coarse JPEG, towards 1 for unrelated ones.

    Ghildyal & Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022. Values are not those of plain LPIPS.

    Parameters
    ----------
    path : str or Path, optional
        ONNX file, by default the shipped ``stlpips_alex``.
    threads : int, default 2
        Threads that one run may use.

    Raises
    ------
    Missing
        The weights are not here. The network is loaded when it is used first.
    """

    def __init__(self, path: str | Path | None = None, threads: int = 2) -> None:
        self._path = Path(path) if path else weights.find(METRIC)
        self._threads = threads

    def __call__(self, a: np.ndarray, b: np.ndarray) -> float | None:
        """The distance of two RGB images uint8 [H, W, 3] of equal size; None if a side is under 21 pixels.

        The distance is a mean over positions, so larger images are cut into equal tiles of at most 1024 x 1024 and
        their distances averaged by area. Positions at the cuts see other surroundings than in one run, which moves
        the value by 1 to 2 per cent.
        """
        for image in (a, b):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise BadInput(f"ST-LPIPS takes RGB images uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")
        if a.shape != b.shape:
            raise BadInput(
                f"images of sizes {a.shape[:2]} and {b.shape[:2]} cannot be compared; give two of equal size"
            )
        if min(a.shape[:2]) < MIN_SIDE:
            return None
        session = onnx.session(self._path, self._threads)
        total = 0.0
        for rows in _cuts(a.shape[0]):
            for columns in _cuts(a.shape[1]):
                first, second = a[rows, columns], b[rows, columns]
                (distance,) = session.run(None, {"a": _tensor(first), "b": _tensor(second)})
                total += float(distance[0]) * first.shape[0] * first.shape[1]
        return total / (a.shape[0] * a.shape[1])


def _cuts(side: int) -> list[slice]:
    """Parts of equal length, give or take a pixel, and none above ``MAX_TILE``."""
    count = -(-side // MAX_TILE)
    edges = [side * i // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _tensor(image: np.ndarray) -> np.ndarray:
    """float32 [1, 3, H, W] in [-1, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(127.5) - 1
