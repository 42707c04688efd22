# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings with bits turned over, cut off, and lies in them.

A recording is either refused with one sentence, or replayed to its end without a sample more than its file has.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import recording
from gnuradio.semcom.errors import BadInput

from .common import allocating, require

VALUES = [
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, -1e308, 0.5, "", "x", "cf32_be", "cf32_le", "../../x",
    "\N{SNOWMAN}", [], [[]], {}, {"a": {}}, "1e400",
]  # fmt: skip


class Sigmf:
    """One recording of two bursts, spoilt in another way each time."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.meta, self.data = recording.paths(self.folder / "x")
        transmitter = semcom.burst_transmitter(semcom.ofdm_frame())
        burst = transmitter.modulate(semcom.burst_header(n_symbols=100), np.ones(100, np.complex64))
        self.samples = np.concatenate([burst, np.zeros(500, np.complex64), burst]).astype(np.complex64).tobytes()
        header = {"image_id": 1, "fragment": 0, "fragments": 1}
        marks = [recording.Burst(start, len(burst), header) for start in (0, len(burst) + 500)]
        self.text = json.dumps(recording.metadata(1e6, marks, 1e9))
        # what the first reading imports is not what a recording makes us allocate
        self.meta.write_text(self.text)
        self.data.write_bytes(self.samples)
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
        said = json.loads(self.text)
        for _ in range(rng.choice([0, 0, 1, 1, 3])):
            self._lie(said)
        meta, data = bytearray(json.dumps(said).encode()), bytearray(self.samples)
        for content, chance in ((meta, 0.3), (data, 0.5)):
            if rng.random() < chance:
                for _ in range(rng.choice([1, 1, 4, 64])):
                    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            if rng.random() < 0.2:
                del content[rng.randrange(len(content)) :]
        if rng.random() < 0.01:
            meta = bytearray(b"[" * rng.choice([10, 100_000]))
        return bytes(meta), bytes(data)

    def _opened(self) -> gr.hier_block2 | None:
        """The recording's source, or nothing when it is refused."""
        try:
            return semcom.radio_source(f"sigmf:{self.folder / 'x'}", 0.0)
        except BadInput as error:
            require("\n" not in str(error) and len(str(error)) < 600, f"no sentence: {error}")
            return None

    def step(self) -> bool:
        """One recording; whether it was replayed."""
        meta, data = self._spoilt()
        self.meta.write_bytes(meta)
        self.data.write_bytes(data)
        source, spent = allocating(self._opened)
        self.spent = max(self.spent, spent)
        require(spent < 2**25, f"{spent} bytes were allocated for {len(meta)} bytes of metadata")
        if source is None:
            return False
        tb, demodulator = gr.top_block(), semcom.burst_demodulator()
        count = blocks.null_sink(gr.sizeof_gr_complex)
        tb.connect(source, demodulator)
        tb.connect(source, count)
        tb.run()
        require(count.nitems_read(0) == len(data) // 8, "not every sample was replayed, or more than there are")
        return True
