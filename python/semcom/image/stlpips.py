# SPDX-License-Identifier: GPL-3.0-or-later
"""Perceptual distance that tolerates small shifts, through ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import onnx, weights
from ..errors import BadInput

MIN_SIDE = 21
"""Shortest side that the network's layers leave anything of, in pixels."""


class StLpips:
    """ST-LPIPS with AlexNet features: 0 for equal images, about 0.1 for coarse JPEG, towards 1 for unrelated ones.

    Ghildyal & Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022. Values are not those of plain LPIPS.

    Parameters
    ----------
    path : ONNX file, by default the shipped ``stlpips_alex``
    threads : threads that one run may use

    Raises
    ------
    Missing : the weights are not here. The network is loaded when it is used first.
    """

    def __init__(self, path: str | Path | None = None, threads: int = 2) -> None:
        self._path = Path(path) if path else weights.find("stlpips_alex")
        self._threads = threads

    def __call__(self, a: np.ndarray, b: np.ndarray) -> float | None:
        """The distance of two RGB images uint8 [H, W, 3] of equal size; None if a side is under 21 pixels.

        Needs about 1.3 kB of memory per pixel while it runs.
        """
        for image in (a, b):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise BadInput(f"ST-LPIPS takes RGB images uint8 [H, W, 3], not {image.dtype} {list(image.shape)}.")
        if a.shape != b.shape:
            raise BadInput(
                f"Images of sizes {a.shape[:2]} and {b.shape[:2]} cannot be compared; give two of equal size."
            )
        if min(a.shape[:2]) < MIN_SIDE:
            return None
        session = onnx.session(self._path, self._threads)
        (distance,) = session.run(None, {"a": _tensor(a), "b": _tensor(b)})
        return float(distance[0])


def _tensor(image: np.ndarray) -> np.ndarray:
    """float32 [1, 3, H, W] in [-1, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(127.5) - 1
