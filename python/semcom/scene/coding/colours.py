# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of segments in few bytes: sparse numbers in adaptive contexts, by the range coder.

Of each segment: means, texture, and of each of luma, blue and red difference the highest degree that has a coefficient
that is not 0, then the coefficients up to it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...entropy import Contexts, Decoder, Encoder, Meter, measured_counts
from ..model import COLUMNS, DEGREES, MAX_LEVEL, MAX_TEXTURE, MEAN_STEP, Colours

MAX_SEGMENTS = 255
_TABLE = Path(__file__).with_name("colour_contexts.json")
_STEP = 6  # of adaptation
_MEANS = 256 // MEAN_STEP + 1
_CENTRE = 128 // MEAN_STEP
_DEGREE = max(DEGREES)
# contexts: does the surface go beyond this degree; is a coefficient 0; is it larger yet; texture; means
_BEYOND = 0
_ZERO = _BEYOND + 3 * (_DEGREE + 1)
_LARGER = _ZERO + 3 * (_DEGREE + 1) * 3
_TEXTURE = _LARGER + 3 * 8
_MEAN = _TEXTURE + MAX_TEXTURE + 1
CONTEXTS = _MEAN + 2 * 8


def encode(colours: Colours) -> bytes:
    """Colours as bytes.

    Parameters
    ----------
    colours : Colours
        Of up to 255 segments.

    Returns
    -------
    bytes
        Their code.
    """
    coder = Encoder()
    scan(coder, colours)
    return coder.finish()


def decode(data: bytes) -> Colours:
    """The colours that :func:`encode` made bytes of.

    Parameters
    ----------
    data : bytes
        The code.

    Returns
    -------
    Colours
        Of each segment.

    Raises
    ------
    BadInput
        The bytes hold no colours.
    """
    return scan(Decoder(data), None)


def size(colours: Colours) -> int:
    """Bytes that they take, to within one or two.

    Parameters
    ----------
    colours : Colours
        Of up to 255 segments.

    Returns
    -------
    int
        Bytes.
    """
    meter = Meter()
    scan(meter, colours)
    return 1 + int(np.ceil(meter.bits / 8))


def scan(coder: Meter | Encoder | Decoder, known: Colours | None) -> Colours:
    """Code ``known``, or find it out when there is none.

    Parameters
    ----------
    coder : Meter or Encoder or Decoder
        What takes or gives symbols.
    known : Colours or None
        What is to be coded, None to a decoder.

    Returns
    -------
    Colours
        What was coded.
    """
    contexts = Contexts(measured_counts(_TABLE, CONTEXTS), _STEP)
    count = coder.uniform(None if known is None else len(known.values), MAX_SEGMENTS + 1)
    step = coder.uniform(None if known is None else known.step - 1, 255) + 1
    values = np.zeros((count, COLUMNS), np.uint8)
    for row in range(count):
        truth = None if known is None else known.values[row].tolist()
        values[row] = _segment(coder, truth, contexts)
    return Colours(values, step)


def _segment(coder: Meter | Encoder | Decoder, truth: list[int] | None, contexts: Contexts) -> list[int]:
    out = [coder.uniform(None if truth is None else truth[0], _MEANS)]
    for channel in (0, 1):
        off = None if truth is None else truth[1 + channel] - _CENTRE
        far = _unary(coder, None if off is None else abs(off), _CENTRE, _MEAN + 8 * channel, 8, contexts)
        below = far and coder.uniform(None if off is None else int(off < 0), 2)
        out.append(_CENTRE - far if below else _CENTRE + far)
    out.append(_unary(coder, None if truth is None else truth[3], MAX_TEXTURE, _TEXTURE, MAX_TEXTURE + 1, contexts))
    at = 4
    for channel, highest in enumerate(DEGREES):
        terms = (highest + 1) * (highest + 2) // 2 - 1
        wanted = None if truth is None else truth[at : at + terms]
        out += _surface(coder, wanted, channel, highest, contexts)
        at += terms
    return out


def _surface(
    coder: Meter | Encoder | Decoder, wanted: list[int] | None, channel: int, highest: int, contexts: Contexts
) -> list[int]:
    """Coefficients of degree 1 and more, folded: 0, -1, 1, -2, 2 as 0 to 4."""
    degrees = [d for d in range(1, highest + 1) for _ in range(d + 1)]
    reach = None
    if wanted is not None:
        reach = max((d for d, value in zip(degrees, wanted, strict=True) if value), default=0)
    reach = _unary(coder, reach, highest, _BEYOND + channel * (_DEGREE + 1), _DEGREE + 1, contexts)
    out: list[int] = []
    for i, degree in enumerate(degrees):
        if degree > reach:
            out.append(0)
            continue
        value = None if wanted is None else wanted[i]
        busy = sum(1 for before in out[-2:] if before)
        context = _ZERO + (channel * (_DEGREE + 1) + degree) * 3 + busy
        if not coder.bit(None if value is None else int(value > 0), context, contexts):
            out.append(0)
            continue
        size_of = None if value is None else (value + 1) // 2 - 1
        size_of = _unary(coder, size_of, MAX_LEVEL // 2 - 1, _LARGER + 8 * channel, 8, contexts) + 1
        positive = coder.uniform(None if value is None else int(value % 2 == 0), 2)
        out.append(2 * size_of - (0 if positive else 1))
    return out


def _unary(
    coder: Meter | Encoder | Decoder, value: int | None, most: int, first: int, contexts_of: int, contexts: Contexts
) -> int:
    """A number from 0 to ``most``, usually small: is it larger, again and again, each time in a context of its own."""
    found = 0
    while found < most:
        context = first + min(found, contexts_of - 1)
        if not coder.bit(None if value is None else int(value > found), context, contexts):
            break
        found += 1
    return found
