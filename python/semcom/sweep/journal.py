# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep has measured so far, on disk, so that one that was killed goes on where it was."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import files
from ..errors import BadInput


class Journal:
    """A file of one JSON object a line, ``key`` and ``figures``; a context manager that holds it open and locked.

    A line that was cut short when the process died, and anything behind it, is dropped.

    Parameters
    ----------
    path : Path
        Of the file, which is made where there is none.

    Attributes
    ----------
    results : dict of str to dict
        What was found, by key.

    Raises
    ------
    BadInput
        The file cannot be written there, or another process writes to it.
    """

    def __init__(self, path: Path):
        self.path = path
        self.results: dict[str, Any] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = files.growing(path, "a+b")
        except OSError as error:
            raise BadInput(
                f"{path} cannot be written ({error.strerror}); name a file in a folder that you may write to"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise BadInput(f"another sweep is writing {path}; wait for it or name another file") from None
        self._file.seek(0)
        whole = 0
        for line in self._file:
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
                self.results[entry["key"]] = entry["figures"]
            except (ValueError, KeyError, TypeError):
                break
            whole += len(line)
        self._file.truncate(whole)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # one that holds nothing would only puzzle
        if not self.results:
            self.remove()
        self._file.close()

    def add(self, key: str, figures: dict[str, Any]) -> None:
        """Keep a result, on disk before this returns."""
        self.results[key] = figures
        try:
            self._file.write(json.dumps({"key": key, "figures": figures}).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written ({error.strerror}); make room there") from None

    def remove(self) -> None:
        """The sweep is complete, and its results are elsewhere."""
        self.path.unlink(missing_ok=True)
