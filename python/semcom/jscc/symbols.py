# SPDX-License-Identifier: GPL-3.0-or-later
"""What a coder hands to the channel, and how it is cut into fragments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import BadInput

MAX_FRAGMENT = 4096  # symbols in one burst
MAX_FRAGMENTS = 4095  # the burst header counts them in 12 bits
MAX_SIDE = 32767  # and the image's sides in 15
# Power is 1 on average over at most 4095 x 4096 symbols, so no symbol was sent with more than a magnitude of 4096. What
# a receiver finds far above that is noise, divided by a deep fade, or no number at all.
MAX_MAGNITUDE = 1e6

SCHEMES = {
    "softcast": 0,
    "samsc": 1,
    "deepjscc": 2,
    "witt": 3,
    "segsc": 4,
    "esisc": 5,
    "digital": 6,
    "semcom": 7,
}
# Pixels of one image, at most, so that no header makes a receiver run out of memory: as many as a picture file may
# have (image.io) where the decoder works in bands; where a network runs on the whole picture, what 2.7 GB hold (the
# decoder of samsc takes 632 bytes a pixel, measured at 512 to 2048 pixels square).
MAX_PIXELS = {"softcast": 2**25, "digital": 2**25}
MAX_PIXELS_OF_NETWORK = 2**22
FIXED_RATE = {"samsc": 127, "deepjscc": 127, "witt": 127}

SCHEME_NAMES = {number: name for name, number in SCHEMES.items()}

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
class ImageHeader:
    """The part of the burst header that a decoder needs (DESIGN: u15 sides, u8 rate, u16 scale, i8 snr_enc).

    height, width : of the image, in pixels.
    scheme : registry name.
    rate : ordered prefix of latent channels that was sent, less one (0 means one channel); of ``digital`` the number
        of bursts, less one.
    scale : u16 code of the factor that the sender divided the latent by.
    snr_enc : Es/N0 in dB that the encoder was told.
    mcs : modulation and coding scheme of what is not analogue.
    """

    height: int
    width: int
    scheme: str
    rate: int
    scale: int
    snr_enc: int
    mcs: int = 0

    @property
    def channels(self) -> int:
        """Latent channels sent per patch position."""
        return self.rate + 1


@dataclass(frozen=True)
class ImageSymbols:
    """A whole image as channel symbols: ``symbols`` complex64 [n], average power 1 (0 for a black image)."""

    symbols: np.ndarray
    header: ImageHeader


def check_size(height: int, width: int, scheme: str = "softcast") -> None:
    """Refuse an image whose sides the burst header cannot carry, or that takes more memory than one image may."""
    if min(height, width) < 1 or max(height, width) > MAX_SIDE:
        raise BadInput(f"an image of {width}x{height} pixels cannot be sent; its sides must be 1 to {MAX_SIDE} pixels")
    most = MAX_PIXELS.get(scheme, MAX_PIXELS_OF_NETWORK)
    if height * width > most:
        raise BadInput(
            f"an image of {width}x{height} pixels cannot be sent by {scheme}, which takes {most} pixels; scale it down"
        )


def check_header(header: ImageHeader) -> None:
    """Refuse a header that no encoder makes: it may have come over the air, and memory is allocated by what it says."""
    check_size(header.height, header.width, header.scheme)
    ranges = {"rate": (0, 255), "scale": (0, 65535), "snr_enc": (-128, 127)}
    for name, (low, high) in ranges.items():
        if not low <= getattr(header, name) <= high:
            raise BadInput(f"a header says {name} {getattr(header, name)}; it must be {low} to {high}")
    if header.rate != FIXED_RATE.get(header.scheme, header.rate):
        raise BadInput(f"a header says rate {header.rate}, but {header.scheme} has only {FIXED_RATE[header.scheme]}")


def power_normalised(latent: np.ndarray) -> tuple[np.ndarray, int]:
    """Real latent [n], n even -> (complex64 [n/2] of average power 1, scale code).

    The quantised scale is the one applied, so that the receiver undoes exactly what was done.
    """
    pairs = latent.astype(np.float32).reshape(-1, 2).view(np.complex64).ravel()
    code = scale_code(math.sqrt(float(np.mean(pairs.real**2 + pairs.imag**2))))
    return pairs / np.float32(scale_value(code)), code


def reals(symbols: np.ndarray) -> np.ndarray:
    """complex64 [n] -> float32 [2n], the inverse pairing of ``power_normalised``."""
    return np.ascontiguousarray(symbols, np.complex64).view(np.float32)


def fragments_needed(symbols: int) -> int:
    """Bursts of at most MAX_FRAGMENT symbols."""
    count = max(1, -(-symbols // MAX_FRAGMENT))
    if count > MAX_FRAGMENTS:
        raise BadInput(
            f"the image needs {count} bursts, more than the {MAX_FRAGMENTS} the header counts; "
            "scale the image down or lower the rate"
        )
    return count


@lru_cache(maxsize=4)
def interleaver(total: int) -> np.ndarray:
    """The fixed pseudo-random order in which ``total`` symbols are dealt out: int32 [total], a permutation.

    Dealing them out in their own order would put the same few latent channels into one fragment wherever the number of
    fragments divides the number of channels: one burst would carry a third of the energy. The order is that of the
    splitmix64 hashes of 0, 1, 2, ... (Steele, Lea and Flood, OOPSLA 2014), which any language reproduces.
    """
    x = (np.arange(total, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    order = np.argsort(x ^ (x >> np.uint64(31)), kind="stable").astype(np.int32)  # kept, so half the size counts
    order.flags.writeable = False
    return order


def split(symbols: np.ndarray, count: int | None = None) -> list[np.ndarray]:
    """Deal the interleaved symbols out to the fragments one by one, so that a lost burst thins the image evenly.

    count : of fragments; the least that there can be unless told.
    """
    count = count or fragments_needed(len(symbols))
    shuffled = symbols[interleaver(len(symbols))]
    return [np.ascontiguousarray(shuffled[i::count]) for i in range(count)]


def fragment_length(total: int, fragments: int, index: int) -> int:
    """Symbols in fragment ``index`` of ``total`` symbols dealt out to ``fragments``."""
    return (total - index + fragments - 1) // fragments


def join(
    parts: dict[int, tuple[np.ndarray, np.ndarray]], fragments: int, total: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Undo ``split``: (symbols complex64 [total], noise_var float32 [total], number of fragments lost).

    parts : fragment index -> (symbols, noise variance per symbol); what is missing or of the wrong length counts as
        lost, its symbols 0 with infinite noise variance. So does, on its own, a symbol that is no number or above
        MAX_MAGNITUDE, or whose noise variance is none or above its square: one would spread over the whole picture.
    """
    symbols = np.zeros(total, np.complex64)
    noise_var = np.full(total, np.inf, np.float32)
    order = interleaver(total)
    lost = 0
    for index in range(fragments):
        part = parts.get(index)
        if part is None or len(part[0]) != fragment_length(total, fragments, index):
            lost += 1
            continue
        symbols[order[index::fragments]] = part[0]
        noise_var[order[index::fragments]] = part[1]
    with np.errstate(invalid="ignore", over="ignore"):  # comparisons with nan are false, as wanted
        unusable = ~((np.abs(symbols) <= MAX_MAGNITUDE) & (noise_var >= 0) & (noise_var <= MAX_MAGNITUDE**2))
    symbols[unusable] = 0
    noise_var[unusable] = np.inf
    return symbols, noise_var, lost
