# SPDX-License-Identifier: GPL-3.0-or-later
"""The random numbers of the C++ blocks (``lib/gaussian.h``) in NumPy, bit for bit."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)
# numbers that are computed one after the other; what lies further on is jumped to. 64 lanes hold a whole burst.
_LANE = 65
_BITS = np.arange(64, dtype=np.uint64)


def words(seed: int, sequences: np.ndarray, n: int) -> np.ndarray:
    """The first outputs of some sequences of one seed.

    xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), seeded from two
    numbers by splitmix64. Its state moves on by a linear map over GF(2), so the states 65, 130, ... numbers ahead are
    matrix products, and NumPy steps them all at once.

    Parameters
    ----------
    seed : int
        0 to 2^63 - 1.
    sequences : int or uint64 [b]
        Which sequences, by number.
    n : int
        Outputs of each.

    Returns
    -------
    uint64 [b, n]
        One row for each sequence.
    """
    state = _seeded(seed, np.asarray(sequences, np.uint64))
    lanes = 1
    while lanes * _LANE < n:
        lanes *= 2
    # from one state per sequence to two, four, ...: each time the gap between them halves
    gap = lanes * _LANE // 2
    while gap >= _LANE:
        ahead = _jumped(state, gap)
        state = np.stack([state, ahead], axis=2).reshape(4, -1)
        gap //= 2
    out = np.empty((state.shape[1], _LANE), np.uint64)
    for column in range(_LANE):
        out[:, column] = _rotated(state[0] + state[3], 23) + state[0]
        _step(state)
    return out.reshape(len(sequences), -1)[:, :n]


def uniform(drawn: np.ndarray) -> np.ndarray:
    """Uniform numbers of some words.

    Parameters
    ----------
    drawn : uint64 array
        What :func:`words` gives.

    Returns
    -------
    float64 array
        In [0, 1), of the same shape.
    """
    return (drawn >> np.uint64(11)) * 2.0**-53


def gaussian(drawn: np.ndarray) -> np.ndarray:
    """Circular complex Gaussian numbers, E|z|^2 = 1, of some words (Box and Muller, 1958).

    Parameters
    ----------
    drawn : uint64 array
        What :func:`words` gives.

    Returns
    -------
    complex64 array
        Of the same shape.
    """
    u = ((drawn >> np.uint64(32)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    angle = (drawn & np.uint64(0xFFFFFFFF)).astype(np.float32) * np.float32(2 * np.pi * 2.0**-32)
    radius = np.sqrt(np.maximum(np.float32(0), -np.log(u)))
    out = np.empty(drawn.shape, np.complex64)
    out.real, out.imag = radius * np.cos(angle), radius * np.sin(angle)
    return out


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _rotated(x: np.ndarray, k: int) -> np.ndarray:
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


def _seeded(seed: int, sequences: np.ndarray) -> np.ndarray:
    """uint64 [4, b], the states before the first output."""
    x = _mixed(_mixed(np.array([seed], np.uint64) + _STEP) ^ (sequences + _STEP))
    state = np.empty((4, len(sequences)), np.uint64)
    for word in range(4):
        x = x + _STEP
        state[word] = _mixed(x)
    return state


def _step(state: np.ndarray) -> None:
    """Move states uint64 [4, b] on by one output, in place."""
    t = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= t
    state[3] = _rotated(state[3], 45)


def _unpacked(state: np.ndarray) -> np.ndarray:
    """uint64 [4, b] -> bits float32 [b, 256]."""
    bits = (state[:, :, None] >> _BITS) & np.uint64(1)
    return bits.transpose(1, 0, 2).reshape(state.shape[1], 256).astype(np.float32)


def _packed(bits: np.ndarray) -> np.ndarray:
    """Pack bits [b, 256] into uint64 [4, b]."""
    octets = np.packbits(bits.astype(bool), axis=1, bitorder="little")
    return np.ascontiguousarray(octets.view("<u8").astype(np.uint64).T)


def _jumped(state: np.ndarray, distance: int) -> np.ndarray:
    """States uint64 [4, b] -> those ``distance`` outputs later."""
    # sums of at most 256 ones are exact in float32
    return _packed((_unpacked(state) @ _jump(distance)).astype(np.int32) & 1)


@lru_cache(maxsize=32)
def _jump(distance: int) -> np.ndarray:
    """The map of ``distance`` steps: float32 [256, 256] of zeros and ones, bits from the left."""
    if distance == 1:
        units = _packed(np.eye(256))
        _step(units)
        return _unpacked(units)
    part = _jump(distance // 2)
    whole = (part @ part) % 2
    return (whole @ _jump(1)) % 2 if distance % 2 else whole
