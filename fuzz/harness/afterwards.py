# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a receiver still receives after all that: hostile waveforms, then an honest picture."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
from gnuradio import gr, semcom
from gnuradio.semcom import recording
from gnuradio.semcom.links.transceiver import trailer_samples

from .common import odd_floats, require
from .headers import agreed
from .reception import transmissions

HONEST = 54321  # number of the image that must arrive
TRANSMISSION = 77
GAP = 256


class Afterwards:
    """Bursts whose headers lie, cut short, on top of one another and in noise; a picture sent last must arrive."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.noise = np.random.default_rng(seed)
        self.sent = transmissions()
        self.transmitter = semcom.burst_transmitter(semcom.ofdm_frame())
        honest = [(meta | {"image_id": HONEST, "transmission": TRANSMISSION}, s) for meta, s in self.sent[1]]
        self.honest = np.concatenate([self._modulated(*each) for each in honest])
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.meta, self.data = recording.paths(self.folder / "x")
        self.meta.write_text(json.dumps(recording.metadata(1e6, [], 1e9)))
        # in which the receiver gives up what is incomplete
        self.silence = np.zeros(trailer_samples(semcom.ofdm_params()), np.complex64)
        self.spent = 0

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder)

    def _modulated(self, meta: dict, symbols: np.ndarray) -> np.ndarray:
        header = semcom.burst_header(**meta)
        samples = self.transmitter.modulate(header, np.ascontiguousarray(symbols, np.complex64))
        return np.concatenate([samples, np.zeros(GAP, np.complex64)])

    def _hostile(self) -> np.ndarray:
        rng = self.rng
        pieces = []
        for _ in range(rng.randrange(1, 4)):
            bursts = agreed(rng, rng.choice(self.sent))
            for meta, symbols in bursts[:12]:
                try:
                    piece = self._modulated(meta, symbols)
                except ValueError:  # no transmitter sends it
                    continue
                kind = rng.randrange(8)
                if kind == 0:
                    piece = piece[: rng.randrange(1, len(piece))]
                elif kind == 1:
                    piece = piece * np.complex64(rng.choice([0, 1e-6, 30, 1e6]))
                elif kind == 2 and pieces:
                    width = min(len(piece), len(pieces[-1]))
                    piece[:width] += pieces[-1][:width]
                elif kind == 3:
                    odd = odd_floats(rng, len(piece))
                    piece = piece + odd.astype(np.complex64) if np.isfinite(odd).all() and odd.max() < 1e6 else piece
                elif kind == 4:
                    piece = piece * np.exp(2j * np.pi * rng.uniform(-0.01, 0.01) * np.arange(len(piece)))
                pieces.append(piece.astype(np.complex64))
        strength = rng.choice([0, 0.01, 0.3, 1.0])
        made = np.concatenate(pieces or [np.zeros(1, np.complex64)])
        noise = self.noise.standard_normal((len(made), 2)).astype(np.float32).view(np.complex64)[:, 0]
        return made + np.float32(strength) * noise

    def step(self) -> bool:
        """One receiver; always true, since anything else ends the run."""
        self.data.write_bytes(np.concatenate([self._hostile(), self.silence, self.honest, self.silence]).tobytes())
        tb = gr.top_block()
        # it is held open until the receiver has said that the channel is idle: nothing is left in a queue
        source = semcom.radio_source(f"sigmf:{self.folder / 'x'}", 0.0, hold=True)
        receiver, sink = semcom.receiver(), semcom.image_sink("")
        for block in (receiver.decoder, sink):
            block.logger.set_level("off")
        tb.connect(source, receiver)
        tb.msg_connect(receiver, "idle", source, "idle")
        tb.msg_connect(receiver, "image", sink, "in")
        tb.run()
        arrived = [r for r in sink.results if r.get("image_id") == HONEST and "error" not in r and not r["lost"]]
        require(len(arrived) == 1, f"of an honest picture after hostile bursts {len(arrived)} arrived")
        return True
