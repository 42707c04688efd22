# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of complex baseband: SigMF, a pair of files or an archive, read with distrust.

Format: SigMF, https://sigmf.org, as the ``sigmf`` package validates it. What is written is cf32_le; what is read may be
of any complex type.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import posixpath
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import __version__, archives, files
from .errors import BadInput, Missing

DATATYPE = "cf32_le"
MAX_METADATA = 2**26
"""Bytes of metadata that are read."""
MAX_BURSTS = 100_000
"""Bursts that are annotated; what follows is recorded all the same."""

NAMESPACE = "semcom"
_META, _DATA, _ARCHIVE = ".sigmf-meta", ".sigmf-data", ".sigmf"
_COMPRESSED = (".sigmf.gz", ".sigmf.xz", ".sigmf.zip")
_KIND = "a recording"
_DATATYPE = re.compile(r"c(?P<part>(?:f32|f64|i32|u32|i16|u16)(?=_)|i8|u8)(?:_(?P<order>le|be))?")
_PIECE = 2**15  # samples that are decoded at once


@dataclass(frozen=True)
class Burst:
    """Where a burst lies in the samples, and its header.

    Attributes
    ----------
    start : int
        Its first sample.
    samples : int
        Its length.
    header : mapping of str to int
        The fields of the burst header.
    """

    start: int
    samples: int
    header: Mapping[str, int]


@dataclass(frozen=True)
class Recording:
    """What a recording says of itself, checked against its data file.

    Attributes
    ----------
    data : Path
        The data file, or the archive.
    place : archives.Piece
        Where the samples lie in it, as far as they are there.
    stored : numpy.dtype
        Of I and of Q.
    samples : int
        Samples that there are.
    promised : int
        Samples that metadata and archive speak of; more than ``samples`` when the end is missing.
    sample_rate : float
        Samples a second.
    frequency : float or None
        Of the carrier, Hz; None where it is not said.
    sha512 : str
        What the metadata say that the samples' hash is, hexadecimal digits; empty where they do not.
    remarks : tuple of str
        What a user should know of the recording, a sentence each.
    """

    data: Path
    place: archives.Piece
    stored: np.dtype
    samples: int
    promised: int
    sample_rate: float
    frequency: float | None
    sha512: str
    remarks: tuple[str, ...]


class Samples:
    """The samples of a recording from the first to the last, decoded as they are read, and their hash on the way.

    The hash of gigabytes would hold the start for minutes; that of what has been read costs less than receiving it.

    Parameters
    ----------
    found : Recording
        As :func:`read` gives it.

    Attributes
    ----------
    left : int
        Samples that are still to be read; 0 as well where the file has become shorter.
    verdict : str
        After the last sample, a sentence where the hash is not what the metadata say; else empty.
    """

    def __init__(self, found: Recording):
        self._found = found
        self._plain = found.stored == np.dtype(np.float32)
        self._bytes = 2 * found.stored.itemsize
        self._files = ExitStack()
        self._stream: IO[bytes] | None = None
        self.rewind()

    def rewind(self) -> None:
        """Begin anew."""
        self.close()
        self.left, self.verdict = self._found.samples, ""
        self._taken = 0  # bytes
        # nothing is known of the hash where the end is missing
        whole = self._found.promised <= self._found.samples
        self._hash = hashlib.sha512() if self._found.sha512 and whole else None

    def close(self) -> None:
        """Close the file; the next sample that is read opens it again."""
        self._files.close()
        self._stream, self._buffer = None, memoryview(b"")

    def read(self, out: np.ndarray) -> int:
        """The next samples.

        Parameters
        ----------
        out : complex64 [N]
            Receives them, integers as -1 to 1.

        Returns
        -------
        int
            How many there were room for; 0 at the end.

        Raises
        ------
        BadInput, OSError
            The file cannot be read any more.
        """
        if self._stream is None:
            self._stream = self._files.enter_context(files.opened(self._found.data, files.MAX_SAMPLES, _KIND))
            self._stream.seek(self._found.place.start + self._taken)
            self._buffer = memoryview(bytearray(0 if self._plain else _PIECE * self._bytes))
        wanted = min(len(out), self.left, len(out) if self._plain else _PIECE)
        target = (memoryview(out).cast("B") if self._plain else self._buffer)[: wanted * self._bytes]
        stored = target[: self._stream.readinto(target)]
        self._taken += len(stored)
        number = len(stored) // self._bytes
        if not self._plain:
            out[:number] = decoded(stored[: number * self._bytes], self._found.stored)
        # a file that has become shorter ends here
        self.left = self.left - number if number else 0
        if self._hash is not None:
            self._hash.update(stored)
            if self.left == 0:
                self._judge(self._hash, self._found.place.size - self._taken)
        return number

    def _judge(self, hashed: Any, rest: int) -> None:
        """Compare the hash, when the bytes that make no whole sample have joined it."""
        hashed.update(self._stream.read(rest))
        self._hash = None
        if hashed.hexdigest() != self._found.sha512.lower():
            self.verdict = (
                f"{self._found.data} was changed or damaged since its metadata were written (core:sha512 differs); "
                "it was read nevertheless"
            )


def decoded(stored: bytes | memoryview, part: np.dtype) -> np.ndarray:
    """Samples from the bytes of a data file.

    Parameters
    ----------
    stored : bytes-like
        Of N samples.
    part : numpy.dtype
        Of I and of Q.

    Returns
    -------
    complex64 [N]
        Integers are divided by half of their range, unsigned ones after that half was taken off.
    """
    parts = np.frombuffer(stored, part)
    with np.errstate(over="ignore", invalid="ignore"):
        if part.kind == "f":
            return parts.astype(np.float32).view(np.complex64)
        # a float of 32 bits would round an integer of as many
        wide = np.dtype(np.float32 if part.itemsize < 4 else np.float64)
        half = wide.type(2 ** (8 * part.itemsize - 1))
        values = parts.astype(wide)
        if part.kind == "u":
            values -= half
        return (values / half).astype(np.float32).view(np.complex64)


def paths(name: str | os.PathLike[str]) -> tuple[Path, Path]:
    """(metadata file, data file) of a recording, named with or without one of the suffixes."""
    path = files.named(name)
    if path.suffix in (_META, _DATA, _ARCHIVE):
        path = path.with_suffix("")
    if not path.name:
        raise BadInput("a recording needs a name, such as sigmf:recording")
    return path.with_name(path.name + _META), path.with_name(path.name + _DATA)


def metadata(
    sample_rate: float,
    bursts: Iterable[Burst] = (),
    frequency: float | None = None,
    sha512: str | None = None,
    starts: Iterable[int] = (),
) -> dict[str, Any]:
    """The SigMF metadata of a recording, one annotation for each burst.

    Parameters
    ----------
    sample_rate : float
        Samples a second.
    bursts : iterable of Burst
        In order.
    frequency : float, optional
        Of the carrier, Hz.
    sha512 : str, optional
        Of the data file, hexadecimal digits.
    starts : iterable of int
        First sample of each capture, in order; by default of one, 0.

    Returns
    -------
    dict
        What JSON can hold.
    """
    whole = {
        "core:datatype": DATATYPE,
        "core:sample_rate": sample_rate,
        "core:version": "1.2.0",
        "core:num_channels": 1,
        "core:author": "gr-semcom",
        "core:recorder": f"gr-semcom {__version__}",
        "core:description": "Images as OFDM bursts, as a transmitter sends them",
        "core:extensions": [{"name": NAMESPACE, "version": __version__, "optional": True}],
    }
    if sha512:
        whole["core:sha512"] = sha512
    carrier = {} if frequency is None else {"core:frequency": frequency}
    captures = [{"core:sample_start": start} | carrier for start in tuple(starts) or (0,)]
    return {"global": whole, "captures": captures, "annotations": [_annotation(burst) for burst in bursts]}


def _annotation(burst: Burst) -> dict[str, Any]:
    header = burst.header
    return {
        "core:sample_start": burst.start,
        "core:sample_count": burst.samples,
        "core:label": f"{header['image_id']} {header['fragment'] + 1}/{header['fragments']}",
        "core:generator": "gr-semcom",
    } | {f"{NAMESPACE}:{key}": value for key, value in header.items()}


def check_package() -> None:
    """Missing when there is nothing here to validate recordings with."""
    _validator()


def _validator() -> Any:
    try:
        from sigmf import validate
    except ModuleNotFoundError as error:
        raise Missing(f"recordings need {error.name}; run ./bootstrap build, or pip install '.[radio]'") from None
    return validate


def write_metadata(path: Path, content: Mapping[str, Any]) -> None:
    """Write metadata so that the file is there whole or not at all."""
    files.replace(path, lambda stream: stream.write((json.dumps(content, indent=1) + "\n").encode()))


def read(name: str | os.PathLike[str], sample_rate: float | None = None) -> Recording:
    """What the recording ``name`` holds; its samples stay where they are.

    Parameters
    ----------
    name : str or os.PathLike[str]
        Of one of its two files, of both without a suffix, or of an archive, which need not be unpacked.
    sample_rate : float, optional
        Samples a second of a recording that does not tell.

    Returns
    -------
    Recording
        Checked against its data file.

    Raises
    ------
    BadInput
        There is no such recording, or its metadata are damaged, of samples that are not complex, or cannot be true; it
        tells no sample rate, and ``sample_rate`` is not given.
    Missing
        The ``sigmf`` package is not here.
    """
    found = _located(name)
    meta, whole, captures = found.meta, found.said["global"], found.said["captures"] or [{"core:sample_start": 0}]
    stored = _stored(whole["core:datatype"], meta)
    if whole.get("core:num_channels", 1) != 1:
        raise BadInput(f"{meta} has more than one channel; choose one and record it as {DATATYPE}")
    own = whole.get("core:dataset", found.name) == found.name
    if whole.get("core:metadata_only") or not own or whole.get("core:trailing_bytes"):
        raise BadInput(f"{meta} has no plain data file of its own; record it as {DATATYPE} beside its metadata")
    if any(capture.get("core:header_bytes") for capture in captures):
        raise BadInput(f"{meta} has headers between its samples; record it as plain {DATATYPE}")
    rate = _number(whole.get("core:sample_rate"), 1e-3, 1e12) or sample_rate
    if rate is None:
        sentence = f"must be given: {meta} names no sample rate that could be true (core:sample_rate)"
        raise BadInput(sentence, field="samp_rate")
    size = 2 * stored.itemsize
    samples = found.there // size
    if samples == 0:
        raise BadInput(f"{found.data} holds no samples; the metadata alone cannot be replayed")
    ends = [capture["core:sample_start"] for capture in captures]
    ends += [mark["core:sample_start"] + mark.get("core:sample_count", 0) for mark in found.said.get("annotations", [])]
    first = whole.get("core:offset", 0)  # the number of the first sample
    promised = int(max(samples, found.place.size // size, *(end - first for end in ends)))
    remarks = []
    if promised > samples:
        remarks.append(f"{found.data} holds {samples} samples where {promised} are spoken of: the end is missing")
    needed = {each["name"] for each in whole.get("core:extensions", []) if not each["optional"]} - {NAMESPACE}
    if needed:
        remarks.append(
            f"{meta} says that it cannot be read without {_short(', '.join(sorted(needed)))}, which is not known here; "
            "its samples are read as they are"
        )
    frequency = _number(captures[0].get("core:frequency"), -1e12, 1e12)
    place, sha512 = archives.Piece(found.place.start, found.there), whole.get("core:sha512", "")
    return Recording(found.data, place, stored, samples, promised, rate, frequency, sha512, tuple(remarks))


@dataclass(frozen=True)
class _Found:
    """What the metadata are called and say, where the samples lie, and how many of their bytes are there."""

    meta: str
    said: dict[str, Any]
    data: Path
    name: str
    place: archives.Piece
    there: int


def _stored(datatype: str, meta: str) -> np.dtype:
    """How I and Q of a type of SigMF are stored."""
    if found := _DATATYPE.fullmatch(datatype):
        part, order = found["part"], found["order"]
        return np.dtype({"be": ">"}.get(order, "<") + part[0] + str(int(part[1:]) // 8))
    remedy = f"convert it to {DATATYPE}"
    if datatype.startswith("r"):
        remedy = f"record I and Q, such as {DATATYPE}"
    elif _DATATYPE.fullmatch(f"{datatype}_le"):
        remedy = f"write {datatype}_le or {datatype}_be, the order of its bytes"
    raise BadInput(f"{meta} is of {_short(datatype)} samples; {remedy}")


def _located(name: str | os.PathLike[str]) -> _Found:
    """The two files of a recording, or those in its archive."""
    given, (meta, data) = files.named(name), paths(name)
    if given.name.lower().endswith(_COMPRESSED):
        raise BadInput(f"{given} is a compressed archive; unpack it and name the recording in it")
    archive = data.with_suffix(_ARCHIVE)
    if os.path.exists(archive) and (given.suffix == _ARCHIVE or not os.path.exists(meta)):
        return _unpacked(archive)
    said = _validated(files.read_json(meta, _KIND, MAX_METADATA), str(meta))
    with files.opened(data, files.MAX_SAMPLES, f"{_KIND} with both of its files") as stream:
        size = os.fstat(stream.fileno()).st_size
    return _Found(str(meta), said, data, data.name, archives.Piece(0, size), size)


def _unpacked(archive: Path) -> _Found:
    """Of the one recording in an archive."""
    found = {posixpath.normpath(name): place for name, place in archives.packed(archive, (_META, _DATA), _KIND).items()}
    metas = [name for name in found if name.endswith(_META)]
    if not metas:
        raise BadInput(f"{archive} holds no {_META}, or ends before it; pack both files of a recording")
    if len(metas) > 1:
        raise BadInput(f"{archive} holds {len(metas)} recordings; unpack it and name one of them")
    name = metas[0].removesuffix(_META) + _DATA
    if name not in found:
        raise BadInput(f"{archive} holds no {_DATA} beside {_short(metas[0])}; pack both files of a recording")
    meta, place = f"{_short(metas[0])} in {archive}", found[name]
    said = _validated(archives.read_packed_json(archive, found[metas[0]], _KIND, MAX_METADATA), meta)
    with files.opened(archive, files.MAX_SAMPLES, _KIND) as stream:
        there = os.fstat(stream.fileno()).st_size - place.start
    return _Found(meta, said, archive, posixpath.basename(name), place, min(max(there, 0), place.size))


def _validated(said: Any, meta: str) -> dict[str, Any]:
    """Metadata, valid by the schema of SigMF."""
    validator = _validator()
    with warnings.catch_warnings():  # extensions that nobody declared do not concern us
        warnings.simplefilter("ignore")
        try:
            validator.validate(said)
        except Exception as error:  # a library meets what it was not written for: whatever it raises, it is not valid
            raise BadInput(f"{meta} is no valid SigMF: {_short(getattr(error, 'message', error))}") from None
    return said


def _number(value: object, low: float, high: float) -> float | None:
    """``value`` where it is a finite number between the two."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high and math.isfinite(value) else None


def _short(what: object) -> str:
    """The first line of it, in not too many characters."""
    line = (str(what).splitlines() or [""])[0]
    return line if len(line) <= 120 else line[:117] + "..."
