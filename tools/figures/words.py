# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, tables, paragraphs, and words that follow from a sign."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

WIDTH = 128  # characters of a line of a paragraph
NOTHING = "-"  # of a cell without a figure
Level = float | Mapping[float, float]  # of differences, or of each of them by its Es/N0
NORMAL = 1.96  # standard errors on each side of a mean that hold it in 95 of 100 measurements
LEVEL = 0.05  # less of a difference shows as 0.0

# at the start of a line Markdown would take it for a list, a heading, a quotation or a rule
MARKUP = re.compile(r"([-+*#>=|]+|\d+[.)])\Z")


def rounded(value: float | None, digits: int = 1) -> str:
    """A figure with as many digits, thousands apart."""
    if value is None:
        return NOTHING
    # results are decimals: half of the last digit is rounded up, as by hand, not to what a binary number is nearest to
    decimal = Decimal(repr(round(float(value), 9))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{decimal if decimal else abs(decimal):,f}"


def signed(value: float, digits: int = 1) -> str:
    """The same with its sign."""
    text = rounded(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def significant(value: float, digits: int = 2) -> str:
    """A figure with as many digits that count."""
    place = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the first digit, after rounding
    return rounded(value, max(0, digits - 1 - place))


def percent(share: float | None, digits: int = 0) -> str:
    """A share in percent."""
    return NOTHING if share is None else f"{rounded(100 * share, digits)} %"


def percent_of(share: float, count: int) -> str:
    """A share of so many in percent, and the interval that holds it in 95 of 100 measurements (Wilson, 1927)."""
    square = NORMAL**2 / count
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    low, high = (rounded(100 * min(max(end, 0.0), 1.0), 0) for end in (middle - half, middle + half))
    return f"{percent(share)} ({low} to {high})"


def each(values: Iterable[float | None], digits: int = 1) -> list[str]:
    """All of them rounded."""
    return [rounded(value, digits) for value in values]


def listed(words: Iterable[object]) -> str:
    """Words as a sentence lists them."""
    *before, last = (str(word) for word in words)
    return f"{', '.join(before)} and {last}" if before else last


def clauses(phrases: Iterable[str]) -> str:
    """Phrases that have an "and" of their own, one after the other."""
    *before, last = phrases
    return f"{', '.join(before)}, and {last}" if before else last


def spread(values: Iterable[float], digits: int = 1) -> str:
    """The least and the most of them, once where they are rounded to the same."""
    values = list(values)
    ends = each((min(values), max(values)), digits)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def places(values: Iterable[float]) -> str:
    """Values of Es/N0 as a sentence lists them, dB."""
    return f"{listed(f'{value:g}' for value in values)} dB"


COUNTED = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def counted(count: int) -> str:
    """A number as a sentence begins with it."""
    return COUNTED[count] if 0 <= count < len(COUNTED) else rounded(count, 0)


def standing(difference: float, level: float = LEVEL) -> str:
    """``ahead``, ``behind`` or ``level`` by the sign of a difference, if it is no less than ``level``."""
    if abs(difference) < level:
        return "level"
    return "ahead" if difference > 0 else "behind"


def standings(differences: Mapping[float, float], of: str, level: Level = LEVEL, digits: int = 1) -> str:
    """By how many decibels something is ahead of, behind or level with another, by Es/N0; ``level`` may be as well.

    >>> standings({1: 1.3, 4: 1.1, 13: -0.12, 20: 0.01}, "`b`")
    '1.3 and 1.1 dB ahead of `b` at 1 and 4 dB, 0.1 dB behind at 13 dB, and level at 20 dB'
    """
    runs: list[tuple[str, dict[float, float]]] = []
    for place, difference in differences.items():
        word = standing(difference, level[place] if isinstance(level, Mapping) else level)
        if not runs or runs[-1][0] != word:
            runs.append((word, {}))
        runs[-1][1][place] = difference
    phrases = []
    for word, run in runs:
        other = "" if phrases else _beside(word, of)
        much = "" if word == "level" else f"{listed(each(map(abs, run.values()), digits))} dB "
        phrases.append(f"{much}{word}{other} at {places(run)}")
    return clauses(phrases)


def ranged(differences: Iterable[float], of: str = "", level: float = LEVEL, digits: int = 1) -> str:
    """The same in short, by the least and the most of the decibels."""
    differences = list(differences)
    words = {standing(difference, level) for difference in differences}
    if words == {"level"}:
        return f"level{_beside('level', of)}"
    if len(words) == 1:
        (word,) = words
        return f"{spread(map(abs, differences), digits)} dB {word}{_beside(word, of)}"
    ends = (f"{rounded(abs(end), digits)} dB {standing(end, 0)}" for end in (min(differences), max(differences)))
    return f"from {' to '.join(ends)}"


def _beside(word: str, other: str) -> str:
    """What follows a word of standing."""
    return f"{dict(ahead=' of', behind='', level=' with')[word]} {other}" if other else ""


def fewer(difference: int, what: str) -> str:
    """``3 pictures fewer``, ``3 pictures more`` or ``as many``."""
    return f"{abs(difference)} {what} {'more' if difference > 0 else 'fewer'}" if difference else "as many"


def more(difference: float, unit: str, digits: int = 1, level: float = LEVEL) -> str:
    """``0.1 dB more``, ``0.1 dB less`` or ``as much``."""
    if abs(difference) < level:
        return "as much"
    return f"{rounded(abs(difference), digits)} {unit} {'more' if difference > 0 else 'less'}"


def scatter(one: Mapping[str, Any], other: Mapping[str, Any], otherwise: float, metric: str = "psnr_db") -> float:
    """What two means of the same images may lie apart by the chance of the channel, in 95 of 100 measurements.

    ``otherwise`` is taken where the error of one is not known, and what shows as 0.0 is always level.
    """
    errors = [(point.get("standard_error") or {}).get(metric) for point in (one, other)]
    return otherwise if None in errors else max(LEVEL, NORMAL * math.hypot(*errors))


def shown(point: Mapping[str, Any], metric: str = "psnr_db", digits: int = 1) -> str:
    """A mean of a point, with the interval that holds it in 95 of 100 measurements where its error is known.

    Where not all pictures arrived, the mean is of those that did, and their number is said.
    """
    value = point[metric]
    text = rounded(value, digits)
    if value is None:
        return text
    error = (point.get("standard_error") or {}).get(metric)
    if error:
        text += f" ± {_half(NORMAL * error, digits)}"
    pictures, delivered = point.get("pictures"), point.get("delivered")
    if pictures is not None and delivered is not None and delivered < pictures:
        text += f" (n {delivered:,} of {pictures:,})"
    return text


def told(points: Iterable[Mapping[str, Any]]) -> str:
    """What ± means, behind the name of a mean, where a point has an interval."""
    return ", ± its 95 % interval over the draws" if any(point.get("standard_error") for point in points) else ""


def _half(value: float, digits: int) -> str:
    """Half an interval; one that would read as none gets another digit."""
    text = rounded(value, digits)
    return text if float(text) or digits > 5 else _half(value, digits + 1)


def _fades(point: Mapping[str, Any], share: str) -> float | None:
    return (point.get("psnr_fade_outage_db") or {}).get(share)


def of_what(point: Mapping[str, Any], share: str = "0.1") -> str:
    """What an outage is a share of: fades where there are enough of them, else pictures."""
    return "pictures" if _fades(point, share) is None else "fades"


def outage(point: Mapping[str, Any], share: str = "0.1") -> float | None:
    """The PSNR that a share of :func:`of_what` does not exceed; None where there are too few to tell."""
    fades = _fades(point, share)
    return point["psnr_outage_db"].get(share) if fades is None else fades


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """Lines of a table."""
    head = list(head)
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Iterable[object]) -> str:
    texts = [str(cell).replace("|", "\\|") for cell in cells]
    return "|" + "".join(f" {text} |" if text else " |" for text in texts)


def paragraph(*sentences: str) -> list[str]:
    """Lines of a paragraph."""
    words: list[str] = []
    for word in " ".join(sentences).split():
        if words and MARKUP.match(word):
            words[-1] += f"\0{word}"
        else:
            words.append(word)
    text = textwrap.fill(" ".join(words), WIDTH, break_long_words=False, break_on_hyphens=False)
    return text.replace("\0", " ").splitlines()
