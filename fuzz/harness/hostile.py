# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that nobody would write by accident: damaged ones, liars and bombs, for tests and for fuzzing alike."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import json
import lzma
import os
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

GIGABYTE = 2**30
VALUES = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**300, -1e308, 1e-320, "", "x", "x" * 100_000, "../../../x", "/etc/passwd",
    "a\0b", "\ud800", "\x1b[2J\n$x$", "..", [], [[]], {}, {"a": {}}, [0] * 1000, "1e400",
]  # fmt: skip
RAW = {
    "nothing": b"",
    "zeros": bytes(100_000),
    "noise": bytes(range(256)) * 100,
    "bad UTF-8": b'{"a": "\xff\xfe\x80"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "100,000 lists": b"[" * 100_000,
    "100,000 lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "900 lists": b"[" * 900 + b"]" * 900,
    "10,000 digits": b"[" + b"9" * 10_000 + b"]",
    "a real of 10,000 digits": b"[" + b"9" * 10_000 + b".5e10000]",
    "NaN": b'{"psnr_db": NaN}',
    "infinity": b'{"psnr_db": -Infinity}',
    "1e999": b'{"psnr_db": 1e999}',
    "a key twice": b'{"name": "a", "name": "b"}',
    "5 million lists": b"[" + b"[]," * 5_000_000 + b"[]]",
    "a text of 15 MB": b'["' + b"x" * 15_000_000 + b'"]',
    "half a pair": b'{"\\ud800": "\\udfff"}',
    "not JSON at all": b"#!/bin/sh\nrm -rf /\n",
}
"""By name: content for whatever reads JSON."""


def texts(good: Any, values: int = len(VALUES)) -> Iterator[tuple[str, bytes]]:
    """Names and contents: JSON texts that are none, and ``good`` with every value in it replaced by others.

    With fewer ``values`` than there are each place gets some of them, and all get their turn.
    """
    yield from RAW.items()
    for number, path in enumerate(paths(good)):
        for index in range(values):
            value = VALUES[(number * values + index) % len(VALUES)]
            yield f"{'.'.join(map(str, path))} = {value!r:.40}", as_json(replaced(good, path, value))
        yield f"{'.'.join(map(str, path))} is 10,000 digits", _with_digits(good, path)
        yield f"without {'.'.join(map(str, path))}", as_json(without(good, path))


def cut(content: bytes, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """Names and contents: cut short at every byte, or at every ``step``-th."""
    for length in range(0, len(content), step):
        yield f"cut at {length}", content[:length]


def as_json(value: Any) -> bytes:
    """ASCII, with whatever Python has for numbers."""
    return json.dumps(value).encode()


def paths(value: Any, at: tuple = ()) -> list[tuple]:
    """Where there is a value: keys and indices, of a list only those of its first entry."""
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value))[:1] if type(value) is list else []
    )
    return [path for key, each in items for path in [(*at, key), *paths(each, (*at, key))]]


def replaced(good: Any, path: tuple, value: Any) -> Any:
    """A copy with another value at that place."""
    made = copy.deepcopy(good)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def without(good: Any, path: tuple) -> Any:
    """A copy without that place."""
    made = copy.deepcopy(good)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return made


def _with_digits(good: Any, path: tuple) -> bytes:
    return as_json(replaced(good, path, "DIGITS")).replace(b'"DIGITS"', b"9" * 10_000)


def fifo(path: Path) -> None:
    """A pipe that nobody writes to."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    """A link to a device without an end."""
    path.symlink_to("/dev/zero")


def looping(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def folder(path: Path) -> None:
    """No file at all."""
    path.mkdir()


def sparse(path: Path) -> None:
    """A gigabyte of zeros that takes no room."""
    with path.open("wb") as file:
        file.truncate(GIGABYTE)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a pipe": fifo, "a device": endless, "a loop": looping, "a folder": folder, "a gigabyte": sparse,
}  # fmt: skip
"""By name: what stands where a file should be."""


def tars() -> Iterator[tuple[str, bytes]]:
    """Names and contents of tars, compressed or not, that are bombs, liars, or lead elsewhere."""
    zeros = _tar([("package/dist/encoder.onnx", bytes(2**20))])
    for name, pack in (("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)):
        yield f"{name}: 512 MB of zeros", _stream_bomb(name, 2**29)
        yield f"{name}: cut short", pack(zeros)[:200]
        yield f"{name}: spoilt", pack(zeros)[:100] + b"\xff" * 100 + pack(zeros)[200:]
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        yield f"a header {kind!r} of 300 MB", _bomb_of(_header("h", 300 * 2**20, kind), 300 * 2**20)
    for size in (-1, -512, 2**40, 2**62):
        yield f"a member of {size} bytes", gzip.compress(_header("package/dist/encoder.onnx", size, tarfile.REGTYPE))
    for name in ("../../escape", "/tmp/escape", "package/dist/../../../escape", "a\0b", "x" * 5000, "", "."):
        yield f"a member {name[:30]!r}", gzip.compress(_tar([(name, b"escaped")]))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in ("/etc/passwd", "package/dist/encoder.onnx", "../../escape"):
            yield f"a link {kind!r} to {target}", gzip.compress(_link("package/dist/encoder.onnx", target, kind))
    for kind in (tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, b"Z"):
        yield f"a member of type {kind!r}", gzip.compress(_header("package/dist/encoder.onnx", 0, kind) + bytes(1024))
    yield "200,000 members", gzip.compress(_header("x", 0, tarfile.REGTYPE) * 200_000)
    yield "a pax size of minus one", gzip.compress(_pax({"size": "-1024"}))
    yield "a pax size of many digits", gzip.compress(_pax({"size": "9" * 5000}))
    yield "a pax sparse member", gzip.compress(_pax({"GNU.sparse.major": "1", "GNU.sparse.realsize": "9" * 15}))
    yield from (("tar of zeros", bytes(10240)), ("no tar", b"no archive " * 1000), ("nothing", b""))


def _header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)[-512:]


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _link(name: str, target: str, kind: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)
    return out.getvalue()


def _pax(headers: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("package/dist/encoder.onnx")
        info.pax_headers = headers
        tar.addfile(info)
    return out.getvalue()


def _stream_bomb(kind: str, size: int) -> bytes:
    """A member of zeros, compressed piece by piece."""
    compressor = {"gzip": lambda: zlib.compressobj(1, wbits=31), "bzip2": lambda: bz2.BZ2Compressor(1),
                  "xz": lambda: lzma.LZMACompressor(preset=0)}[kind]()  # fmt: skip
    out = compressor.compress(_header("package/dist/encoder.onnx", size, tarfile.REGTYPE))
    piece = bytes(2**22)
    return out + b"".join(compressor.compress(piece) for _ in range(size // len(piece))) + compressor.flush()


def _bomb_of(header: bytes, size: int) -> bytes:
    compressor = zlib.compressobj(1, wbits=31)
    out, piece = compressor.compress(header), bytes(2**22)
    return out + b"".join(compressor.compress(piece) for _ in range(size // len(piece))) + compressor.flush()


def npzs(good: dict[str, np.ndarray]) -> Iterator[tuple[str, bytes]]:
    """Names and contents: files of arrays that hold too much, too little, or code."""
    first = next(iter(good))
    for name, shape, kind in (
        ("gigantic", (2**40,), "<f4"), ("many sides", (2**20,) * 3, "<f8"), ("a negative side", (-1,), "<f4"),
        ("objects", (1,), "|O"), ("text", (3,), "<U1000000"), ("no kind", (3,), "<q9"), ("too short", (1000,), "<f4"),
    ):  # fmt: skip
        head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
        yield f"npz: {name}", _npz({first: _npy(head) + bytes(64)})
    yield "npz: a header that is no dictionary", _npz({first: _npy(b"(" * 5000)})
    yield "npz: half a gigabyte of zeros", _npz({first: bytes(2**29)}, zipfile.ZIP_DEFLATED)
    whole = io.BytesIO()
    np.savez_compressed(whole, **good)
    content = whole.getvalue()
    yield from ((f"npz: {name}", each) for name, each in cut(content, max(1, len(content) // 20)))
    for name in ("../../escape.npy", "/tmp/escape.npy"):
        yield f"npz: {name}", _npz({name: b"x"})


def _npy(head: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


def _npz(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name if name.endswith(".npy") else f"{name}.npy", content)
    return out.getvalue()


def spoilt(rng: random.Random, content: bytes) -> bytes:
    """Bits turned over, pieces cut out, put in or repeated; sometimes nothing."""
    made = bytearray(content)
    for _ in range(rng.choice([0, 1, 1, 2, 8])):
        at = rng.randrange(len(made) + 1)
        kind = rng.randrange(6)
        if kind == 0 and made:
            made[at % len(made)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del made[at:]
        elif kind == 2:
            del made[at : at + rng.randrange(1, 100)]
        elif kind == 3:
            made[at:at] = rng.choice([b"\0", b"\xff" * 8, b"9" * 400, b"[" * 1000, b'"', b"NaN", rng.randbytes(20)])
        elif kind == 4:
            made[at:at] = made[rng.randrange(len(made) + 1) :][: rng.randrange(1, 500)]
        elif made:
            made[at % len(made)] = rng.choice(b'\0\x7f\x80\xff"[]{}:,0-e.')
    return bytes(made)


def lied(rng: random.Random, good: Any) -> Any:
    """A copy in which some values are others, or are gone."""
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        places = paths(good)
        if places:
            place = rng.choice(places)
            good = without(good, place) if rng.random() < 0.2 else replaced(good, place, rng.choice(VALUES))
    return good
