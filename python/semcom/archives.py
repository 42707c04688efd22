# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of others: read from front to back, within limits, and never unpacked to where they say.

A tar may claim any size, any name and any number of members, and a few bytes of a compressed one make gigabytes. Here
only regular files are handed out, one after the other, as bytes; whoever takes them gives them a name.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from . import files, plain
from .errors import BadInput

MAX_HEADER = 2**16
"""Bytes of a long name, or of what else stands in front of a member."""

MAX_MEMBERS = 2**18

_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGED = (tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError, ValueError, OverflowError)
_DESCRIBES = {
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
}  # what stands in front of a member
_ENDS = 16  # times that a reader may find the end, before it is taken for one that looks for more
_REFUSED = 120  # characters of what a library says


class _TooMuch(Exception):
    """More was unpacked than the caller takes."""


class _Header(tarfile.TarInfo):
    """A member whose header can be true."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        """As of ``TarInfo``; what describes another member is read whole, and must be small."""
        made = super().frombuf(buf, encoding, errors)
        if made.size < 0 or (made.type in _DESCRIBES and made.size > MAX_HEADER):
            raise tarfile.ReadError(f"a header of {made.size:,} bytes")
        return made


class _Bounded:
    """A stream of which no more is read than is taken.

    Parameters
    ----------
    stream : binary stream
        Of any length.
    most : int
        Bytes.
    """

    def __init__(self, stream: IO[bytes], most: int):
        self._stream, self._left, self._ends = stream, most, 0

    def read(self, size: int) -> bytes:
        """At most so many bytes."""
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise _TooMuch
        # a member that says it has exabytes would be looked for block after block
        self._ends += not piece
        if self._ends > _ENDS:
            raise EOFError("it ends within a member")
        return piece


@dataclass(frozen=True)
class Member:
    """A regular file of an archive, to be read before the next one is asked for.

    Attributes
    ----------
    name : str
        As the archive has it: whatever somebody wrote there.
    size : int
        Bytes.
    """

    name: str
    size: int
    _tar: tarfile.TarFile
    _info: tarfile.TarInfo
    _refused: Refusal

    def read(self) -> bytes:
        """All of it.

        Returns
        -------
        bytes
            Its content.

        Raises
        ------
        BadInput
            The archive is damaged there, or holds more than is taken.
        """
        try:
            content = self._tar.extractfile(self._info).read()
        except (*_DAMAGED, _TooMuch, OSError) as error:
            raise self._refused(error) from None
        if len(content) != self.size:
            raise self._refused(EOFError("it is cut short"))
        return content


@dataclass(frozen=True)
class Refusal:
    """What is said of an archive that cannot be used.

    Attributes
    ----------
    path : str
        Its name.
    kind : str
        What it should be.
    most : int
        Bytes that it may unpack to.
    """

    path: str
    kind: str
    most: int

    def __call__(self, error: Exception) -> BadInput:
        """The sentence about an exception."""
        if isinstance(error, _TooMuch):
            return BadInput(f"{self.path} unpacks to more than {self.most:,} bytes; name {self.kind}")
        why = plain.line(error, _REFUSED) or type(error).__name__
        return BadInput(f"{self.path} is damaged or no archive ({why}); name {self.kind}")


def members(path: files.Name, limit: int, ratio: int, kind: str) -> Iterator[Member]:
    """The regular files of a tar, plain or compressed by gzip, bzip2 or xz, in their order.

    Links, devices, folders and sparse files are passed over: nothing is written, and nothing is followed.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Of the archive.
    limit : int
        Bytes that it may have.
    ratio : int
        How many times its own size it may unpack to, beside 64 MiB.
    kind : str
        What it should be, for the sentences: "a tar of images".

    Yields
    ------
    Member
        One after the other.

    Raises
    ------
    BadInput
        It cannot be read, is damaged, or unpacks to too much.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(files.opened(path, limit, kind))
        most = 2**26 + ratio * stream.seek(0, 2)
        stream.seek(0)
        refused = Refusal(str(files.named(path)), kind, most)
        begin = stream.read(6)
        stream.seek(0)
        try:
            unpack = next((each for magic, each in _COMPRESSED.items() if begin.startswith(magic)), None)
            inner = stack.enter_context(unpack(stream)) if unpack else stream
            tar = stack.enter_context(tarfile.open(fileobj=_Bounded(inner, most), mode="r|", tarinfo=_Header))
        except (*_DAMAGED, _TooMuch, OSError) as error:
            raise refused(error) from None
        for number in range(MAX_MEMBERS + 1):
            try:
                info = tar.next()
            except (*_DAMAGED, _TooMuch, OSError) as error:
                raise refused(error) from None
            if info is None:
                return
            # it would keep all of them
            tar.members.clear()
            if number == MAX_MEMBERS:
                raise BadInput(f"{refused.path} has more than {MAX_MEMBERS:,} members; name {kind}")
            if info.type in tarfile.REGULAR_TYPES and info.type != tarfile.GNUTYPE_SPARSE and not info.issparse():
                yield Member(info.name, info.size, tar, info, refused)
