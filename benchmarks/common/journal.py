# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that was stopped has measured already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """What is known already, a line of JSON for each key: every value is made once, however often a benchmark is run.

    Parameters
    ----------
    path : Path or None
        File to go on from; None keeps nothing.
    *state : str
        What the values depend on, apart from their keys: those of another state are not taken.
    """

    def __init__(self, path: Path | None, *state: str):
        self._path, self._state = path, state
        self._known: dict[tuple, Any] = {}
        if path and path.exists():
            for line in path.read_text().splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:  # the last line, if the run was killed
                    continue
                self._known[tuple(key)] = value

    def __call__(self, key: tuple, make: Callable[[], Any]) -> Any:
        """The value of a key, by ``make`` if it is not known."""
        key = (*self._state, *key)
        if key not in self._known:
            self._known[key] = make()
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps([key, self._known[key]]) + "\n")
        return self._known[key]
