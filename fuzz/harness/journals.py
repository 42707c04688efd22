# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals of sweeps, records to be drawn and curves to stand beside, spoilt."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

from gnuradio.semcom import files
from gnuradio.semcom.cli.app import as_report
from gnuradio.semcom.errors import SemcomError
from gnuradio.semcom.sweep import anchors, plot
from gnuradio.semcom.sweep.journal import Journal
from gnuradio.semcom.sweep.tasks import MEASURED, checked

from . import hostile
from .common import allocating, require

MAX_BYTES = 2**27
FIGURES = {name: [25.0, None] for name in MEASURED} | {
    "lost": [0, 1], "signal_energy": 1.0, "noise_energy": 0.1, "payload_uses": 100, "air_uses": 120,
    "source_values": 1000, "fragments": 1, "encode_seconds": 0.1, "decode_seconds": 0.1, "undecodable": 0,
}  # fmt: skip
POINT = {
    "channel": "awgn", "csi": "ideal", "rate": "1/12", "snr_db": 1.0, "snr_enc_db": 1.0, "lose": 0.0, "psnr_db": 25.0,
    "psnr_outage_db": {"0.1": 22.0}, "payload_kn": 1 / 12,
}  # fmt: skip
RECORD = {"scheme": "softcast", "variant": None, "images": {"names": ["a.png"]}, "points": [POINT, POINT]}
CURVES = [{"label": "ADJSCC", "source": "Xu et al., 2022", "points": {"1": 27.9}, "metric": "psnr"}]
REPORT = {"psnr_db": 30.5, "score": 0.9, "caption": "A dog.", "lost": 0, "images": {"received": "a.png"},
          "seconds": {"decode": 0.5}}  # fmt: skip


class Journals:
    """One file, spoilt in another way each time."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.path = self.folder / "a.json"
        # what the first figure imports is not what a record takes
        self.path.write_bytes(hostile.as_json(RECORD))
        plot.plot([self.path], self.folder / "a.svg")
        self.spent = 0

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder)

    def step(self) -> bool:
        """One file; whether it was taken."""
        what = self.rng.choice([self._journal, self._journal, self._curves, self._report, self._record])
        try:
            _, spent = allocating(what)
        except SemcomError as error:
            require("\n" not in str(error) and len(str(error)) < 2000, f"no sentence: {error}")
            return False
        self.spent = max(self.spent, spent)
        require(spent < MAX_BYTES, f"{spent} bytes were allocated for a file of a few kB")
        return True

    def _spoilt(self, good: object) -> bytes:
        content = hostile.as_json(hostile.lied(self.rng, good))
        return hostile.spoilt(self.rng, content) if self.rng.random() < 0.5 else content

    def _journal(self) -> None:
        lines = [self._spoilt({"key": f"k{number}", "figures": FIGURES}) for number in range(self.rng.randrange(1, 5))]
        content = b"\n".join(lines) + self.rng.choice([b"", b"\n"])
        self.path.write_bytes(content)
        with Journal(self.path) as journal:
            for number in range(5):
                if f"k{number}" in journal:
                    found = checked(journal[f"k{number}"], 2)
                    require(set(found) <= set(FIGURES), "figures were taken that nobody knows")

    def _curves(self) -> None:
        self.path.write_bytes(self._spoilt(CURVES))
        anchors.read(self.path)

    def _report(self) -> None:
        self.path.write_bytes(self._spoilt(REPORT))
        as_report(files.read_json(self.path))

    def _record(self) -> None:
        self.path.write_bytes(self._spoilt(RECORD))
        plot.plot([self.path], self.folder / "a.svg")
