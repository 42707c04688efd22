# SPDX-License-Identifier: GPL-3.0-or-later
"""Label maps in few bytes: raster scan, each pixel in the context of its neighbours, range coder.

What is coded of a pixel is which of its causal neighbours it continues. The neighbours

::

            NNW NN  NNE
        NW  N   NE  NEE
    WW  W   ?

say by their equalities, not by their labels, what is likely, so one table serves class maps and segments alike. Inside
of areas, where W = NW = N = NE = NEE, the stretch up to the next change in the row above is coded at once: whether
anything begins in it, and where. Time goes with the length of the boundaries, not with the area.

The tables that adaptation begins with are measured on training maps by ``tools/contexts.py``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ...entropy import Contexts, Decoder, Encoder, Meter, measured_counts
from ...errors import BadInput
from ...work import Work

MAX_PIXELS = 2**20
"""Of a coded map; a larger image sends its maps at a fraction of its size."""
MAX_SIDE = 2**11
"""Of a coded map, in pixels: an empty row takes no bytes, but time."""

_PARTITIONS = 15  # of four neighbours by equality: the Bell number B(4)
_EXTRA = 32  # five further equalities
FIRST = _PARTITIONS * _EXTRA  # contexts of the first question, "as W?"
LATER = 3 * _PARTITIONS  # of the second to the fourth
STRETCH = 16  # by length of the stretch, logarithmically
NEW = 1
CONTEXTS = FIRST + LATER + STRETCH + NEW
_TABLE = Path(__file__).with_name("labelmap_contexts.json")
_STEP = 8  # of adaptation
_ROW = 16  # symbols that a row of pixels takes as long as, beside its own
_LATER, _STRETCH, _NEW = FIRST, FIRST + LATER, FIRST + LATER + STRETCH

# canonical numbering of the equality pattern of (W, N, NE, NW): index of the first neighbour that each equals
_PATTERN = {
    pattern: i
    for i, pattern in enumerate(
        (a, b, c) for a in range(2) for b in range(a + 2) for c in range(max(a, b) + 2)
    )
}  # fmt: skip


def encode(labels: np.ndarray) -> bytes:
    """A label map as bytes that hold size, labels and map.

    Parameters
    ----------
    labels : uint8 [H, W]
        The map.

    Returns
    -------
    bytes
        Its code.

    Raises
    ------
    BadInput
        No such array, or more than ``MAX_PIXELS`` pixels or ``MAX_SIDE`` on a side.
    """
    return encode_with_ideal(labels)[0]


def encode_with_ideal(labels: np.ndarray) -> tuple[bytes, float]:
    """As :func:`encode`, with the ideal length of the map in bits: the sum of -log2 p of all that was coded.

    Parameters
    ----------
    labels : uint8 [H, W]
        The map.

    Returns
    -------
    bytes, float
        Its code, and bits.
    """
    labels = _checked(labels)
    return _encoded(labels.tobytes(), labels.shape)


@lru_cache(maxsize=16)
def _encoded(pixels: bytes, shape: tuple[int, int]) -> tuple[bytes, float]:
    # an encoder asks for one map again and again: for the room beside it, for its part of the scene, for the whole
    order, indices = _indexed(np.frombuffer(pixels, np.uint8).reshape(shape))
    height, width = shape
    coder = Encoder()
    _scan(coder, height, width, len(order), indices)
    head = height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([len(order) - 1]) + bytes(order)
    return head + coder.finish(), coder.bits


def decode(data: bytes, work: Work | None = None) -> np.ndarray:
    """The label map that :func:`encode` made bytes of.

    Parameters
    ----------
    data : bytes
        The code.
    work : Work, optional
        What pays for the symbols and for the rows.

    Returns
    -------
    uint8 [H, W]
        The map.

    Raises
    ------
    BadInput
        The data is cut short or contradicts itself, or takes more work than may be done. Memory is bounded by
        ``MAX_PIXELS``, time by that, the length of the data and the work.
    """
    if len(data) < 5:
        raise BadInput("a label map is cut short before its size")
    height, width, count = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"), data[4] + 1
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise BadInput(f"a label map says it is {width}x{height}, which is no size of a map")
    order = data[5 : 5 + count]
    if len(order) < count or len(set(order)) < count:
        raise BadInput(f"a label map does not name its {count} labels")
    if work is not None:
        work.spend(_ROW * height)
    rows = _scan(Decoder(data[5 + count :], work), height, width, count, None)
    return np.frombuffer(order, np.uint8)[np.array(rows, np.uint8)]


def scan(coder: Meter | Encoder, labels: np.ndarray) -> None:
    """Give a coder what there is to code of a map, in order, without the size and the names of the labels.

    Parameters
    ----------
    coder : Meter or Encoder
        What takes the symbols.
    labels : uint8 [H, W]
        The map.
    """
    labels = _checked(labels)
    order, rows = _indexed(labels)
    _scan(coder, *labels.shape, len(order), rows)


def _checked(labels: np.ndarray) -> np.ndarray:
    """What can be coded as a label map."""
    labels = np.asarray(labels)
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise BadInput(f"a label map must be uint8 [H, W], not {labels.dtype} {list(labels.shape)}")
    if labels.size > MAX_PIXELS or max(labels.shape) > MAX_SIDE:
        raise BadInput(f"a label map of {labels.shape[1]}x{labels.shape[0]} is too large; send it at half the size")
    return labels


def _indexed(labels: np.ndarray) -> tuple[list[int], list[list[int]]]:
    """Labels numbered by first appearance: the labels in that order, the rows of numbers."""
    values, first = np.unique(labels, return_index=True)
    order = values[np.argsort(first)].tolist()
    table = np.zeros(256, np.uint8)
    table[order] = range(len(order))
    return order, table[labels].tolist()


def _scan(
    coder: Meter | Encoder | Decoder,
    height: int,
    width: int,
    count: int,
    known: list[list[int]] | None,
) -> list[list[int]]:
    """Code the rows ``known``, or find them out when there are none."""
    contexts = Contexts(measured_counts(_TABLE, CONTEXTS), _STEP)
    seen = 1  # labels are numbered as they appear, so the first pixel needs no word
    above2 = above = [0] * width
    rows: list[list[int]] = []
    pattern_of = _PATTERN
    for y in range(height):
        truth = known[y] if known else None
        truth_ends = truth and _run_ends(truth)
        row = [0] * width
        ends = _run_ends(above)
        x = 0
        while x < width:
            w = row[x - 1] if x else above[0]
            nw = above[x - 1] if x else above[0]
            end = ends[x - 1] if x else ends[0]
            if w == nw and (end >= x + 2 or end == width - 1):
                # the row above does not change until two pixels beyond the stretch
                last = end if end == width - 1 else end - 2
                length = last - x + 1
                begins = None
                if truth is not None:
                    begins = min(length, truth_ends[x] + 1 - x) if truth[x] == w else 0
                something = coder.bit(
                    None if truth is None else int(begins < length), _STRETCH + length.bit_length(), contexts
                )
                if not something or count == 1:
                    row[x : last + 1] = [w] * length
                    x = last + 1
                    continue
                begins = coder.uniform(begins, length)
                row[x : x + begins] = [w] * begins
                x += begins
                row[x] = value = _other(coder, truth and truth[x], [w], seen, count, contexts)
                seen = max(seen, value + 1)
                x += 1
                continue
            n = above[x]
            ne = above[x + 1] if x + 1 < width else n
            nee = above[x + 2] if x + 2 < width else ne
            ww = row[x - 2] if x > 1 else w
            a = 0 if n == w else 1
            b = 0 if ne == w else (a if ne == n else a + 1)
            c = 0 if nw == w else (a if nw == n else (b if nw == ne else max(a, b) + 1))
            pattern = pattern_of[a, b, c]
            extra = (
                (ww == w)
                + 2 * (above2[x] == n)
                + 4 * (nee == ne)
                + 8 * ((above2[x + 1] if x + 1 < width else above2[x]) == ne)
                + 16 * ((above2[x - 1] if x else above2[0]) == nw)
            )
            value = None if truth is None else truth[x]
            if coder.bit(None if value is None else int(value == w), pattern * _EXTRA + extra, contexts):
                row[x] = w
                x += 1
                continue
            tried = [w]
            for candidate in (n, ne, nw):
                if candidate in tried:
                    continue
                context = _LATER + (len(tried) - 1) * _PARTITIONS + pattern
                if coder.bit(None if value is None else int(value == candidate), context, contexts):
                    row[x] = candidate
                    break
                tried.append(candidate)
            else:
                row[x] = value = _other(coder, value, tried, seen, count, contexts)
                seen = max(seen, value + 1)
            x += 1
        rows.append(row)
        above2, above = above, row
    return rows


def _other(coder, value: int | None, tried: list[int], seen: int, count: int, contexts: Contexts) -> int:
    """A label that no neighbour has: the next new one, or one seen before."""
    before = [label for label in range(seen) if label not in tried]
    new = seen < count
    if new and before:
        new = bool(coder.bit(None if value is None else int(value == seen), _NEW, contexts))
    if new:
        return seen
    if not before:
        raise BadInput("a label map names a label that it does not have")
    return before[coder.uniform(None if value is None else before.index(value), len(before))]


def _run_ends(row: list[int]) -> list[int]:
    """For each pixel the last one of its run of equal labels."""
    values = np.array(row, np.uint8)
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]), len(row) - 1)
    return np.repeat(ends, np.diff(ends, prepend=-1)).tolist()
