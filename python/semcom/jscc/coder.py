# SPDX-License-Identifier: GPL-3.0-or-later
"""What every joint source-channel coder looks like from outside."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..burst import ImageHeader, check_size
from ..errors import BadInput
from .symbols import ImageSymbols

STRIDE = 16
SOURCE_VALUES = 3 * STRIDE * STRIDE  # real values of one patch position
# Pixels of one image, at most, so that no header makes a receiver run out of memory: as many as a picture file may
# have (image.io) where the decoder works in bands; where a network runs on the whole picture, what 2.7 GB hold (samsc
# takes 632 bytes a pixel, measured at 512 to 2048 pixels square). A decoder network sees it in tiles.
MAX_PIXELS = 2**25
MAX_PIXELS_OF_NETWORK = 2**22
_ROWS = 256  # that are made bytes of at a time


class Coder(Protocol):
    """Image to channel symbols and back.

    Attributes
    ----------
    weights : dict of str to str
        Name of each file in use to its sha256.
    adapts_to_snr : bool
        Whether the encoder makes anything of the SNR in its conditions, or only notes it in the header.
    """

    name: str
    weights: dict[str, str]
    adapts_to_snr: bool
    max_pixels: int

    def encode(
        self,
        image: np.ndarray,
        *,
        rate: float | None = None,
        snr_db: float = 10.0,
        importance: np.ndarray | None = None,
    ) -> ImageSymbols:
        """An image as symbols.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.
        rate : float, optional
            k/n, complex channel uses per real source value; by default the coder's own.
        snr_db : float
            Es/N0 that the encoder may adapt to, dB.
        importance : float [H, W], optional
            In [0, 1], what the error of each pixel counts; by default all count alike. Only ``semcom`` makes use of it.

        Returns
        -------
        ImageSymbols
            Symbols of average power 1, and their header.

        Raises
        ------
        BadInput
            An image, rate, SNR or importance that cannot be.
        """

    def decode(self, symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> np.ndarray:
        """An image from the symbols that were received.

        Parameters
        ----------
        symbols : complex64 [n]
            Equalised, anything where lost.
        noise_var : float32 [n]
            Noise variance of each symbol, infinite where lost.
        header : ImageHeader
            What the encoder said of the image.

        Returns
        -------
        uint8 [H, W, 3]
            RGB.

        Raises
        ------
        BadInput
            Symbols that are not the whole image that the header speaks of.
        """


def grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of patch positions, the image padded up to the stride."""
    return -(-height // STRIDE), -(-width // STRIDE)


def symbol_count(header: ImageHeader) -> int:
    """Complex symbols of the whole image."""
    rows, columns = grid(header.height, header.width)
    return (rows * columns * header.channels + 1) // 2


def channels_for(rate: float) -> int:
    """Latent channels per patch position at a rate.

    Parameters
    ----------
    rate : float
        k/n, complex channel uses per real source value.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    BadInput
        A rate outside what the header's prefix can say.
    """
    if not math.isfinite(rate) or not 2 / SOURCE_VALUES <= 2 * rate <= 256 / SOURCE_VALUES:
        raise BadInput(f"a rate of {rate:g} is out of range; choose k/n from 1/{SOURCE_VALUES} to 1/6, such as 1/12")
    return max(1, round(2 * rate * SOURCE_VALUES))


def padded(image: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] -> uint8 [H',W',3], sides multiples of the stride, by repeating the last row and column."""
    rows, columns = grid(*image.shape[:2])
    bottom, right = rows * STRIDE - image.shape[0], columns * STRIDE - image.shape[1]
    return np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge") if bottom or right else image


def to_bytes(image: np.ndarray, header: ImageHeader) -> np.ndarray:
    """The picture of float RGB in [0, 1] [H', W', 3]: uint8 [H, W, 3] of the header's size, clipped and cropped."""
    return quantised(image[: header.height, : header.width])


def quantised(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1] as uint8 of the same shape, clipped.

    What is no number, as a header's largest scales make it, is black.
    """
    out = np.empty(image.shape, np.uint8)
    # a piece at a time: of a large picture each copy takes a hundred megabytes
    for top in range(0, len(image), _ROWS):
        levels = np.nan_to_num(image[top : top + _ROWS], nan=0.0)
        np.clip(levels, 0, 1, out=levels)
        levels *= 255
        out[top : top + _ROWS] = np.rint(levels, out=levels)
    return out


def check_source(image: np.ndarray, scheme: str, max_pixels: int) -> None:
    """Refuse anything but uint8 RGB of a size that the scheme sends."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise BadInput(f"an image must be uint8 of shape [H,W,3], not {image.dtype} of shape {list(image.shape)}")
    check_size(*image.shape[:2], scheme, max_pixels)


def check_importance(importance: np.ndarray | None, image: np.ndarray) -> None:
    """Refuse an importance map that does not belong to the image."""
    if importance is not None and importance.shape != image.shape[:2]:
        raise BadInput(
            f"an importance map of shape {list(importance.shape)} does not fit an image of "
            f"{image.shape[1]}x{image.shape[0]} pixels; make it one value a pixel"
        )


def refuse_importance(name: str, importance: np.ndarray | None) -> None:
    """For coders that treat all pixels alike."""
    if importance is not None:
        raise BadInput(f"{name} treats all pixels alike; choose scheme semcom to weigh a region of interest")


def check_symbols(symbols: np.ndarray, noise_var: np.ndarray, header: ImageHeader) -> None:
    """Refuse symbols that are not the whole image the header speaks of."""
    expected = symbol_count(header)
    if len(symbols) != expected or len(noise_var) != expected:
        raise BadInput(
            f"{len(symbols)} symbols arrived for a {header.width}x{header.height} image that needs {expected}; "
            "transmitter and receiver must use the same scheme and rate"
        )
