# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a mask, for people."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput


def overlay(
    image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int] = (0, 200, 255), alpha: float = 0.45
) -> np.ndarray:
    """The image with the mask tinted and its outline drawn in full colour.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    mask : bool [H, W]
        True inside.
    colour : tuple of 3 int, optional
        RGB of tint and outline, 0 to 255.
    alpha : float, default 0.45
        Opacity of the tint, 0 to 1.

    Returns
    -------
    uint8 [H, W, 3]
        A new array; the outline's thickness grows with the image.
    """
    mask = _checked(image, mask)
    painted = image.copy()
    tint = np.asarray(colour, np.float32)
    painted[mask] = np.rint((1 - alpha) * image[mask] + alpha * tint).astype(np.uint8)
    painted[outline(mask)] = np.asarray(colour, np.uint8)
    return painted


def outline(mask: np.ndarray) -> np.ndarray:
    """The edge of a mask, within it.

    Parameters
    ----------
    mask : bool [H, W]
        True inside.

    Returns
    -------
    bool [H, W]
        True on the edge, whose thickness grows with the image.
    """
    return mask & ~_eroded(mask, max(1, round(max(mask.shape) / 350)))


def cut_out(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with all outside the mask black.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    mask : bool [H, W]
        True inside.

    Returns
    -------
    uint8 [H, W, 3]
        A new array.
    """
    return np.where(_checked(image, mask)[..., None], image, np.uint8(0))


def _checked(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if image.shape[:2] != mask.shape:
        raise BadInput(f"the mask's size {mask.shape} is not the image's {image.shape[:2]}; segment this very image")
    return mask.astype(bool)


def _eroded(mask: np.ndarray, steps: int) -> np.ndarray:
    """The mask less ``steps`` layers of pixels; what touches the image's edge is not taken for an outline."""
    for _ in range(steps):
        wide = np.pad(mask, 1, mode="edge")
        mask = mask & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask
