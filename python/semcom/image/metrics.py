# SPDX-License-Identifier: GPL-3.0-or-later
"""How like two images are, in NumPy. Images are uint8 RGB [H, W, 3] of equal size."""

from __future__ import annotations

import math

import numpy as np

from ..errors import BadInput

_PEAK = 255.0
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2

MS_SSIM_MIN_SIDE = (_WINDOW - 1) * 2 ** (len(_WEIGHTS) - 1) + 1
"""Shortest side that is measured, 161 pixels: that of the original implementation."""


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """10 log10(255^2 / mean squared error over all bytes), in dB; infinite for equal images.

    Parameters
    ----------
    a, b : uint8 [H, W, 3]
        Two images, RGB.

    Returns
    -------
    float
        DB.

    Raises
    ------
    BadInput
        No such images, or of different sizes.
    """
    _check(a, b)
    return _decibels(_squared_error(a, b).mean())


def roi_psnr(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float | None:
    """PSNR with the error taken over the pixels of ``mask``, bool [H, W], only; None if there are none.

    Parameters
    ----------
    a, b : uint8 [H, W, 3]
        Two images, RGB.
    mask : bool [H, W]
        True where errors count.

    Returns
    -------
    float or None
        DB.

    Raises
    ------
    BadInput
        No such images, or of different sizes.
    """
    _check(a, b)
    mask = _of_size(mask, a)
    return _decibels(_squared_error(a[mask], b[mask]).mean()) if mask.any() else None


def region(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Two images as far as ``mask`` reaches, for figures that look at surroundings; None if it is empty.

    Parameters
    ----------
    a, b : uint8 [H, W, 3]
        A reference and another image, RGB.
    mask : bool [H, W]
        True where errors count.

    Returns
    -------
    uint8 [h, w, 3], uint8 [h, w, 3] or None
        The box around the mask of both; what is outside the mask is the reference's in both.

    Raises
    ------
    BadInput
        No such images, or of different sizes.
    """
    _check(a, b)
    mask = _of_size(mask, a)
    if not mask.any():
        return None
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return a[box], np.where(mask[box][..., None], b[box], a[box])


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Multi-scale structural similarity, 1 for equal images; None if a side is under 161 pixels.

    Wang, Simoncelli & Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003: five
    scales, halved by 2x2 averages, Gaussian window 11x11 of sigma 1.5. Each scale's map is averaged over pixels and the
    three colours; a negative average counts as 0. Borders are treated as torchmetrics treats them, so that figures
    agree to 1e-4: the window stays within the image, but the coarsest scale is reflected at its borders.

    Parameters
    ----------
    a, b : uint8 [H, W, 3]
        Two images, RGB.

    Returns
    -------
    float or None
        0 to 1.

    Raises
    ------
    BadInput
        No such images, or of different sizes.
    """
    _check(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    x, y = (np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float64) for image in (a, b))
    product = 1.0
    for index, weight in enumerate(_WEIGHTS):
        if index:
            x, y = _halved(x), _halved(y)
        last = index == len(_WEIGHTS) - 1
        product *= max(_similarity(x, y, coarsest=last), 0.0) ** weight
    return float(product)


def _check(a: np.ndarray, b: np.ndarray) -> None:
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise BadInput(f"quality is measured on RGB images uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")
    if a.shape != b.shape:
        raise BadInput(f"images of sizes {a.shape[:2]} and {b.shape[:2]} cannot be compared; give two of equal size")


def _of_size(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask).astype(bool)
    if mask.shape != image.shape[:2]:
        raise BadInput(f"the mask's size {mask.shape} is not the images' {image.shape[:2]}; give a mask of their size")
    return mask


def _squared_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.astype(np.int32) - b.astype(np.int32)) ** 2


def _decibels(mean_squared_error: float) -> float:
    return 10 * math.log10(_PEAK**2 / mean_squared_error) if mean_squared_error > 0 else math.inf


def _similarity(x: np.ndarray, y: np.ndarray, coarsest: bool) -> float:
    """Mean over [C, H, W] of contrast times structure; of the coarsest scale also times luminance, and reflected."""
    if coarsest:
        border = ((0, 0), (_WINDOW // 2, _WINDOW // 2), (_WINDOW // 2, _WINDOW // 2))
        x, y = np.pad(x, border, mode="reflect"), np.pad(y, border, mode="reflect")
    mean_x, mean_y = _blurred(x), _blurred(y)
    # only the sum of the two variances enters, so one filter run serves both
    variances = _blurred(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    maps = (2 * covariance + _C2) / (variances + _C2)
    if coarsest:
        maps *= (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return float(maps.mean())


def _kernel() -> np.ndarray:
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    return weights / weights.sum()


_TAPS = _kernel()


def _blurred(planes: np.ndarray) -> np.ndarray:
    """[C, H, W] -> [C, H-10, W-10]: the Gaussian window where it fits, one axis after the other."""
    height, width = planes.shape[1:]
    rows = sum(tap * planes[:, i : height - _WINDOW + 1 + i] for i, tap in enumerate(_TAPS))
    return sum(tap * rows[:, :, i : width - _WINDOW + 1 + i] for i, tap in enumerate(_TAPS))


def _halved(planes: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in planes.shape[1:])
    even = planes[:, :height, :width]
    return (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
