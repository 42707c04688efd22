# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions in about as many bytes as they have words.

A caption is a row of words and punctuation marks. Each is coded by the range coder with the probability that a model of
pairs of words gives it, counted on captions (``models/caption_words.json`` says on which); a word that the model does
not know is spelled, letter after letter, with a model of pairs of letters. What is not a plain sentence is spelled as
a whole. Every text is decoded as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...entropy import Contexts, Decoder, Encoder
from ...errors import BadInput
from ...zoo import arrays, weights

MAX_CHARACTERS = 2000
MAX_TABLES = 2**26  # bytes
ALPHABET = "".join(chr(code) for code in range(32, 127))
"""What can be spelled cheaply; anything else is sent as its bytes in UTF-8."""
END = 0  # in the words' and in the letters' numbering
SPELLED = 1  # a word that the model does not know follows
FIRST_WORD = 2
_BACK_OFF = 12  # pseudo-counts of the single words beside the pairs
_WORD = re.compile(r"[a-zA-Z]+|[0-9]+|[^a-zA-Z0-9\s]")
_NO_SPACE_BEFORE = set(".,!?;:'-")
_NO_SPACE_AFTER = set("'-")


@dataclass(frozen=True)
class _Words:
    """The model: words by number, single counts, and of each word the numbers and counts of those that followed it."""

    words: list[str]
    numbers: dict[str, int]
    singles: np.ndarray
    starts: np.ndarray
    followers: np.ndarray
    counts: np.ndarray
    letters: np.ndarray

    def after(self, word: int) -> np.ndarray:
        """Probabilities of what follows ``word``: float64 [words].

        Counts are whole numbers up to the one division, so every machine has the same.
        """
        span = slice(self.starts[word], self.starts[word + 1])
        shares = self.singles.copy()
        # scaled so that the single words weigh _BACK_OFF pairs in all
        shares[self.followers[span]] += self.counts[span] * (self.singles.sum() // _BACK_OFF)
        return shares / shares.sum()


@lru_cache(maxsize=1)
def _model() -> _Words:
    path = weights.find("caption_words")
    table = arrays.load(path, MAX_TABLES, "a table of words")
    try:
        words = ["", "", *bytes(table["words"]).decode("ascii").split("\n")]
        return _Words(
            words,
            {word: i for i, word in enumerate(words) if i >= FIRST_WORD},
            table["singles"].astype(np.float64),
            table["starts"].astype(np.int64),
            table["followers"].astype(np.int64),
            table["counts"].astype(np.float64),
            _rows(table["letters"]),
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BadInput(f"{path} is no table of words ({error}); fetch or install it again") from None


def _rows(counts: np.ndarray) -> np.ndarray:
    counts = counts.astype(np.float64)
    return counts / counts.sum(axis=1, keepdims=True)


def words_of(text: str) -> list[str]:
    """Words, numbers and marks of a text, in lower case.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        In the order of the text.
    """
    return _WORD.findall(text.lower())


def encode(text: str) -> bytes:
    """A caption as bytes; none for the empty text.

    Parameters
    ----------
    text : str
        Up to ``MAX_CHARACTERS``.

    Returns
    -------
    bytes
        Its code.

    Raises
    ------
    BadInput
        The text is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"a caption of {len(text)} characters is too long; at most {MAX_CHARACTERS} are sent")
    if not text:
        return b""
    coder = Encoder()
    _code(coder, text)
    return coder.finish(lambda data: _decodes_to(data, text))


def decode(data: bytes) -> str:
    """The caption that :func:`encode` made bytes of.

    Parameters
    ----------
    data : bytes
        The code.

    Returns
    -------
    str
        The text.

    Raises
    ------
    BadInput
        The bytes hold no text.
    """
    return _code(Decoder(data), None) if data else ""


def _decodes_to(data: bytes, text: str) -> bool:
    try:
        return decode(data) == text
    except BadInput:
        return False


def _code(coder: Encoder | Decoder, text: str | None) -> str:
    flags = Contexts(np.array([[1, 60], [4, 60], [20, 60]]), 1)  # plain; capital first; full stop last
    tokens = _plain_tokens(text) if text is not None else None
    plain = coder.bit(None if text is None else int(tokens is not None), 0, flags)
    if not plain:
        return _spell_bytes(coder, text)
    capital = coder.bit(None if text is None else int(text[0].isupper()), 1, flags)
    stop = coder.bit(None if text is None else int(text.endswith(".")), 2, flags)
    if tokens is not None and stop:
        tokens = tokens[:-1]
    found = _words(coder, tokens)
    return written(found, bool(capital), bool(stop))


def _plain_tokens(text: str) -> list[str] | None:
    """The words of a text that :func:`written` writes again just so; None for any other."""
    tokens = words_of(text)
    if not tokens or not all(letter in ALPHABET for letter in text):
        return None
    stop = text.endswith(".")
    return tokens if written(tokens[:-1] if stop else tokens, text[0].isupper(), stop) == text else None


def written(tokens: list[str], capital: bool, stop: bool) -> str:
    """A sentence of words and marks.

    Parameters
    ----------
    tokens : list of str
        As :func:`words_of` gives them.
    capital : bool
        Whether it begins with a capital letter.
    stop : bool
        Whether a full stop ends it.

    Returns
    -------
    str
        The text.
    """
    parts: list[str] = []
    for token in tokens:
        if parts and token not in _NO_SPACE_BEFORE and parts[-1] not in _NO_SPACE_AFTER:
            parts.append(" ")
        parts.append(token)
    text = "".join(parts) + ("." if stop else "")
    return text[:1].upper() + text[1:] if capital else text


def _words(coder: Encoder | Decoder, tokens: list[str] | None) -> list[str]:
    model = _model()
    out: list[str] = []
    before = END
    while True:
        if tokens is None:
            number, token = None, None
        else:
            token = tokens[len(out)] if len(out) < len(tokens) else None
            number = END if token is None else model.numbers.get(token, SPELLED)
        number = coder.categorical(number, model.after(before))
        if number == END:
            return out
        out.append(_spell_word(coder, token) if number == SPELLED else model.words[number])
        if len(out) > MAX_CHARACTERS:
            raise BadInput("a caption does not end")
        before = number


def _spell_word(coder: Encoder | Decoder, token: str | None) -> str:
    letters = _model().letters
    out, before = "", 0
    while True:
        number = None
        if token is not None:
            number = ALPHABET.index(token[len(out)]) + 1 if len(out) < len(token) else END
        number = coder.categorical(number, letters[before])
        if number == END:
            return out
        out += ALPHABET[number - 1]
        if len(out) > MAX_CHARACTERS:
            raise BadInput("a word of a caption does not end")
        before = number


def _spell_bytes(coder: Encoder | Decoder, text: str | None) -> str:
    """A text that is no plain sentence: its length, then letters by pairs, or bytes where that cannot be."""
    known = None if text is None else text.encode("utf-8")
    wide = coder.uniform(None if text is None else int(any(letter not in ALPHABET for letter in text)), 2)
    length = coder.uniform(None if known is None else len(known), 4 * MAX_CHARACTERS + 1)
    letters = _model().letters
    out, before = bytearray(), 0
    for i in range(length):
        if wide:
            out.append(coder.uniform(None if known is None else known[i], 256))
        else:
            number = coder.categorical(
                None if known is None else known[i] - ord(ALPHABET[0]), letters[before, 1:] / letters[before, 1:].sum()
            )
            out.append(number + ord(ALPHABET[0]))
            before = number + 1
    try:
        return out.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("a caption is not text") from None
