# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings of every type, in pairs and archives, with bits turned over, cut off, and lies in them.

A recording is either refused with one sentence, or replayed to its end without a sample more than its file has.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import recording
from gnuradio.semcom.errors import BadInput

from .common import allocating, require

VALUES = [
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, -1e308, 0.5, "", "x", "cf32_be", "cf32_le", "../../x",
    "\N{SNOWMAN}", [], [[]], {}, {"a": {}}, "1e400", "rf32_le", "cf32", "cu8", "0" * 128,
]  # fmt: skip
TYPES = {"cf32_le": "<f4", "cf32_be": ">f4", "cf64_le": "<f8", "ci16_be": ">i2", "ci8": "i1", "cu8": "u1"}
SIZES = [b"77777777777\0", b"00000000001\0", b"\x80" + bytes(3) + b"\xff" * 8, b"\xff" * 12]
KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, tarfile.FIFOTYPE, b"9"]


class Sigmf:
    """One recording of two bursts, spoilt in another way each time."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.meta, self.data = recording.paths(self.folder / "x")
        transmitter = semcom.burst_transmitter(semcom.ofdm_frame())
        burst = transmitter.modulate(semcom.burst_header(n_symbols=100), np.ones(100, np.complex64))
        samples = np.concatenate([burst, np.zeros(500, np.complex64), burst]).astype(np.complex64)
        self.stored = {name: stored(samples, kind) for name, kind in TYPES.items()}
        header = {"image_id": 1, "fragment": 0, "fragments": 1}
        marks = [recording.Burst(start, len(burst), header) for start in (0, len(burst) + 500)]
        self.text = json.dumps(recording.metadata(1e6, marks, 1e9))
        # what the first reading imports is not what a recording makes us allocate
        self.meta.write_text(self.text)
        self.data.write_bytes(self.stored["cf32_le"])
        recording.read(self.meta)
        self.spent = 0

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder)

    def _lie(self, said: dict) -> None:
        """Change one value anywhere."""
        rng, at = self.rng, said
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                return
            key = rng.choice(keys)
            if isinstance(at[key], dict | list) and rng.random() < 0.8:
                at = at[key]
                continue
            if rng.random() < 0.3:
                del at[key]
            else:
                at[key] = rng.choice(VALUES)
            return

    def _spoilt(self) -> tuple[bytes, bytes]:
        rng = self.rng
        said, name = json.loads(self.text), rng.choice(list(TYPES))
        said["global"]["core:datatype"] = name
        for _ in range(rng.choice([0, 0, 1, 1, 3])):
            self._lie(said)
        meta, data = bytearray(json.dumps(said).encode()), bytearray(self.stored[name])
        for content, chance in ((meta, 0.3), (data, 0.5)):
            self._turn(content, chance)
        if rng.random() < 0.01:
            meta = bytearray(b"[" * rng.choice([10, 100_000]))
        return bytes(meta), bytes(data)

    def _turn(self, content: bytearray, chance: float) -> None:
        """Turn bits over, and cut off."""
        rng = self.rng
        if rng.random() < chance:
            for _ in range(rng.choice([1, 1, 4, 64])):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]

    def _packed(self, members: list[tuple[str, bytes]]) -> bytes:
        """An archive, with more in it than belongs there, and spoilt headers."""
        rng, out = self.rng, io.BytesIO()
        rng.shuffle(members)
        if rng.random() < 0.2:
            members.append(rng.choice(members))
        kind = rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
        with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
            for name, content in members:
                info = tarfile.TarInfo(rng.choice(["", "./", "a/", "../", "/"]) + name)
                info.size = len(content)
                if rng.random() < 0.05:
                    info.type, info.linkname, info.size = (
                        rng.choice(KINDS),
                        "/etc/passwd",
                        rng.choice([0, min(512, info.size)]),
                    )
                if kind == tarfile.PAX_FORMAT and rng.random() < 0.2:
                    size = str(rng.choice([-1, 0, 7, 2**70, "x"]))
                    info.pax_headers = {rng.choice(["size", "path", "GNU.sparse.size", "GNU.sparse.major"]): size}
                tar.addfile(info, io.BytesIO(content))
        packed = bytearray(out.getvalue())
        if rng.random() < 0.3:  # a size, whose checksum is then put right
            at = 512 * rng.randrange(len(packed) // 512)
            packed[at + 124 : at + 136] = rng.choice(SIZES)
            total = 256 + sum(packed[at : at + 148]) + sum(packed[at + 156 : at + 512])
            packed[at + 148 : at + 156] = b"%06o\0 " % total
        self._turn(packed, 0.3)
        return bytes(packed)

    def _opened(self) -> gr.hier_block2 | None:
        """The recording's source, or nothing when it is refused."""
        try:
            return semcom.radio_source(f"sigmf:{self.folder / 'x'}", self.rng.choice([0.0, 1e6]))
        except BadInput as error:
            require("\n" not in str(error) and len(str(error)) < 600, f"no sentence: {error}")
            return None

    def step(self) -> bool:
        """One recording; whether it was replayed."""
        meta, data = self._spoilt()
        archive = self.meta.with_suffix(".sigmf")
        for file in (self.meta, self.data, archive):
            file.unlink(missing_ok=True)
        if self.rng.random() < 0.5:
            self.meta.write_bytes(meta)
            self.data.write_bytes(data)
        else:
            archive.write_bytes(self._packed([(self.meta.name, meta), (self.data.name, data)]))
        source, spent = allocating(self._opened)
        self.spent = max(self.spent, spent)
        require(spent < 2**25, f"{spent} bytes were allocated for {len(meta)} bytes of metadata")
        if source is None:
            return False
        found = recording.read(self.meta, 1e6)
        most = found.data.stat().st_size // (2 * found.stored.itemsize)
        require(
            found.samples == most if found.data == self.data else found.samples <= most, "samples that are not there"
        )
        tb, demodulator = gr.top_block(), semcom.burst_demodulator()
        count = blocks.null_sink(gr.sizeof_gr_complex)
        tb.connect(source, demodulator)
        tb.connect(source, count)
        tb.run()
        require(count.nitems_read(0) == found.samples, "not every sample was replayed, or more than there are")
        return True


def stored(samples: np.ndarray, kind: str) -> bytes:
    """Samples as a data file has them, integers of a third of their range."""
    parts, kind = samples.view(np.float32), np.dtype(kind)
    if kind.kind != "f":
        half = 2 ** (8 * kind.itemsize - 1)
        parts = np.clip(np.round(parts / 3 * half), -half, half - 1) + (half if kind.kind == "u" else 0)
    return parts.astype(kind).tobytes()
