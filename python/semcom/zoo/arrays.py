# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays by name from ``.npz`` files, as small as they say or not at all."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from .. import files, plain
from ..errors import BadInput

MAX_ARRAYS = 100_000
_LONGEST = 120  # characters that a sentence repeats
_SUFFIX = ".npy"


def load(path: str | Path, most: int, kind: str) -> dict[str, np.ndarray]:
    """All arrays of a file.

    Parameters
    ----------
    path : str or Path
        Of the file.
    most : int
        Bytes that they may have together.
    kind : str
        What the file should be, for the sentences.

    Returns
    -------
    dict of str to numpy.ndarray
        By name.

    Raises
    ------
    BadInput
        It cannot be read, is damaged, holds more, or what is no array of numbers or text.
    """
    with files.opened(path, files.MAX_WEIGHTS, kind) as stream:
        try:
            with zipfile.ZipFile(Sips(stream)) as archive:
                found = archive.infolist()
                if len(found) > MAX_ARRAYS or sum(info.file_size for info in found) > most:
                    raise ValueError(f"it has more than {MAX_ARRAYS:,} arrays, or more than {most:,} bytes of them")
                made = {}
                for info in found:
                    with archive.open(info) as member:
                        made[info.filename.removesuffix(_SUFFIX)] = _array(member, info.file_size)
                return made
        except Exception as error:  # of zipfile, zlib, tokenize and NumPy, each its own
            why = plain.line(error, _LONGEST) or type(error).__name__
            raise BadInput(f"{files.named(path)} is damaged or holds no arrays ({why}); name {kind}") from None


class Sips:
    """A stream that is read in small pieces only: how much of it is read at once is in the file itself.

    Parameters
    ----------
    stream : binary stream
        Of a regular file.
    """

    MOST = 2**26

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all; ValueError where that is more than any table of contents takes."""
        # as many as are asked for are reserved: no more than there are
        left = self._size - self._stream.tell()
        content = self._stream.read(min(self.MOST + 1, left if size < 0 else min(size, max(left, 0))))
        if len(content) > self.MOST:
            raise ValueError("its table of contents says that it takes more than there can be")
        return content

    def seekable(self) -> bool:
        """It is."""
        return True


def _array(stream: IO[bytes], size: int) -> np.ndarray:
    """One member, whose header says no more than there is."""
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise ValueError(f"format {version}")
    shape, by_column, dtype = header(stream)
    count = math.prod(shape)
    if dtype.hasobject or count * dtype.itemsize > size or min(shape, default=0) < 0:
        raise ValueError(f"an array of {shape} {dtype}")
    content = stream.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise EOFError("an array is cut short")
    array = np.frombuffer(bytearray(content), dtype, count)
    return array.reshape(shape[::-1]).T if by_column else array.reshape(shape)
