# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep has measured so far, on disk, so that one that was killed goes on where it was."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import files
from ..errors import BadInput

MAX_BYTES = 2**28
"""Of a journal: a million results."""

MAX_LINE = 2**22
"""Bytes of one result: 10,000 realisations of a picture."""

_REMEDY = "take it away, or name another file"


class Journal:
    """A file of one JSON object a line, ``key`` and ``figures``; a context manager that holds it open and locked.

    A last line that was cut short when the process died is dropped.

    Parameters
    ----------
    path : Path
        Of the file, which is made where there is none. A link is not followed.

    Raises
    ------
    BadInput
        The file cannot be written there, another process writes to it, or it is something else than a journal; then
        it stays as it is.
    """

    def __init__(self, path: Path):
        self.path = path
        # as they are written: what a line holds takes many times its bytes
        self._lines: dict[str, bytes] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = files.growing(path, "a+b", links=False)
        except OSError as error:
            raise BadInput(
                f"{path} cannot be written ({error.strerror}); name a file in a folder that you may write to"
            ) from None
        try:
            self._take_over()
        except BaseException:
            self._file.close()
            raise

    def _take_over(self) -> None:
        """What is in the file."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(f"another sweep is writing {self.path}; wait for it or name another file") from None
        size = os.fstat(self._file.fileno()).st_size
        if size > MAX_BYTES:
            raise BadInput(f"{self.path} has {size:,} bytes where at most {MAX_BYTES:,} are taken; {_REMEDY}")
        self._file.seek(0)
        whole = 0
        while line := self._file.readline(MAX_LINE):
            if not line.endswith(b"\n") and whole + len(line) == size:
                break
            number = len(self._lines) + 1
            key, _ = self._read(line, f"line {number} of {self.path}")
            self._lines[key] = line
            whole += len(line)
        self._file.truncate(whole)

    def _read(self, line: bytes, name: str) -> tuple[str, dict[str, Any]]:
        """Key and figures."""
        # the PSNR of a picture that is perfect is infinite
        entry = files.json_of(line, name, "a journal of a sweep", infinite=True)
        try:
            key, figures = entry["key"], entry["figures"]
        except (KeyError, TypeError):
            key = figures = None
        if not isinstance(key, str) or not isinstance(figures, dict):
            raise BadInput(f"{name} is no result of a sweep; {_REMEDY}")
        return key, figures

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._read(self._lines[key], str(self.path))[1]

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # one that holds nothing would only puzzle
        if not self._lines:
            self.remove()
        self._file.close()

    def add(self, key: str, figures: dict[str, Any]) -> None:
        """Keep a result, on disk before this returns.

        Parameters
        ----------
        key : str
            What the result is of.
        figures : dict
            That JSON knows.
        """
        line = json.dumps({"key": key, "figures": figures}).encode() + b"\n"
        self._lines[key] = line
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written ({error.strerror}); make room there") from None

    def remove(self) -> None:
        """The sweep is complete, and its results are elsewhere."""
        self.path.unlink(missing_ok=True)
