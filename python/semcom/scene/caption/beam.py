# SPDX-License-Identifier: GPL-3.0-or-later
"""Beam search: the most probable sentences of a network that says how probable each next word is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import BadInput

BOUNDARY, UNKNOWN, FIRST_WORD = 0, 1, 2
"""Numbers of words: before the first and after the last one; one that is unknown; the first that is known."""

Next = Callable[[np.ndarray], np.ndarray]
"""int64 [n, T], beginnings of sentences -> float32 [n, words], log-probabilities of the word that follows each."""


@dataclass(frozen=True)
class Sentence:
    """A sentence that was found.

    Attributes
    ----------
    words : tuple of int
        Their numbers, without the boundaries.
    log_probability : float
        Natural logarithm, of all words and the end.
    """

    words: tuple[int, ...]
    log_probability: float

    @property
    def of_each_word(self) -> float:
        """Mean log-probability of a word, the end counted as one."""
        return self.log_probability / (len(self.words) + 1)

    def merit(self, length_power: float) -> float:
        """What sentences of different lengths are compared by.

        Parameters
        ----------
        length_power : float
            0 prefers short sentences, 1 compares what words have on average.

        Returns
        -------
        float
            The larger, the better.
        """
        return self.log_probability / (len(self.words) + 1) ** length_power


def search(following: Next, beams: int, max_words: int, length_power: float) -> list[Sentence]:
    """The best sentences that a beam search finds, the best one first.

    At each step the ``beams`` most probable beginnings are kept; it ends when as many sentences have ended. No word
    follows itself, and unknown words are never said.

    Parameters
    ----------
    following : Next
        The network.
    beams : int
        Beginnings that are kept, at least 1.
    max_words : int
        Words of a sentence, its end included, at least 1.
    length_power : float
        See :meth:`Sentence.merit`.

    Returns
    -------
    list of Sentence
        At most ``beams``, at least one: the most probable beginning where none has ended.

    Raises
    ------
    BadInput
        Fewer than one beam or word.
    """
    if beams < 1 or max_words < 1:
        raise BadInput(f"a beam search takes 1 or more beams and words, not {beams} and {max_words}")
    begun, scores = np.full((1, 1), BOUNDARY, np.int64), np.zeros(1)
    ended: list[Sentence] = []
    for _ in range(max_words):
        each = following(begun).astype(np.float64)
        each[:, UNKNOWN] = -np.inf
        said = begun[:, -1]
        repeats = np.flatnonzero(said >= FIRST_WORD)
        each[repeats, said[repeats]] = -np.inf
        totals = scores[:, None] + each
        ended += [
            Sentence(tuple(row[1:].tolist()), float(total))
            for row, total in zip(begun, totals[:, BOUNDARY], strict=True)
            if total >= _least(totals, beams)
        ]
        totals[:, BOUNDARY] = -np.inf
        best = np.argsort(-totals, axis=None, kind="stable")[:beams]
        best = best[np.isfinite(totals.flat[best])]
        if len(ended) >= beams or not len(best):
            break
        rows, words = np.divmod(best, totals.shape[1])
        begun, scores = np.concatenate([begun[rows], words[:, None]], axis=1), totals[rows, words]
    if not ended:
        ended = [Sentence(tuple(begun[0, 1:].tolist()), float(scores[0]))]
    return sorted(ended, key=lambda found: -found.merit(length_power))[:beams]


def _least(totals: np.ndarray, beams: int) -> float:
    """The smallest of the ``beams`` largest."""
    flat = totals.ravel()
    return float(np.partition(flat, -beams)[-beams]) if len(flat) > beams else -np.inf
