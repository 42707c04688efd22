# SPDX-License-Identifier: GPL-3.0-or-later
"""Class maps of others, and how well maps agree, over the pixels of several images together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from gnuradio.semcom.segment.classes import VOC
from gnuradio.semcom.segment.metrics import confusion
from PIL import Image


def litert_segmenter(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A TFLite network of VOC's classes: uint8 RGB [H, W, 3] -> labels, uint8 [H, W]."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(path), num_threads=2)
    network.allocate_tensors()
    put, got = network.get_input_details()[0], network.get_output_details()[0]
    side = int(put["shape"][1])

    def segment(image: np.ndarray) -> np.ndarray:
        scaled = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        network.set_tensor(put["index"], np.asarray(scaled)[None])
        network.invoke()
        labels = network.get_tensor(got["index"])[0].astype(np.uint8)
        return np.asarray(Image.fromarray(labels).resize(image.shape[1::-1], Image.Resampling.NEAREST))

    return segment


def tallied(found: np.ndarray, truth: np.ndarray) -> list[list[int]]:
    """Pixels of each class in both, in the truth, and found; of several images they add up."""
    counts = confusion(found, truth.astype(np.uint8), len(VOC))
    return [np.diag(counts).tolist(), counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()]


def mean_iou(rows: list[list[list[int]]]) -> float:
    """Over the classes that the truth of the images shows, over all their pixels together."""
    both, true, found = np.sum(rows, axis=0)
    shown = true > 0
    return round(float((both / np.maximum(1, true + found - both))[shown].mean()), 4)
