# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside, such as a received caption or the name of a file, as one line that is safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO

# control characters (C0, DEL, C1) and separators of lines and paragraphs: they move the cursor, colour the terminal or
# begin a line of their own; marks of writing direction, which show a line in another order than it has
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# halves of UTF-16 pairs: Python's stand-ins for bytes that are no UTF-8, which nothing else takes as text
_SURROGATE = re.compile("[\ud800-\udfff]")


def text(value: object) -> str:
    """A value as text that can be encoded: what is no character becomes U+FFFD.

    Parameters
    ----------
    value : object
        Mostly a str.

    Returns
    -------
    str
        Of the same length.
    """
    return _SURROGATE.sub("\ufffd", str(value))


def line(value: object, longest: int = 0) -> str:
    """A value as one line without control characters; each run of them becomes a space.

    Parameters
    ----------
    value : object
        Mostly a str.
    longest : int, default 0
        Characters at most, the ellipsis at the end of what is cut included; 0 for any number.

    Returns
    -------
    str
        The line, without an end of line.
    """
    shown = _CONTROL.sub(" ", text(value))
    return shown[: longest - 1] + "…" if 0 < longest < len(shown) else shown


def write(stream: IO[str], lines: Iterable[object]) -> None:
    """Lines to a terminal or whatever reads the output, at once: it may be waiting for them.

    Parameters
    ----------
    stream : text stream
        Standard output, say.
    lines : iterable of object
        Each becomes one line; a tuple becomes one of cells, separated by tabs.
    """
    texts = ["\t".join(map(line, each)) if isinstance(each, tuple) else line(each) for each in lines]
    # not every terminal knows every character
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write("".join(f"{each}\n" for each in texts).encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
