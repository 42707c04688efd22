# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a user: the one way to read them, and the one way to write what was received.

What is read is a regular file of a size that can be true: a pipe would be waited for without end, and a device may have
no end. What is written appears complete, under a name that nobody else has, or not at all.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import secrets
import stat
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from . import plain
from .errors import BadInput

MAX_JSON = 2**24
"""Bytes of a JSON file."""

VALUE_BYTES = 16
"""A JSON file may hold a value for so many of the bytes that it may have: each takes many times what is written."""

MAX_VALUES = MAX_JSON // VALUE_BYTES
"""Values of a JSON text."""

MAX_DEPTH = 64
"""Levels of a JSON text; whoever walks through it does not run out of stack."""

MAX_DIGITS = 308
"""Of a whole number in JSON: any such is a finite real number, too."""

MAX_WEIGHTS = 2**36
"""Bytes of a file of weights, samples or checkpoints, which are read in pieces."""

MAX_SAMPLES = 2**60
"""Bytes of a file of samples, which are read in pieces."""

_LONGEST = 120  # characters that a sentence repeats of what is wrong
_SUFFIX_ROOM = len("_0000000")
_NUMBERS_KEPT = 1024
_LEAST, _PIECE = 2**12, 2**20  # bytes read at once: as many as are asked for are reserved

Name = str | os.PathLike[str]


def named(path: Name) -> Path:
    """A path as a user writes it; ``~`` is the home folder.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Of a file or folder.

    Returns
    -------
    Path
        The path. A ``~`` that stands for no user stays as it is.
    """
    return Path(os.path.expanduser(path))


def resolved(path: Name) -> Path:
    """A path without links; as it is, but absolute, where its links lead nowhere."""
    where = named(path)
    try:
        return where.resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a null byte
        return where.absolute()


@contextmanager
def opened(path: Name, limit: int, kind: str = "a file") -> Iterator[IO[bytes]]:
    """A regular file, open for reading.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder.
    limit : int
        Bytes that it may have.
    kind : str
        What the file should be, for the sentences: "a picture file".

    Yields
    ------
    binary stream
        At the beginning of the file.

    Raises
    ------
    BadInput
        There is no such file, it is a folder, a pipe or a device, is too large, or may not be read.
    """
    where = named(path)
    try:
        # looked at before it is opened: to open a device may set it off
        _check(where, where.stat(), limit, kind)
        # a pipe that has taken the file's place is not waited for
        with os.fdopen(os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            _check(where, os.fstat(stream.fileno()), limit, kind)
            yield stream
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{where} does not exist; name {kind}") from None
    except PermissionError:
        raise BadInput(f"{where} may not be read; change its permissions") from None
    except OSError as error:
        # of the caller's own reading as well
        raise BadInput(f"{where} cannot be read ({error.strerror or error}); name {kind}") from None
    except ValueError as error:
        # a null byte, or half a character: nothing that a file can be called
        if isinstance(error, BadInput) or not ("null" in str(error) or isinstance(error, UnicodeEncodeError)):
            raise
        raise BadInput(f"{str(path)!r} is no name of a file; name {kind}") from None


def _check(where: Path, found: os.stat_result, limit: int, kind: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise BadInput(f"{where} is a folder; name {kind} in it")
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(f"{where} is a pipe or a device; name {kind}")
    if found.st_size > limit:
        raise BadInput(f"{where} has {found.st_size:,} bytes where at most {limit:,} are taken; name {kind}")


def read(path: Name, limit: int, kind: str = "a file") -> bytes:
    """All of a regular file.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder.
    limit : int
        Bytes that it may have.
    kind : str
        What the file should be, for the sentences.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    BadInput
        As :func:`opened`.
    """
    pieces, done = [], 0
    with opened(path, limit, kind) as stream:
        size = os.fstat(stream.fileno()).st_size
        while done <= limit and (piece := stream.read(min(_PIECE, max(size + 1 - done, _LEAST)))):
            pieces.append(piece)
            done += len(piece)
    # some files say that they are empty and are not, and others grow
    if done > limit:
        raise BadInput(f"{named(path)} has more than {limit:,} bytes; name {kind}")
    return b"".join(pieces)


def read_json(path: Name, kind: str = "a JSON file", limit: int = MAX_JSON) -> Any:
    """What a JSON file holds.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder.
    kind : str
        What the file should be, for the sentences.
    limit : int
        Bytes that it may have.

    Returns
    -------
    object
        Of any of JSON's types.

    Raises
    ------
    BadInput
        As :func:`opened` and :func:`json_of`.
    """
    return json_of(read(path, limit, kind), str(named(path)), kind, most=limit // VALUE_BYTES)


def json_of(
    content: bytes, name: str, kind: str = "a JSON file", infinite: bool = False, most: int = MAX_VALUES
) -> Any:
    """What a JSON text says, as strictly as RFC 8259 has it: each key once, and no number that is none.

    Parameters
    ----------
    content : bytes
        UTF-8.
    name : str
        Of what the text is from, for the sentences.
    kind : str
        What it should be.
    infinite : bool, default False
        Whether infinity and NaN are taken, which Python writes and JSON does not have.
    most : int
        Values that it may hold.

    Returns
    -------
    object
        Of any of JSON's types, at most ``MAX_DEPTH`` levels deep.

    Raises
    ------
    BadInput
        It is no JSON, or holds more values.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > most:
        raise BadInput(f"{name} has more than {most:,} values; name {kind}")
    try:
        found = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_each_once,
            parse_int=_whole,
            parse_float=_real,
            parse_constant=float if infinite else _real,
        )
        deep = _depth(found) > MAX_DEPTH
    except RecursionError:
        deep = True
    except ValueError as error:  # damaged UTF-8 is one as well
        raise BadInput(f"{name} is no JSON ({plain.line(error, _LONGEST)}); name {kind}") from None
    if deep:
        raise BadInput(f"{name} is nested too deeply; name {kind}")
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {plain.line(twice, _LONGEST)} is there twice")
    return made


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits where at most {MAX_DIGITS} are taken")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{plain.line(digits, _LONGEST // 4)} is no finite number")
    return value


def _depth(value: Any) -> int:
    """Levels of lists and objects."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
    return depth


def sha256(path: Name, kind: str = "a file of weights", limit: int = MAX_WEIGHTS) -> str:
    """The hash of a regular file.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder.
    kind : str
        What the file should be, for the sentences.
    limit : int
        Bytes that it may have.

    Returns
    -------
    str
        Hexadecimal digits.

    Raises
    ------
    BadInput
        As :func:`opened`.
    """
    with opened(path, limit, kind) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def finite(value: Any) -> Any:
    """A value for JSON, which has neither infinity nor NaN: both become None, wherever in it they stand.

    Parameters
    ----------
    value : object
        Of JSON's types.

    Returns
    -------
    object
        The same without numbers that are not finite.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON that every reader takes: ASCII, without infinity or NaN.

    Parameters
    ----------
    value : object
        Of JSON's types.
    indent : int, optional
        Spaces for each level; None for one line.

    Returns
    -------
    str
        Without an end of line.
    """
    return json.dumps(finite(value), indent=indent, allow_nan=False)


def replace(path: Name, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file that appears complete or not at all, in place of one that is there.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder. A link is replaced, not followed.
    write : callable
        Writes the content into a binary stream.

    Raises
    ------
    BadInput
        It cannot be written.
    """
    where = named(path)
    try:
        part = _part(where.parent)
        try:
            _write(part, write)
            part.replace(where)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"{where} cannot be written ({error.strerror or error}); name a file in a folder that you may write to"
        ) from error


def create_secret(path: Name, content: bytes) -> None:
    """Write a file that is not there yet, and that only its owner may read.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder.
    content : bytes
        All of it.

    Raises
    ------
    BadInput
        It is there, or cannot be written.
    """
    where = named(path)
    try:
        with os.fdopen(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(content)
    except FileExistsError:
        raise BadInput(f"{where} exists; name another file, or delete this one first") from None
    except OSError as error:
        raise BadInput(
            f"{where} cannot be written ({error.strerror or error}); name a file in a folder that you may write to"
        ) from error


def growing(path: Name, mode: str, links: bool = True) -> IO[bytes]:
    """A file that is written for as long as something runs.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Name of the file; ``~`` is the home folder.
    mode : str
        As of ``open``, of bytes: "wb", "ab" or "a+b".
    links : bool, default True
        Whether a link is followed; not where the name is made up, so that nobody meant what a link leads to.

    Returns
    -------
    binary stream
        For the caller to close.

    Raises
    ------
    BadInput
        It is a folder, a pipe or a device, or cannot be written.
    """
    where = named(path)

    def opener(name: str, flags: int) -> int:
        # a pipe that nobody reads is not waited for
        descriptor = os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW), 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ENXIO, "")
        return descriptor

    try:
        return open(where, mode, opener=opener)
    except OSError as error:
        known = {errno.ENXIO: "it is a pipe or a device"} | ({} if links else {errno.ELOOP: "it is a link"})
        reason = known.get(error.errno, error.strerror)
        raise BadInput(
            f"{where} cannot be written ({reason}); name a file in a folder that you may write to"
        ) from error


_Identity = tuple[int, int, int] | None


def _identity(place: Path) -> _Identity:
    """What tells a file from another of its name; None where there is none."""
    try:
        found = place.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _part(folder: Path) -> Path:
    """A name that no other process uses; short, so that it fits wherever the file's own does."""
    return folder / f".{secrets.token_hex(8)}.part"


def _write(part: Path, write: Callable[[IO[bytes]], Any]) -> None:
    with part.open("xb") as stream:
        write(stream)


class _Writing:
    """That this process writes into a folder; other processes see it by a lock on the folder.

    Parameters
    ----------
    folder : Path
        It is there.
    """

    def __init__(self, folder: Path):
        self.users = 0
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.begun = 0
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # somebody else writes here as well: whatever is there may be of his run
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            return
        except OSError:  # a file system without locks
            pass
        # by the clock that the files will have: it may be another machine's
        probe = _part(folder)
        _write(probe, lambda stream: None)
        self.begun = probe.stat().st_mtime_ns
        probe.unlink()
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Nobody of this process writes there any more."""
        os.close(self._descriptor)


_writing: dict[tuple[int, int], _Writing] = {}
_guard = threading.Lock()


def _enter(folder: Path) -> tuple[tuple[int, int], int]:
    """What a folder is known by, and the time since when this process has been writing there."""
    found = folder.stat()
    key = found.st_dev, found.st_ino
    with _guard:
        if key not in _writing:
            _writing[key] = _Writing(folder)
        _writing[key].users += 1
        return key, _writing[key].begun


def _leave(key: tuple[int, int]) -> None:
    with _guard:
        _writing[key].users -= 1
        if not _writing[key].users:
            _writing.pop(key).close()


class Received:
    """A folder of received files, which several processes may write at the same time.

    The files of one picture share a stem, and appear together: each complete, none in place of one that was written
    by this run or by anybody who was writing there when it began. A stem that is taken gets ``_2``, ``_3``, ... Names
    are taken literally: a link in the folder is not followed.

    Parameters
    ----------
    folder : Path
        Where they go; it is there.
    keep : bool
        Whether older files are kept as well. Otherwise those of earlier runs are replaced.
    newest : int
        Of how many pictures, the last ones that this object wrote, the files stay; 0 for all. Files that somebody else
        wrote, now or before, are never removed.

    Raises
    ------
    BadInput
        The folder cannot be written.
    """

    def __init__(self, folder: Path, keep: bool = False, newest: int = 0):
        self.folder, self._keep, self._newest = folder, keep, newest
        self._written: deque[list[tuple[Path, _Identity]]] = deque()  # where a number of pictures is kept
        self._numbers: dict[str, int] = {}
        self._leaving: Callable[[], Any] | None = None
        self._begun: int | None = None
        try:
            probe = _part(folder)
            _write(probe, lambda stream: None)
            probe.unlink()
            self._longest = os.pathconf(folder, "PC_NAME_MAX")
            self._open()
        except OSError as error:
            raise BadInput(
                f"the folder {folder} cannot be written ({error.strerror}); name one that you may write to"
            ) from None

    def _open(self) -> None:
        if self._leaving is not None:
            return
        key, begun = _enter(self.folder)
        # what was written before a pause is of this run, too
        self._begun = begun if self._begun is None else min(self._begun, begun)
        self._leaving = weakref.finalize(self, _leave, key)

    def close(self) -> None:
        """The run is over: the next one may replace its files. What is added later begins to write again."""
        if self._leaving is not None:
            self._leaving()
            self._leaving = None

    def add(
        self,
        stem: str,
        files: Mapping[str, Callable[[IO[bytes]], Any]],
        end: str,
        record: Callable[[dict[str, Path]], Mapping[str, Any]],
    ) -> dict[str, Path]:
        """Write the files of one picture.

        Parameters
        ----------
        stem : str
            What they are called, without a suffix; cut where the file system takes no longer names.
        files : mapping of str to callable
            End of each name, such as ``_received.png``, to what writes the content into a binary stream.
        end : str
            End of the name of the JSON file that is written last.
        record : callable
            Ends of the names and their files to what the JSON file says.

        Returns
        -------
        dict of str to Path
            End of each name to the file that is there now.

        Raises
        ------
        BadInput
            They cannot be written; then none of them is there.
        """
        parts: dict[str, Path] = {}
        try:
            self._open()
            try:
                for name, write in files.items():
                    parts[name] = _part(self.folder)
                    _write(parts[name], write)
                parts[end] = _part(self.folder)
                places = self._place(stem, parts, end, record)
            finally:
                for part in parts.values():
                    part.unlink(missing_ok=True)
            self._remove_older(places)
            return places
        except OSError as error:
            raise BadInput(
                f"{self.folder / stem} cannot be written ({error.strerror or error}); make room or name another folder"
            ) from error

    def _place(self, stem: str, parts: dict[str, Path], end: str, record: Callable) -> dict[str, Path]:
        """Give the parts their names, under a stem that is free for all of them."""
        stem = self._cut(stem, parts)
        for name in self._numbered(stem):
            places = {each: self.folder / f"{name}{each}" for each in parts}
            if all(map(self._free, places.values())):
                parts[end].unlink(missing_ok=True)
                _write(parts[end], lambda stream, said=record(places): stream.write(_encoded(said)))
                if self._moved(parts, places):
                    return places
        raise AssertionError  # numbers do not end

    def _remove_older(self, places: dict[str, Path]) -> None:
        """Keep as many pictures as are kept, these files being the newest."""
        if not self._newest:
            return
        self._written.append([(place, _identity(place)) for place in places.values()])
        while len(self._written) > self._newest:
            for place, written in self._written.popleft():
                with suppress(OSError):
                    # of the name there may be another file by now
                    if written is not None and _identity(place) == written:
                        place.unlink()

    def _moved(self, parts: dict[str, Path], places: dict[str, Path]) -> bool:
        """Whether every part got its place; otherwise none has one."""
        done: list[Path] = []
        whole = False
        try:
            for end, part in parts.items():
                if not self._put(part, places[end]):
                    return False
                done.append(places[end])
            whole = True
        finally:
            if not whole:
                for place in done:
                    place.unlink(missing_ok=True)
        return True

    def _put(self, part: Path, place: Path) -> bool:
        """Give a complete file its name, unless somebody has taken it just now."""
        with suppress(FileNotFoundError):
            if not self._keep and place.lstat().st_mtime_ns < self._begun:
                part.replace(place)
                return True
        try:
            os.link(part, place)
        except FileExistsError:
            return False
        except OSError:  # a file system without links: the name is taken first, and its file replaced
            try:
                os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
            except FileExistsError:
                return False
            part.replace(place)
        return True

    def _free(self, place: Path) -> bool:
        """Whether there is nothing of that name, or a file of an earlier run."""
        try:
            found = place.lstat()
        except FileNotFoundError:
            return True
        return not (self._keep or stat.S_ISDIR(found.st_mode)) and found.st_mtime_ns < self._begun

    def _numbered(self, stem: str) -> Iterator[str]:
        """The stem, and then with numbers, from the one on that was not free last time."""
        first = self._numbers.pop(stem, 1)
        for number in count(first):
            self._numbers[stem] = number
            if len(self._numbers) > _NUMBERS_KEPT:
                del self._numbers[next(iter(self._numbers))]
            yield stem if number == 1 else f"{stem}_{number}"

    def _cut(self, stem: str, ends: Iterable[str]) -> str:
        """In bytes, at a whole character."""
        room = self._longest - _SUFFIX_ROOM - max(len(os.fsencode(end)) for end in ends)
        return stem.encode("utf-8", "replace")[: max(room, 1)].decode("utf-8", "ignore")


def _encoded(record: Mapping[str, Any]) -> bytes:
    return f"{json_text(record, 2)}\n".encode()
