# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user types for a number or a text: the value in its type, or a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Real
from reprlib import Repr
from typing import Any

from . import plain
from .errors import BadInput

_LONGEST = 60  # characters of a wrong value that a sentence repeats
_ENTRIES = _LONGEST // 2  # of a list or object, more than which no sentence shows
_SHORT = Repr()
_HUGE = re.compile("[eE][+-]?[0-9_]{4}")


def number(value: object, field: str, low: float = -math.inf, high: float = math.inf, above: bool = False) -> float:
    """A finite real number within limits.

    Parameters
    ----------
    value : object
        What was typed.
    field : str
        Name of the setting, for the sentence.
    low, high : float
        The least and the greatest that it may be.
    above : bool
        Whether ``low`` itself is too low.

    Returns
    -------
    float
        The value.

    Raises
    ------
    BadInput
        Something else.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            known = float(value)
        except OverflowError:  # a whole number of hundreds of digits
            known = math.inf
        if math.isfinite(known) and low <= known <= high and not (above and known == low):
            return known
    raise BadInput(f"must be a finite number{_span(low, high, above)}, got {shown(value)}", field=field)


def whole(value: object, field: str, low: int, high: int) -> int:
    """A whole number within limits.

    Parameters
    ----------
    value : object
        What was typed.
    field : str
        Name of the setting, for the sentence.
    low, high : int
        The least and the greatest that it may be.

    Returns
    -------
    int
        The value.

    Raises
    ------
    BadInput
        Something else.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and low <= value <= high:
        return int(value)
    raise BadInput(f"must be a whole number{_span(low, high)}, got {shown(value)}", field=field)


def fraction(text: str) -> Fraction:
    """``1/12`` or ``0.083`` as it is written; ValueError for what is none.

    Python would work out ``1e999999999`` to its last digit.
    """
    if len(text) > _LONGEST or _HUGE.search(text):
        raise ValueError(f"{shown(text)} is no ratio")
    return Fraction(text)


def text(value: object, field: str, longest: int | None = None) -> str:
    """A text; BadInput with ``field`` for anything else, or where it has more than ``longest`` characters."""
    if not isinstance(value, str):
        raise BadInput(f"must be a text, got {shown(value)}", field=field)
    if longest is not None and len(value) > longest:
        raise BadInput(f"must have at most {longest:,} characters, got {len(value):,}", field=field)
    return value


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """Values by name, an object of JSON; BadInput with ``field`` for anything else."""
    if isinstance(value, Mapping):
        return value
    raise BadInput(f"must be an object with names and values, got {shown(value)}", field=field)


def listed(value: object, field: str, most: int | None = None) -> Sequence[Any]:
    """Values in their order; BadInput with ``field`` for anything else, or where there are more than ``most``."""
    if not isinstance(value, list | tuple):
        raise BadInput(f"must be a list, got {shown(value)}", field=field)
    if most is not None and len(value) > most:
        raise BadInput(f"must have at most {most:,} entries, got {len(value):,}", field=field)
    return value


def shown(value: object) -> str:
    """A value of any kind within a sentence."""
    try:
        if isinstance(value, str | bytes):
            return plain.line(repr(value[: _LONGEST + 1]), _LONGEST)
        large = isinstance(value, list | tuple | dict) and len(value) > _ENTRIES
        return plain.line(_SHORT.repr(value) if large else repr(value), _LONGEST)
    except Exception:  # a whole number of more digits than Python writes, or an object that fails to describe itself
        return f"a {type(value).__name__} that cannot be written down"


def _span(low: float, high: float, above: bool = False) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" above {low:g}" if above else f" of {low:g} or more"
    if math.isinf(low):
        return f" of at most {high:g}"
    return f" above {low:g} and up to {high:g}" if above else f" from {low:g} to {high:g}"
