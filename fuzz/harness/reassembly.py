# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile fragments for the decoders, which put images and messages together again."""

from __future__ import annotations

import random

import numpy as np
import pmt
from gnuradio import semcom
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.burst import reassembly

from .common import Probe, allocating, odd_pmt, require
from .fragments import hostile, sent
from .headers import agreed

REFUSED = ("an image of scheme", "a message of scheme")


class Decoder:
    """Fragments of several images with lies, out of order, twice, or not at all, straight into the handler."""

    MAX_RISEN = 2**30  # a header may say that a picture has four million pixels, and they may all be there
    output = "image"
    per_use_of_a_failure = 100  # bytes for each channel use that may be spent before an image is given up

    def __init__(self, seed: int, scheme: str = "softcast"):
        self.rng = random.Random(seed)
        self.decoder = semcom.jscc_decoder(scheme, timeout=200)
        self.probe = Probe(self.decoder)
        if scheme == "softcast":
            sizes = [(48, 64), (1, 1), (512, 512), (17, 300), (256, 256)]
            self.images = sent(scheme, sizes, [1 / 12, 1 / 6, 1 / 6, 1 / 768, 1 / 12])
        else:
            self.images = sent(scheme, [(32, 48), (16, 16), (96, 128)], [0.0] * 3)
        self.spent = 0  # bytes, the most for one message

    def step(self) -> bool:
        """One image's worth of messages; whether all were taken."""
        rng = self.rng
        pieces = [rng.choice(rng.choice(self.images)) for _ in range(rng.randrange(1, 5))]
        if rng.random() < 0.3:
            whole = list(rng.choice(self.images))
            rng.shuffle(whole)
            pieces += whole[: rng.randrange(1, len(whole) + 1)] + pieces[:1]
        if rng.random() < 0.1:
            pieces += agreed(rng, rng.choice(self.images))
        clean = True
        for meta, symbols in pieces:
            message = hostile(rng, meta, symbols) if rng.random() < 0.6 else self._plain(meta, symbols)
            clean &= self._one("symbols", message)
        if rng.random() < 0.05:
            self._one("flush", odd_pmt(rng))
        return clean

    @staticmethod
    def _plain(meta: dict, symbols: np.ndarray) -> pmt.pmt_base:
        return pdus.from_symbols(symbols, meta)

    def _one(self, port: str, message: pmt.pmt_base) -> bool:
        decoder, probe = self.decoder, self.probe
        probe.clear()
        held = decoder.reception.reassembly
        before = held.waiting
        _, spent = allocating(decoder._guarded, decoder._take, port, message)
        self.spent = max(self.spent, spent)

        require(held.waiting <= reassembly.MAX_PENDING, "too many images wait")
        require(0 <= held.symbols <= reassembly.MAX_SYMBOLS, "too many symbols wait")
        require(held.waiting or not held.symbols, "symbols are held of images that nobody waits for")
        allowed = 2**20
        for port_of, out in probe.out:
            if pmt.is_dict(out):
                continue
            meta = pdus.meta_of(out)
            if port_of != self.output:
                allowed += 2 * len(pdus.to_bytes(out)) + 2**20
                continue
            if "error" in meta:
                allowed += self.per_use_of_a_failure * meta.get("payload_uses", 0)
                continue
            allowed += self._delivered(out, meta)
        require(spent <= allowed, f"{spent} bytes were allocated where {allowed} are enough")
        if any("a fragment was dropped" in s for s in probe.sentences):
            gone = before - held.waiting
            require(len(self._given_out()) == gone, "a dropped fragment was passed on as well")
        return not probe.errors

    def _given_out(self) -> list[dict]:
        """What was published of images that waited, and not of those that were refused from the start."""
        metas = [pdus.meta_of(out) for port, out in self.probe.out if port == self.output]
        return [meta for meta in metas if not str(meta.get("error", "")).startswith(REFUSED)]

    @staticmethod
    def _delivered(out: pmt.pmt_base, meta: dict) -> int:
        """Checks what was delivered; bytes that its making may take."""
        image = pdus.to_image(out)
        require(image.shape[:2] == (meta["height"], meta["width"]), "an image of another size was delivered")
        return 24 * image.size + 100 * meta["payload_uses"] + 2**24


class DigitalDecoder(Decoder):
    """The same for bursts that carry bytes; only decoding tells whether they do."""

    output = "bytes"
    per_use_of_a_failure = 400

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.decoder = semcom.digital_decoder(timeout=200)
        self.probe = Probe(self.decoder)
        self.images = []
        for number, (size, mcs) in enumerate([(1, 0), (300, 10), (9000, 4), (2000, 34), (40_000, 27), (100, 48)]):
            encoder, messages = semcom.digital_encoder(mcs), []
            encoder.publish = lambda port, msg, messages=messages: messages.append(msg)
            msg = pdus.from_bytes(self.rng.randbytes(size), {"image_id": number, "height": 48, "width": 64})
            encoder.work_on("bytes", msg, pdus.meta_of(msg))
            self.images.append([(pdus.meta_of(m), pdus.to_symbols(m)) for m in messages])
        self.spent = 0

    @staticmethod
    def _delivered(out: pmt.pmt_base, meta: dict) -> int:
        data = pdus.to_bytes(out)
        require(
            len(data) == meta["bytes"] and 0 <= meta["intact"] <= len(data), "the message is not as long as it says"
        )
        # soft bits of 256-QAM, their scrambler, and what gathers them
        return 200 * meta["payload_uses"] + 2**24
