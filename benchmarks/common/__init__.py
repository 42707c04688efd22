# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks use.

A file of results has ``command``, ``provenance`` (machine, commit, and as far as they apply images, seed and draws),
and the figures: a list ``rows``, or a key for each of them.
"""

from .journal import Journal
from .report import ROOT, arguments, by_rows, command, commit, provenance, write

__all__ = ["ROOT", "Journal", "arguments", "by_rows", "command", "commit", "provenance", "write"]
