# SPDX-License-Identifier: GPL-3.0-or-later
"""Adaptive binary contexts in front of a range coder.

The range coder is that of ``constriction`` (Bamler, "Understanding Entropy Coding With Asymmetric Numeral Systems: a
Statistician's Perspective", 2022). Encoder, decoder and meter have one face, so that a format is written once, as a
function that is given the symbols or finds them out: ``bit`` and ``uniform`` take what is to be sent, or None, and
return what it was.

Probabilities are quotients of small integers in IEEE double precision, the same on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from .errors import BadInput, Missing
from .work import Work

_WORD = 4  # bytes of the coder's words
_MAX_COUNT = 1024  # of a context before it is halved, so that it follows what changes
_SLACK_BITS = 64  # that a stream may seem to hold beyond its length: two words of the coder's state


def _constriction():
    try:
        import constriction
    except ImportError as error:
        raise Missing(
            f"maps and scenes need the entropy coder constriction ({error}); run semcom doctor --fix, or python -m "
            "pip install 'constriction==0.5.0'"
        ) from None
    return constriction.stream


@lru_cache
def measured_counts(table: Path, contexts: int) -> np.ndarray:
    """Counts that adaptation begins with, from a file that ``tools/contexts.py`` wrote.

    Parameters
    ----------
    table : Path
        The file.
    contexts : int
        How many there are.

    Returns
    -------
    int [contexts, 2]
        Counts of 0 and of 1.
    """
    if not table.exists():  # only while it is being measured
        return np.ones((contexts, 2), np.int64)
    return np.array(json.loads(table.read_text(encoding="utf-8"))["counts"], np.int64)


class Contexts:
    """Counts of ones and zeros in numbered contexts.

    Parameters
    ----------
    start : integers [n, 2]
        Counts of 0 and of 1 that each context begins with, all at least 1.
    step : int
        What one symbol adds to a count.
    """

    def __init__(self, start: np.ndarray, step: int):
        self.zeros, self.ones = (column.tolist() for column in np.asarray(start, np.int64).T)
        self._step = step

    def probability(self, context: int) -> float:
        """Probability of a one.

        Parameters
        ----------
        context : int
            Its number.

        Returns
        -------
        float
            Above 0 and below 1.
        """
        ones = self.ones[context]
        return ones / (ones + self.zeros[context])

    def learn(self, context: int, bit: int) -> None:
        """Count a bit that occurred in a context.

        Parameters
        ----------
        context : int
            Its number.
        bit : int
            0 or 1.
        """
        counts = self.ones if bit else self.zeros
        counts[context] += self._step
        if counts[context] > _MAX_COUNT:
            self.ones[context] = (self.ones[context] + 1) >> 1
            self.zeros[context] = (self.zeros[context] + 1) >> 1


class Table:
    """Probabilities that stay as they are, prepared once.

    Parameters
    ----------
    counts : sequence of int
        In proportion to the probabilities, each at least 1.
    """

    def __init__(self, counts: Sequence[int]):
        total = sum(counts)
        self.probabilities = np.array([count / total for count in counts])
        self.bits = (-np.log2(self.probabilities)).tolist()
        self.model = _constriction().model.Categorical(self.probabilities, perfect=False)


class Meter:
    """Adds up the ideal length, -log2 of each probability, and sends nothing."""

    def __init__(self) -> None:
        self.bits = 0.0

    def bit(self, value: int, context: int, contexts: Contexts) -> int:
        """A bit in a context, which learns from it.

        Parameters
        ----------
        value : int
            0 or 1.
        context : int
            Number of the context.
        contexts : Contexts
            What has been learnt so far.

        Returns
        -------
        int
            The bit.
        """
        p = contexts.probability(context)
        self.bits -= math.log2(p if value else 1 - p)
        contexts.learn(context, value)
        return value

    def uniform(self, value: int, count: int) -> int:
        """An integer from 0 to ``count`` - 1, all equally likely.

        Parameters
        ----------
        value : int
            The integer.
        count : int
            Of values that it may have.

        Returns
        -------
        int
            The integer.
        """
        self.bits += math.log2(count)
        return value

    def categorical(self, value: int, probabilities: np.ndarray) -> int:
        """An index into some probabilities.

        Parameters
        ----------
        value : int
            The index.
        probabilities : float64 [n]
            Of sum 1, each above 0.

        Returns
        -------
        int
            The index.
        """
        self.bits -= math.log2(probabilities[value])
        return value

    def drawn(self, value: int, table: Table) -> int:
        """An index into a table.

        Parameters
        ----------
        value : int
            The index.
        table : Table
            Of how likely each is.

        Returns
        -------
        int
            The index.
        """
        self.bits += table.bits[value]
        return value


class Encoder:
    """Symbols -> bytes; ``bits`` is their ideal length."""

    def __init__(self) -> None:
        self._stream = _constriction()
        self._coder = self._stream.queue.RangeEncoder()
        self._meter = Meter()

    @property
    def bits(self) -> float:
        """Ideal length so far."""
        return self._meter.bits

    def bit(self, value: int, context: int, contexts: Contexts) -> int:
        """As of :class:`Meter`."""
        p = contexts.probability(context)
        self._coder.encode(int(value), self._stream.model.Bernoulli(p, perfect=False))
        return self._meter.bit(value, context, contexts)

    def uniform(self, value: int, count: int) -> int:
        """As of :class:`Meter`."""
        if count > 1:
            self._coder.encode(int(value), self._stream.model.Uniform(count))
        return self._meter.uniform(value, count)

    def categorical(self, value: int, probabilities: np.ndarray) -> int:
        """As of :class:`Meter`."""
        self._coder.encode(int(value), self._stream.model.Categorical(probabilities, perfect=False))
        return self._meter.categorical(value, probabilities)

    def drawn(self, value: int, table: Table) -> int:
        """As of :class:`Meter`."""
        self._coder.encode(value, table.model)
        return self._meter.drawn(value, table)

    def finish(self, sound: Callable[[bytes], bool] | None = None) -> bytes:
        """The bytes, without those at the end that the decoder can do without.

        Parameters
        ----------
        sound : callable, optional
            Whether these bytes decode to what was encoded; without it only zeros go, which a decoder reads beyond the
            end anyway.

        Returns
        -------
        bytes
            The code.
        """
        data = self._coder.get_compressed().astype(">u4").tobytes().rstrip(b"\0")
        while sound and data:
            # the coder names one number of its last interval to 32 bits; often a shorter one lies in it too
            shorter = [cut for cut in (data[:-1], _raised(data[:-1])) if cut is not None and sound(cut)]
            if not shorter:
                break
            data = shorter[0]
        return data


def _raised(data: bytes) -> bytes | None:
    """The next larger number of as many bytes, if the last byte has room."""
    if not data or data[-1] == 0xFF:
        return None
    return data[:-1] + bytes([data[-1] + 1])


class Decoder:
    """Bytes -> symbols.

    Parameters
    ----------
    data : bytes
        What :class:`Encoder` gave.
    work : Work, optional
        What pays for the symbols, one step for each: a likely symbol takes hardly any bits.

    Raises
    ------
    BadInput
        From any method, when more was asked for than the bytes can hold, which is how damaged or invented data shows;
        what is decoded is thereby bounded by the length of the data.
    """

    def __init__(self, data: bytes, work: Work | None = None) -> None:
        self._length, self._work = len(data), work
        self._stream = _constriction()
        padded = data + bytes(-len(data) % _WORD)
        self._coder = self._stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))
        self._meter = Meter()
        self._max_bits = 8 * len(data) + _SLACK_BITS

    def finish(self) -> None:
        """Nothing more will be asked for.

        Raises
        ------
        BadInput
            The data is longer than an encoder makes of what it held.
        """
        if 8 * self._length > self._meter.bits + _SLACK_BITS:
            raise BadInput("the data goes on beyond what it describes")

    def _decode(self, model) -> int:
        if self._meter.bits > self._max_bits:
            raise BadInput("the data ends before what it describes does")
        if self._work is not None:
            self._work.spend()
        try:
            return int(self._coder.decode(model))
        except AssertionError:
            raise BadInput("the data is not what an encoder makes") from None

    def bit(self, value: None, context: int, contexts: Contexts) -> int:
        """As of :class:`Meter`."""
        found = self._decode(self._stream.model.Bernoulli(contexts.probability(context), perfect=False))
        return self._meter.bit(found, context, contexts)

    def uniform(self, value: None, count: int) -> int:
        """As of :class:`Meter`."""
        found = self._decode(self._stream.model.Uniform(count)) if count > 1 else 0
        return self._meter.uniform(found, count)

    def categorical(self, value: None, probabilities: np.ndarray) -> int:
        """As of :class:`Meter`."""
        found = self._decode(self._stream.model.Categorical(probabilities, perfect=False))
        return self._meter.categorical(found, probabilities)

    def drawn(self, value: None, table: Table) -> int:
        """As of :class:`Meter`."""
        return self._meter.drawn(self._decode(table.model), table)
