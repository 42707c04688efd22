# SPDX-License-Identifier: GPL-3.0-or-later
"""What a joint coder hands to the channel: symbols of average power 1, and the scale that was divided out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..burst import ImageHeader

# scale code q stands for 2^((q - 32768) / 1024): 2^-32 .. 2^32 in steps of 0.0059 dB
_SCALE_STEP = 1024
_SCALE_ZERO = 32768


def scale_code(scale: float) -> int:
    """The u16 of the burst header for a power scale; an all-zero image gets the smallest."""
    if scale <= 0:
        return 0
    return int(np.clip(round(math.log2(scale) * _SCALE_STEP) + _SCALE_ZERO, 0, 65535))


def scale_value(code: int) -> float:
    """The power scale a u16 of the burst header stands for."""
    return 2.0 ** ((code - _SCALE_ZERO) / _SCALE_STEP)


@dataclass(frozen=True)
class ImageSymbols:
    """A whole image as channel symbols.

    Attributes
    ----------
    symbols : complex64 [n]
        Of average power 1, 0 for a black image.
    header : ImageHeader
        What the decoder must know of them.
    """

    symbols: np.ndarray
    header: ImageHeader


def power_normalised(latent: np.ndarray) -> tuple[np.ndarray, int]:
    """A latent as symbols of average power 1.

    The quantised scale is the one applied, so that the receiver undoes exactly what was done.

    Parameters
    ----------
    latent : float32 [n]
        Real values, n even.

    Returns
    -------
    complex64 [n/2], int
        The symbols, and the code of the scale.
    """
    pairs = latent.astype(np.float32).reshape(-1, 2).view(np.complex64).ravel()
    code = scale_code(math.sqrt(float(np.mean(pairs.real**2 + pairs.imag**2))))
    return pairs / np.float32(scale_value(code)), code


def reals(symbols: np.ndarray) -> np.ndarray:
    """complex64 [n] -> float32 [2n], the inverse pairing of ``power_normalised``."""
    return np.ascontiguousarray(symbols, np.complex64).view(np.float32)
