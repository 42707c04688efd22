# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of others: read from front to back, within limits, and never unpacked to where they say.

A tar may claim any size, any name and any number of members, and a few bytes of a compressed one make gigabytes. Here
only regular files are handed out, one after the other, as bytes; whoever takes them gives them a name.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import files, plain
from .errors import BadInput

MAX_HEADER = 2**16
"""Bytes of a long name, or of what else stands in front of a member."""

MAX_MEMBERS = 2**18
MAX_HEADERS = 2**19
"""Bytes of headers that are read where nothing but the places of members is wanted."""

_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGED = (tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError, ValueError, OverflowError)
_DESCRIBES = {
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
}  # what stands in front of a member
_ENDS = 16  # times that a reader may find the end, before it is taken for one that looks for more
_LONGEST_NAME = 60  # characters of a name from outside that a sentence repeats
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


@dataclass(frozen=True)
class Piece:
    """Where a file lies within a tar.

    Attributes
    ----------
    start : int
        Its first byte.
    size : int
        Bytes that it has by its header; the tar may end before.
    """

    start: int
    size: int


def packed(path: files.Name, suffixes: tuple[str, ...], kind: str) -> dict[str, Piece]:
    """Where files of some suffixes lie within a tar, of which nothing is unpacked.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the tar, not compressed.
    suffixes : tuple of str
        Of the members that are wanted.
    kind : str
        What the tar should hold, for the sentences: "a recording".

    Returns
    -------
    dict of str to Piece
        Name of each member, which may have folders in it, to its place. Of a tar that is cut off, what went before.

    Raises
    ------
    BadInput
        As :func:`.files.opened`, or it is no tar, has more than ``MAX_HEADERS`` bytes of headers, or one of the members
        is there twice or is no plain file.
    """
    found: dict[str, Piece] = {}
    with files.opened(path, files.MAX_SAMPLES, kind) as stream:
        for member in _placed(stream, files.named(path), kind):
            # what macOS keeps beside each file is called ._NAME
            if not member.name.endswith(suffixes) or os.path.basename(member.name).startswith("._"):
                continue
            shown = f"{plain.line(member.name, _LONGEST_NAME)} in {files.named(path)}"
            if not member.isreg() or member.issparse() or member.size < 0:
                raise BadInput(f"{shown} is a link or no plain file; pack the files of {kind} themselves")
            if member.name in found:
                raise BadInput(f"{shown} is there twice; pack {kind} once")
            found[member.name] = Piece(member.offset_data, member.size)
    return found


def _placed(stream: IO[bytes], where: Path, kind: str) -> Iterator[tarfile.TarInfo]:
    """The members of a tar up to its end, or to where it is damaged."""
    tar = None
    try:
        with tarfile.open(mode="r:", fileobj=_Headers(stream, where, kind)) as tar:
            while (member := tar.next()) is not None:
                # they would be kept
                tar.members.clear()
                yield member
    except BadInput:
        raise
    except Exception:  # a library meets what it was not written for
        if tar is None:
            raise BadInput(f"{where} is no tar; unpack what is compressed, and name {kind}") from None


class _Headers:
    """A tar as its reader sees it: sizes that cannot be true, and circles, end where there are too many headers."""

    def __init__(self, stream: IO[bytes], where: Path, kind: str):
        self._stream, self._left = stream, MAX_HEADERS
        limits = f"{MAX_HEADERS:,}, and {MAX_HEADER:,} of one"
        self._sentence = f"{where} has headers of more bytes than are read ({limits}); pack {kind} alone"
        self.tell, self.seek = stream.tell, stream.seek

    def read(self, size: int) -> bytes:
        """The next bytes, which count whether they are there or not."""
        self._left -= max(size, 1)
        if not 0 <= size <= MAX_HEADER or self._left < 0:
            raise BadInput(self._sentence)
        return self._stream.read(size)


def read_packed_json(path: files.Name, piece: Piece, kind: str, limit: int = files.MAX_JSON) -> Any:
    """What a JSON file within a tar holds.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the tar.
    piece : Piece
        Where the file lies in it.
    kind : str
        What the tar should hold, for the sentences.
    limit : int
        Bytes that the file may have.

    Returns
    -------
    object
        Of any of JSON's types.

    Raises
    ------
    BadInput
        As :func:`.files.read_json`.
    """
    if piece.size > limit:
        raise BadInput(f"{files.named(path)} holds {piece.size:,} bytes where at most {limit:,} are taken; name {kind}")
    with files.opened(path, files.MAX_SAMPLES, kind) as stream:
        # as many as are asked for are reserved
        content = stream.read(min(piece.size, max(os.fstat(stream.fileno()).st_size - stream.seek(piece.start), 0)))
    return files.json_of(content, str(files.named(path)), kind)
