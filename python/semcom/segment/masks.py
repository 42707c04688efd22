# SPDX-License-Identifier: GPL-3.0-or-later
"""What SAM makes of an image and of a prompt, and the square frame that its networks draw on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 1024
"""Side of the square frame that the encoder sees, in pixels."""

GRID = SIDE // 4
"""Side of the square on which the decoder draws its masks."""


@dataclass(frozen=True)
class Embedding:
    """What the encoder made of one image.

    Attributes
    ----------
    features : float32 [1, 256, 64, 64]
        The decoder's input.
    height, width : int
        Of the image in pixels.
    """

    features: np.ndarray
    height: int
    width: int


@dataclass(frozen=True)
class Segmentation:
    """A mask, and how far it is to be trusted.

    Attributes
    ----------
    mask : bool [H, W]
        True inside.
    score : float or None
        The IoU that the decoder itself expects, 0 to 1; None where it was not asked.
    """

    mask: np.ndarray
    score: float | None


@dataclass(frozen=True)
class Candidates:
    """What a single point may mean.

    The three are thought of as a part, a larger part and the whole. ``h`` and ``w`` are those of the network's own
    256x256 grid as far as the image covers it; see ``enlarged``.

    Attributes
    ----------
    logits : float32 [3, h, w]
        Of a mask where above 0.
    scores : float32 [3]
        The IoU that the decoder expects of each.
    """

    logits: np.ndarray
    scores: np.ndarray


def enlarged(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at the size of its image.

    Parameters
    ----------
    logits : float32 [h, w]
        One of ``Candidates``.
    height, width : int
        Of the image in pixels.

    Returns
    -------
    bool [height, width]
        True inside.
    """
    rows, columns = (side * GRID / SIDE for side in sides(height, width))
    picture = Image.fromarray(logits).resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, columns, rows))
    return np.asarray(picture) > 0


def sides(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the encoder's frame that the image covers: its longest side takes all.

    Parameters
    ----------
    height, width : int
        Of the image in pixels.

    Returns
    -------
    int, int
        Rows and columns.
    """
    scale = SIDE / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
