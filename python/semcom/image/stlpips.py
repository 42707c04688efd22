# SPDX-License-Identifier: GPL-3.0-or-later
"""Perceptual distance that tolerates small shifts, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
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
        return self.beside(a)(b)

    def beside(self, image: np.ndarray) -> Callable[[np.ndarray], float | None]:
        """The distance of other images to one that is looked at once, which halves the work.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        callable
            Another image -> what ``__call__`` gives for the two. An image of one tile is kept as the network sees it,
            about 190 bytes for each pixel.

        Raises
        ------
        BadInput
            It is no RGB image; of the callable also that the images are not of one size.
        """
        _check(image)
        tiles = [(rows, columns) for rows in _cuts(image.shape[0]) for columns in _cuts(image.shape[1])]
        seen = lru_cache(maxsize=1)(lambda tile: self._see(image[tiles[tile]]))

        def distance(other: np.ndarray) -> float | None:
            _check(other)
            if other.shape != image.shape:
                sizes = f"images of sizes {image.shape[:2]} and {other.shape[:2]}"
                raise BadInput(f"{sizes} cannot be compared; give two of equal size")
            if min(image.shape[:2]) < MIN_SIDE:
                return None
            total = 0.0
            for i, tile in enumerate(tiles):
                apart = (np.subtract(a, b) for a, b in zip(seen(i), self._see(other[tile]), strict=True))
                area = other[tile].shape[0] * other[tile].shape[1]
                total += area * sum(float(np.vdot(x, x)) / (x.shape[2] * x.shape[3]) for x in apart)
            return total / (image.shape[0] * image.shape[1])

        return distance

    def _see(self, tile: np.ndarray) -> list[np.ndarray]:
        return onnx.session(self._path, self._threads).run(None, {"image": _tensor(tile)})


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise BadInput(f"ST-LPIPS takes RGB images uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")


def _cuts(side: int) -> list[slice]:
    """Parts of equal length, give or take a pixel, and none above ``MAX_TILE``."""
    count = -(-side // MAX_TILE)
    edges = [side * i // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _tensor(image: np.ndarray) -> np.ndarray:
    """float32 [1, 3, H, W] in [-1, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(127.5) - 1
