#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills the tables and sentences of figures in the pages from ``results/``.

    python tools/figures.py           # all blocks of all pages
    python tools/figures.py --check   # says which block is stale; status 1
    python tools/figures.py NAME      # prints one

Needs nothing but Python. A block is a function in ``tools/figures/``; ``tests/test_figures.py`` holds the pages to it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from figures import Missing, Results, Unknown, Wrong, filled, lines, pages

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="print this block, and change nothing")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if a block is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the pages and of results; the repository")
    options = parser.parse_args()
    results = Results(options.root / "results")
    if options.name:
        try:
            print("\n".join(lines(options.name, results)))
        except (Missing, Unknown) as error:
            print(f"figures: {error}", file=sys.stderr)
            return 1
        return 0
    return min(1, sum(not done(page, results, options) for page in pages(options.root)))


def done(page: Path, results: Results, options: argparse.Namespace) -> bool:
    """A page is filled, or was found to be."""
    where, text = page.relative_to(options.root), page.read_text()
    try:
        new, stale, problems = filled(text, results)
    except Wrong as error:
        print(f"figures: {where}: {error}", file=sys.stderr)
        return False
    for problem in problems:
        print(f"figures: {where}: {problem}", file=sys.stderr)
    for name in stale:
        state = "is stale, run python tools/figures.py" if options.check else "filled"
        print(f"figures: {where}: block {name} {state}", file=sys.stderr)
    if stale and not options.check:
        page.write_text(new)
    return not problems and not (stale and options.check)


if __name__ == "__main__":
    sys.exit(main())
