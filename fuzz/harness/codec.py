# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged streams for the Image Codec Decoder."""

from __future__ import annotations

import random

import pmt
from gnuradio import semcom
from gnuradio.semcom import codec
from gnuradio.semcom.blocks import pdu as pdus

from .common import INTEGERS, Probe, allocating, odd_pmt, picture, require


class Codec:
    """Streams of every codec with flipped bits, cut, or spliced with others, and headers that lie about the size."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.decoder = semcom.image_codec_decoder()
        self.probe = Probe(self.decoder)
        self.streams: list[tuple[bytes, int, int]] = []
        for number, (height, width) in enumerate([(64, 96), (33, 17), (1, 1), (5, 300), (128, 128)]):
            for name in codec.CODECS:
                for budget in (700, 4000):
                    data = codec.encode(picture(height, width, number), name, budget).data
                    self.streams.append((data, height, width))
        self.spent = 0

    def step(self) -> bool:
        """One stream; whether a picture was made of it."""
        rng = self.rng
        data, height, width = rng.choice(self.streams)
        lies = rng.random() < 0.15
        if lies:
            height, width = rng.choice([(height, width + 1), (width, height), (1, 1), (256, 256), (32767, 1024)])
        table = {"image_id": 1, "height": height, "width": width}
        intact = len(data)
        if rng.random() < 0.3:
            intact = table["intact"] = rng.choice([0, 1, 2, rng.randrange(len(data) + 1), len(data), *INTEGERS])
        damaged = self._damaged(bytearray(data))
        message = pdus.from_bytes(damaged, table)
        if rng.random() < 0.05:
            lies = True
            key = rng.choice(["height", "width", "intact", "scheme", "error"])
            message = pmt.cons(pmt.dict_add(pmt.car(message), pmt.intern(key), odd_pmt(rng)), pmt.cdr(message))
        if rng.random() < 0.02:
            message = odd_pmt(rng) if rng.random() < 0.5 else pmt.cons(pmt.car(message), odd_pmt(rng))
        self.probe.clear()
        _, spent = allocating(self.decoder._guarded, self.decoder._take, "bytes", message)
        self.spent = max(self.spent, spent)

        pixels = 0
        for port, out in self.probe.out:
            meta = pdus.meta_of(out)
            if port != "image" or "error" in meta:
                continue
            image = pdus.to_image(out)
            require(image.shape == (meta["height"], meta["width"], 3), "an image of another size was delivered")
            require(meta["complete"] in (0, 1), "complete is neither 0 nor 1")
            whole = damaged == data and intact == len(data) and not lies
            require(meta["complete"] == 1 or not whole, "a whole picture counts as a part")
            pixels += image.size // 3
        require(spent <= 2**20 + 64 * pixels, f"{spent} bytes were allocated for {pixels} pixels")
        return bool(pixels)

    def _damaged(self, data: bytearray) -> bytes:
        """The stream with zero or more damages."""
        rng = self.rng
        for _ in range(rng.choice([0, 1, 1, 2, 4])):
            kind, at = rng.randrange(6), rng.randrange(len(data) + 1)
            if kind == 0 and data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            elif kind == 1 and data:
                for _ in range(rng.randrange(1, 60)):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            elif kind == 2:
                data = data[:at]
            elif kind == 3:
                other = rng.choice(self.streams)[0]
                data = data[:at] + other[rng.randrange(len(other)) :]
            elif kind == 4:
                data = data[:at] + data[rng.randrange(len(data) + 1) :][: rng.randrange(300)] + data[at:]
            elif data:
                # markers, sizes and everything else near the front
                data[rng.randrange(min(len(data), 40))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        return bytes(data)
