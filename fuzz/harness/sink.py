# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile pictures for the Image Sink."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pmt
from gnuradio import semcom
from gnuradio.semcom.blocks import held
from gnuradio.semcom.blocks import pdu as pdus

from .common import INTEGERS, Probe, allocating, odd_pmt, require


class Sink:
    """Pictures that lie about their size, with names that are paths and panels that never meet."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.root = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.folder = self.root / "a" / "received"
        self.sinks = [semcom.image_sink(str(self.folder), titles) for titles in (("x",), ("original", "received"))]
        self.probes = [Probe(sink) for sink in self.sinks]
        self.spent = 0

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.root)

    def step(self) -> bool:
        """One picture for one of the sinks; whether it was written."""
        rng = self.rng
        which = rng.randrange(len(self.sinks))
        sink, probe = self.sinks[which], self.probes[which]
        height, width = rng.choice([(1, 1), (5, 7), (16, 16), (1, 2000), (2000, 1), (1, 32767)])
        shape = rng.choice([(height, width, 3)] * 4 + [(height, width), (height, width, 4)])
        meta = {"image_id": rng.randrange(30), "psnr_db": 1.0}
        meta["name"] = rng.choice(
            ["a", "../../../escape", "/etc/escape", "..", "", ".hidden", "b/c", "d" * 300, "e\0f"]
        )
        meta["error" if rng.random() < 0.05 else "note"] = "\N{SNOWMAN}"
        message = pdus.from_image(np.zeros(shape, np.uint8), meta)
        table, payload = pmt.car(message), pmt.cdr(message)
        for _ in range(rng.choice([0, 0, 1, 2])):
            key = rng.choice(["height", "width", "channels", "image_id", "name", "psnr_db", "error"])
            value = pmt.from_long(rng.choice(INTEGERS)) if rng.random() < 0.5 else odd_pmt(rng)
            table = pmt.dict_add(table, pmt.intern(key), value)
        message = odd_pmt(rng) if rng.random() < 0.02 else pmt.cons(table, payload)
        probe.clear()
        _, spent = allocating(sink._guarded, sink._take, rng.choice(list(sink._titles)), message)
        self.spent = max(self.spent, spent)
        require(spent <= 2**26, f"{spent} bytes were allocated for small pictures")
        for other in self.sinks:
            require(len(other._held) <= held.MAX_IMAGES, "too many pictures wait for their counterparts")
            other.results.clear()  # the list of the whole run, which this run has no end for
        escaped = [p for p in self.root.rglob("*") if p.parent != self.folder and p not in self.folder.parents]
        require(escaped in ([], [self.folder]), f"a picture was written outside of the folder: {escaped}")
        written = list(self.folder.iterdir())
        for file in written:
            file.unlink()
        return bool(written)
