# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed bursts: who holds the key knows that a burst is of somebody else who does."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import numpy as np

from ..errors import BadInput
from ..keys import Key
from .header import SEAL_SYMBOLS, BurstHeader

# The seal of a burst that somebody made up passes with a probability of at most exp(-t^2 / 2) for this t, whatever he
# sends: the sum that is compared is of independent terms, each of a random sign. It is 2^-32.
THRESHOLD = 6.7
_QUARTERS = np.array([1, 1j, -1, -1j], np.complex64)
_QPSK = _QUARTERS * np.complex64(np.exp(0.25j * np.pi))


class Seal:
    """Symbols in and out under a key, analogue ones as well, which no digest can be made of.

    A sealed burst carries 128 QPSK symbols more. They and the payload, each symbol of it turned by a quarter of a
    circle or more, are dealt out over the burst. Symbols, quarters and order are a pseudo-random function (SHAKE256) of
    the key and of all fields of the burst's header. The receiver correlates what it finds at the 128 places.

    Who has no key cannot tell the places, makes no burst that is accepted (2^-32 for each that is tried), changes no
    field of a header, and gets nothing legible into a burst that he copies. He can repeat a burst that was sent, until
    the same header comes again with another image; that is prevented by nothing here. Nor is what is sent a secret: who
    knows the picture that was sent knows the quarters of its bursts.

    Parameters
    ----------
    key : Key
        The same at both ends.
    """

    def __init__(self, key: Key):
        self._secret = key.derived("semcom burst")

    def closed(self, header: BurstHeader, symbols: np.ndarray) -> tuple[BurstHeader, np.ndarray]:
        """A burst with its seal.

        Parameters
        ----------
        header : BurstHeader
            Of a burst without a seal.
        symbols : complex64 [n]
            Of average power 1, at most 4,096.

        Returns
        -------
        BurstHeader, complex64 [n + 128]
            What is sent.
        """
        header = replace(header, n_symbols=len(symbols) + SEAL_SYMBOLS, sealed=1)
        order, quarters, tag = self._stream(header)
        out = np.empty(header.n_symbols, np.complex64)
        out[order] = np.concatenate([symbols * quarters, tag])
        return header, out

    def opened(
        self, header: BurstHeader, symbols: np.ndarray, noise_var: np.ndarray
    ) -> tuple[BurstHeader, np.ndarray, np.ndarray]:
        """A burst without its seal.

        Parameters
        ----------
        header : BurstHeader
            As it was received.
        symbols : complex64 [n + 128]
            Equalised.
        noise_var : float32 [n + 128]
            Of each.

        Returns
        -------
        BurstHeader, complex64 [n], float32 [n]
            The burst that was sealed.

        Raises
        ------
        BadInput
            It was not sealed, or not with this key.
        """
        if not header.sealed:
            raise BadInput("it is not sealed, and this receiver has a key; give the sender the same key")
        order, quarters, tag = self._stream(header)
        symbols, noise_var = symbols[order], noise_var[order]
        found, weight = symbols[-SEAL_SYMBOLS:], noise_var[-SEAL_SYMBOLS:]
        with np.errstate(all="ignore"):
            # the weights that tell best, of symbols of power 1
            weighted = np.nan_to_num(found.astype(np.complex128) / (1 + weight), nan=0, posinf=0, neginf=0)
        match = np.vdot(tag, weighted).real
        if not match > THRESHOLD * np.sqrt(np.sum(np.abs(weighted) ** 2) / 2):
            raise BadInput("its seal is not of this receiver's key: somebody else sends, or the keys differ")
        inside = replace(header, n_symbols=header.payload, sealed=0)
        return inside, symbols[:-SEAL_SYMBOLS] * quarters.conj(), noise_var[:-SEAL_SYMBOLS]

    def _stream(self, header: BurstHeader) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place of each symbol, quarter of each symbol of the payload, and the symbols of the seal."""
        fields = tuple(header.fields().values())
        n = header.n_symbols
        stream = hashlib.shake_256(self._secret + struct.pack(f">{len(fields)}i", *fields)).digest(9 * n)
        order = np.argsort(np.frombuffer(stream, ">u8", n), kind="stable")
        quarter = np.frombuffer(stream, np.uint8, n, 8 * n) % 4
        return order, _QUARTERS[quarter[:-SEAL_SYMBOLS]], _QPSK[quarter[-SEAL_SYMBOLS:]]
