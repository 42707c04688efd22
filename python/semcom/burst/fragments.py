# SPDX-License-Identifier: GPL-3.0-or-later
"""How the symbols of a part are cut into fragments, one for each burst, and joined again."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import BadInput

MAX_FRAGMENT = 4096  # symbols in one burst
MAX_FRAGMENTS = 4095  # the burst header counts them in 12 bits
# Power is 1 on average over at most 4095 x 4096 symbols, so no symbol was sent with more than a magnitude of 4096. What
# a receiver finds far above that is noise, divided by a deep fade, or not a number.
MAX_MAGNITUDE = 1e6
_MAX_KEPT = 2**20  # symbols whose order is kept, 4 MB


def fragments_needed(symbols: int) -> int:
    """Bursts of at most ``MAX_FRAGMENT`` symbols that carry ``symbols``; BadInput when the header cannot count them."""
    count = max(1, -(-symbols // MAX_FRAGMENT))
    if count > MAX_FRAGMENTS:
        raise BadInput(
            f"the image needs {count} bursts, more than the {MAX_FRAGMENTS} the header counts; "
            "scale the image down or lower the rate"
        )
    return count


def interleaver(total: int) -> np.ndarray:
    """The fixed pseudo-random order in which symbols are dealt out to fragments.

    Dealing them out in their own order would put the same few latent channels into one fragment wherever the number of
    fragments divides the number of channels: one burst would carry a third of the energy. The order is that of the
    splitmix64 hashes of 0, 1, 2, ... (Steele, Lea and Flood, OOPSLA 2014), which any language reproduces.

    Parameters
    ----------
    total : int
        Number of symbols.

    Returns
    -------
    int32 [total]
        A permutation.
    """
    return _kept(total) if total <= _MAX_KEPT else _order(total)


@lru_cache(maxsize=4)
def _kept(total: int) -> np.ndarray:
    order = _order(total)
    order.flags.writeable = False
    return order


def _order(total: int) -> np.ndarray:
    # in place: of the largest images there are 2^24 symbols
    x = np.arange(1, total + 1, dtype=np.uint64)
    x *= np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    # no two are alike, so that any sort gives this order
    return np.argsort(x).astype(np.int32)


def split(symbols: np.ndarray, count: int | None = None) -> list[np.ndarray]:
    """Deal the interleaved symbols out to the fragments one by one, so that a lost burst thins the image evenly.

    Parameters
    ----------
    symbols : complex64 [n]
        All symbols that are interleaved together.
    count : int, optional
        Number of fragments; as few as possible by default.

    Returns
    -------
    list of complex64
        The symbols of each fragment, at most one longer than the others.
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
    """Undo :func:`split`.

    Parameters
    ----------
    parts : dict of int to (complex64 [m], float32 [m])
        Fragment index to its symbols and the noise variance of each. A fragment that is missing or of the wrong length
        counts as lost: its symbols are 0 with infinite noise variance. So does a single symbol that is not finite or
        above ``MAX_MAGNITUDE``, or whose noise variance cannot be true: it would spread over the whole picture.
    fragments : int
        Number of fragments that were sent.
    total : int
        Number of symbols that were sent.

    Returns
    -------
    symbols : complex64 [total]
        In their own order, 0 where nothing was received.
    noise_var : float32 [total]
        Infinite where nothing was received.
    lost : int
        Number of fragments lost.
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
