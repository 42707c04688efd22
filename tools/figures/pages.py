# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of the pages between ``<!-- figures: NAME -->`` and ``<!-- figures end -->``, and what fills them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from .results import Missing, Results

START = re.compile(r"<!-- figures: (?P<name>[a-z0-9-]+) -->\Z")
END = "<!-- figures end -->"
MARK = re.compile(r"<!--\s*figures")
SKIPPED = {"generated", "_build"}

BLOCKS: dict[str, Callable[[Results], list[str]]] = {}


class Unknown(Exception):
    """No block of that name can be made."""


class Wrong(Exception):
    """The marks of a page do not make blocks."""


def named(name: str) -> Callable:
    """Registers what makes the lines of a block."""

    def register(make: Callable[[Results], list[str]]) -> Callable[[Results], list[str]]:
        assert name not in BLOCKS, name
        BLOCKS[name] = make
        return make

    return register


def lines(name: str, results: Results) -> list[str]:
    """Lines of a block, made of the results."""
    if name not in BLOCKS:
        raise Unknown(f"there is no block {name!r}, the blocks are: {', '.join(sorted(BLOCKS))}")
    try:
        return BLOCKS[name](results)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        # a value of another type than the block expects, such as null, or one that it has no words for
        raise Missing(f"the results do not hold what block {name} needs: {error}") from error


def pages(root: Path) -> Iterator[Path]:
    """Pages of the repository that may have blocks."""
    for page in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        if not SKIPPED & set(page.relative_to(root).parts):
            yield page


def filled(text: str, results: Results) -> tuple[str, list[str], list[str]]:
    """A page with its blocks made anew, the names of those that were others before, and what kept some as they were."""
    before, after, stale, problems = text.splitlines(), [], [], []
    place, fenced = 0, False
    while place < len(before):
        line = before[place]
        after.append(line)
        place += 1
        fenced ^= line.lstrip().startswith("```")
        start = START.match(line)
        # a mark within a fence is shown, not meant
        if fenced or not start:
            if not fenced and MARK.match(line):
                raise Wrong(f"line {place}: {line!r} begins no block, write <!-- figures: NAME -->")
            continue
        name = start["name"]
        end = next((n for n in range(place, len(before)) if MARK.match(before[n])), len(before))
        if end == len(before) or before[end] != END:
            raise Wrong(f"line {place}: block {name} does not end, write {END} behind it")
        made = old = before[place:end]
        try:
            # a table needs an empty line before it, and a paragraph that follows one as well
            made = ["", *lines(name, results), ""]
        except (Missing, Unknown) as error:
            problems.append(str(error))
        if made != old:
            stale.append(name)
        after += [*made, END]
        place = end + 1
    return "\n".join(after) + "\n", stale, problems
