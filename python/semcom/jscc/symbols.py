# SPDX-License-Identifier: GPL-3.0-or-later
"""What a joint coder hands to the channel: symbols of average power 1, and the scale that was divided out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..burst import ImageHeader
from ..errors import BadInput

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
    """A whole image, or a part of it, as channel symbols.

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


@dataclass(frozen=True, eq=False)
class ReceivedSymbols:
    """What was received of a part.

    Attributes
    ----------
    symbols : complex64 [n]
        Equalised, anything where lost.
    noise_var : float32 [n]
        Noise variance of each symbol, infinite where lost.
    scale : int
        Code of the factor that the sender divided the part by.
    """

    symbols: np.ndarray
    noise_var: np.ndarray
    scale: int


def cut(latent: np.ndarray, parts: Sequence[int], alone: bool, header: ImageHeader) -> list[ImageSymbols]:
    """A latent as the symbols of its parts.

    Parameters
    ----------
    latent : float32 [n]
        Real values in order of transmission.
    parts : sequence of int
        Symbols of each part, n / 2 together.
    alone : bool
        Whether each part has average power 1, and not only all of them together.
    header : ImageHeader
        Of the image.

    Returns
    -------
    list of ImageSymbols
        With the scale in the header of each.
    """
    ends = np.cumsum(parts)[:-1]
    if alone:
        made = [power_normalised(piece) for piece in np.split(latent, 2 * ends)]
    else:
        symbols, scale = power_normalised(latent)
        made = [(piece, scale) for piece in np.split(symbols, ends)]
    return [ImageSymbols(symbols, replace(header, scale=scale)) for symbols, scale in made]


def joined(received: Sequence[ReceivedSymbols | None], parts: Sequence[int]) -> ReceivedSymbols:
    """Undo :func:`cut`.

    Parameters
    ----------
    received : sequence of ReceivedSymbols or None
        Of each part, None for one of which nothing was received.
    parts : sequence of int
        Symbols of each part.

    Returns
    -------
    ReceivedSymbols
        Of all parts, at the scale of the first one that was received.

    Raises
    ------
    BadInput
        More or fewer parts than the image has, or one that is longer or shorter than it must be.
    """
    if len(received) != len(parts):
        raise BadInput(f"the image has {len(received)} parts of symbols where its map speaks of {len(parts)}")
    symbols = np.zeros(sum(parts), np.complex64)
    noise_var = np.full(len(symbols), np.inf, np.float32)
    scale = next((part.scale for part in received if part is not None), 0)
    end = 0
    for number, (part, length) in enumerate(zip(received, parts, strict=True)):
        begin, end = end, end + length
        if part is None:
            continue
        if len(part.symbols) != length or len(part.noise_var) != length:
            raise BadInput(
                f"{len(part.symbols)} symbols arrived of region {number}, of which the map says that it has {length}"
            )
        ratio = np.float32(scale_value(part.scale) / scale_value(scale))
        symbols[begin:end] = part.symbols * ratio
        with np.errstate(over="ignore"):  # noise beyond all numbers is as good as a loss
            noise_var[begin:end] = part.noise_var * ratio**2
    return ReceivedSymbols(symbols, noise_var, scale)


def reals(symbols: np.ndarray) -> np.ndarray:
    """complex64 [n] -> float32 [2n], the inverse pairing of ``power_normalised``."""
    return np.ascontiguousarray(symbols, np.complex64).view(np.float32)
