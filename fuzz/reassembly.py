#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes what puts an image together again: hostile PDUs for the decoders, split and join, and the Image Sink.

    python fuzz/reassembly.py --target decoder --seconds 60 --seed 1

Prints one JSON object. Whatever breaks a property that must hold for every input ends the run with a traceback; the
seed and the iteration in it repeat it. ``fuzz/run.py`` runs all targets, under the sanitizers.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, semcom
from gnuradio.semcom import codec, jscc
from gnuradio.semcom.blocks import held, reassembler
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.blocks.jscc_encoder import jscc_encoder
from gnuradio.semcom.errors import SemcomError

HANG = 600  # seconds that one iteration may take, however busy the machine
HONEST = 54321  # number of the image that must arrive; no lie says it, since its acknowledgement ends the flowgraph
INTEGERS = [
    -(2**63), -(2**31), -1, 0, 1, 2, 15, 16, 17, 127, 128, 255, 256, 4094, 4095, 4096, 4097, 32767, 32768, 65535,
    65536, 2**31, 2**62, 2**63 - 1,
]  # fmt: skip
REALS = [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e-320, 1e30, 1e308, -1e308]
SIZES = [(512, 64), (1, 4096), (32767, 32767), (1, 32767), (2048, 2048), (32767, 1024), (4096, 8192)]
FIELDS = ["image_id", "fragment", "fragments", "scheme", "height", "width", "rate", "scale", "snr_enc", "mcs"]
MEASURED = ["noise_var", "snr_db", "signal_energy", "noise_energy", "pilots", "cfo_hz", "name", "error", "lost"]


class Broken(AssertionError):
    """A property that must hold for every input does not."""


def require(holds: bool, sentence: str) -> None:
    """End the run when a property does not hold."""
    if not holds:
        raise Broken(sentence)


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """uint8 [height,width,3] with some structure."""
    rng = np.random.default_rng(seed)
    tile = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    return np.tile(tile, (-(-height // 16), -(-width // 16), 1))[:height, :width].copy()


def sent(scheme: str, sizes: list[tuple[int, int]], rates: list[float]) -> list[list[tuple[dict, np.ndarray]]]:
    """What an encoder sends for each size: lists of (metadata, symbols)."""
    out = []
    for number, ((height, width), rate) in enumerate(zip(sizes, rates, strict=True)):
        encoder, messages = jscc_encoder(scheme, rate), []
        encoder.publish = lambda port, msg, messages=messages: messages.append(msg)
        msg = pdus.from_image(picture(height, width, number), {"image_id": number, "name": f"image{number}"})
        encoder.work_on("image", msg, pdus.meta_of(msg))
        out.append([(pdus.meta_of(m), pdus.to_symbols(m)) for m in messages])
    return out


def odd_pmt(rng: random.Random) -> pmt.pmt_base:
    """A value of a type that nobody expects."""
    return rng.choice(
        [
            lambda: pmt.PMT_NIL,
            lambda: pmt.PMT_T,
            lambda: pmt.from_double(rng.choice(REALS)),
            lambda: pmt.from_long(rng.choice(INTEGERS)),
            lambda: pmt.from_uint64(2**64 - 1),
            lambda: pmt.from_complex(1j),
            lambda: pmt.intern(rng.choice(["", "x", "../../x", "a" * 300, "nul\0l", "\N{SNOWMAN}"])),
            lambda: pmt.init_f32vector(3, [1.0, float("nan"), -1.0]),
            lambda: pmt.init_u8vector(2, [1, 2]),
            lambda: pmt.make_tuple(pmt.from_long(1), pmt.PMT_NIL),
            lambda: pmt.make_vector(3, pmt.PMT_NIL),
            lambda: pmt.cons(pmt.from_long(1), pmt.from_long(2)),
            lambda: pmt.dict_add(pmt.make_dict(), pmt.from_long(1), pmt.make_dict()),
        ]
    )()


def odd_floats(rng: random.Random, n: int) -> np.ndarray:
    """float32 [n] of which some are none."""
    values = np.full(n, rng.choice([0.0, 0.1, 1e-30, 1e30, 3e38]), np.float32)
    for _ in range(rng.randrange(4) if n else 0):
        values[rng.randrange(n)] = np.float32(rng.choice([float("nan"), float("inf"), -float("inf"), -1.0, 3e38]))
    return values


def hostile(rng: random.Random, meta: dict, symbols: np.ndarray) -> pmt.pmt_base:
    """One fragment with zero or more lies."""
    meta = dict(meta)
    odd: dict[str, pmt.pmt_base] = {}
    if rng.random() < 0.7:
        meta["noise_var"] = odd_floats(rng, len(symbols)) if rng.random() < 0.5 else np.full(len(symbols), 0.1, "f4")
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        kind = rng.randrange(9)
        key = rng.choice(FIELDS if rng.random() < 0.7 else MEASURED)
        if kind == 0:
            meta[key] = rng.choice(INTEGERS)
        elif kind == 1:
            meta.pop(key, None)
        elif kind == 2:
            odd[key] = odd_pmt(rng)
        elif kind == 3:
            n = rng.choice([0, 1, len(symbols) // 2, max(len(symbols) - 1, 0), 4096, 4097])
            symbols = np.resize(symbols, n) if len(symbols) else np.zeros(n, np.complex64)
        elif kind == 4:
            symbols = symbols.copy()
            for _ in range(rng.randrange(5) if len(symbols) else 0):
                symbols[rng.randrange(len(symbols))] = np.complex64(
                    complex(rng.choice(REALS[:5]), rng.choice(REALS[:5]))
                )
        elif kind == 5:
            meta[rng.choice(MEASURED)] = rng.choice(REALS)
        elif kind == 6:
            # a header that agrees with itself and asks for as much as it can
            height, width = rng.choice(SIZES if rng.random() < 0.05 else SIZES[:3])
            rate = rng.choice([0, 1, 127, 255])
            total = (-(-height // 16) * -(-width // 16) * (rate + 1) + 1) // 2
            fragments = -(-total // 4096)
            meta |= {"height": height, "width": width, "rate": rate, "fragments": fragments, "fragment": 0}
            if rng.random() < 0.5:
                symbols = np.ones(min(4096, -(-total // fragments)), np.complex64)
                meta.pop("noise_var", None)
        elif kind == 7:
            meta["image_id"] = rng.randrange(65536)
        else:
            meta["scale"] = rng.choice([0, 1, 32768, 65535])
    table = pdus.message(meta)
    for key, value in odd.items():
        table = pmt.dict_add(table, pmt.intern(key), value)
    if rng.random() < 0.02:
        return odd_pmt(rng)
    if rng.random() < 0.05:
        return pmt.cons(table, odd_pmt(rng))
    return pmt.cons(table, pmt.cdr(pdus.from_symbols(symbols, {})))


class Probe:
    """Stands in for the ports of a block: what it publishes, and what it reports."""

    def __init__(self, block: message_block):
        self.out: list[tuple[str, pmt.pmt_base]] = []
        self.errors: list[Exception] = []
        self.sentences: list[str] = []
        block.publish = lambda port, msg: self.out.append((port, msg))
        block.report = self._report

    def _report(self, name: str, sentence: str, error: Exception | None = None) -> None:
        self.sentences.append(sentence)
        if error is not None:
            # anything else is a mistake of ours that the block's last net has caught
            if not isinstance(error, SemcomError | ValueError):
                raise Broken(f"{type(error).__name__} instead of a sentence: {error}") from error
            self.errors.append(error)

    def clear(self) -> None:
        """Forget what came."""
        self.out.clear()
        self.errors.clear()
        self.sentences.clear()


class Decoder:
    """Fragments of several images with lies, out of order, twice, or not at all, straight into the handler."""

    per_use_of_a_failure = 0  # bytes for each channel use that may be spent before an image is given up

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
        before = list(decoder._pending)
        tracemalloc.reset_peak()
        begun = tracemalloc.get_traced_memory()[0]
        decoder._guarded(decoder._take, port, message)
        spent = tracemalloc.get_traced_memory()[1] - begun
        self.spent = max(self.spent, spent)

        pending = decoder._pending.values()
        holds = sum(len(symbols) for p in pending for symbols, _ in p.parts.values())
        require(holds == decoder._symbols, "the decoder does not know how much it holds")
        require(len(pending) <= reassembler.MOST_PENDING, "too many images wait")
        require(holds <= reassembler.MOST_SYMBOLS, "too many symbols wait")
        allowed = 2**20
        for _, out in probe.out:
            if pmt.is_dict(out):
                continue
            meta = pdus.meta_of(out)
            if "error" in meta:
                allowed += self.per_use_of_a_failure * meta.get("payload_uses", 0)
                continue
            allowed += self._delivered(out, meta)
        require(spent <= allowed, f"{spent} bytes were allocated where {allowed} are enough")
        if any("a fragment was dropped" in s for s in probe.sentences):
            gone = len(before) - len(decoder._pending)
            require(
                len([p for p, _ in probe.out if p == decoder._output]) == gone,
                "a dropped fragment was passed on as well",
            )
        return not probe.errors

    @staticmethod
    def _delivered(out: pmt.pmt_base, meta: dict) -> int:
        """Checks what was delivered; bytes that its making may take."""
        image = pdus.to_image(out)
        require(image.shape[:2] == (meta["height"], meta["width"]), "an image of another size was delivered")
        return 24 * image.size + 100 * meta["payload_uses"] + 2**24


class DigitalDecoder(Decoder):
    """The same for bursts that carry bytes; only decoding tells whether they do."""

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


class Join:
    """Parts of all lengths, missing, surplus and not finite."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.spent = 0

    def step(self) -> bool:
        """One join; whether nothing was lost."""
        rng = self.rng
        total = rng.choice([1, 2, 4095, 4096, 4097, rng.randrange(1, 30000)])
        fragments = jscc.fragments_needed(total) if rng.random() < 0.7 else rng.randrange(1, 60)
        symbols = (np.arange(total) % 7 - 3 + 1j).astype(np.complex64)
        if fragments == jscc.fragments_needed(total):
            cut = jscc.split(symbols)
            back, _, lost = jscc.join({i: (c, np.ones(len(c), "f4")) for i, c in enumerate(cut)}, fragments, total)
            require(lost == 0 and np.array_equal(back, symbols), "join does not undo split")
        parts, good = {}, 0
        for index in range(fragments):
            length = jscc.fragment_length(total, fragments, index)
            kind = rng.randrange(6)
            if kind == 0:
                continue
            n = rng.choice([0, length + 1, 4096, 2 * length]) if kind == 1 else length
            values = odd_floats(rng, n) * np.complex64(1 + 1j) if kind == 2 else np.ones(n, np.complex64)
            parts[index] = (values.astype(np.complex64), odd_floats(rng, n))
            good += n == length
        if rng.random() < 0.2:
            parts[fragments + rng.randrange(3)] = (np.ones(1, np.complex64), np.ones(1, np.float32))
        tracemalloc.reset_peak()
        begun = tracemalloc.get_traced_memory()[0]
        out, noise_var, lost = jscc.join(parts, fragments, total)
        self.spent = max(self.spent, tracemalloc.get_traced_memory()[1] - begun)
        require(lost == fragments - good, "join miscounts what is lost")
        require(len(out) == total and bool(np.isfinite(out).all()), "join hands on what is no number")
        require(bool((noise_var >= 0).all()), "join hands on a noise variance that is none")
        return lost == 0


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
        tracemalloc.reset_peak()
        begun = tracemalloc.get_traced_memory()[0]
        sink._guarded(sink._take, rng.choice(list(sink._titles)), message)
        spent = tracemalloc.get_traced_memory()[1] - begun
        self.spent = max(self.spent, spent)
        require(spent <= 2**26, f"{spent} bytes were allocated for small pictures")
        for other in self.sinks:
            require(len(other._held) <= held.MOST_IMAGES, "too many pictures wait for their counterparts")
            other.results.clear()  # the list of the whole run, which this run has no end for
        escaped = [p for p in self.root.rglob("*") if p.parent != self.folder and p not in self.folder.parents]
        require(escaped in ([], [self.folder]), f"a picture was written outside of the folder: {escaped}")
        written = list(self.folder.iterdir())
        for file in written:
            file.unlink()
        return bool(written)


class Codec:
    """Streams of every codec with flipped bits, cut, or spliced with others, and headers that lie about the size."""

    MOST_RESIDENT = (
        2**28
    )  # bytes by which one picture may raise the peak of the process: what Pillow takes is not traced

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
        """One stream; whether a picture came of it."""
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
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tracemalloc.reset_peak()
        begun = tracemalloc.get_traced_memory()[0]
        self.decoder._guarded(self.decoder._take, "bytes", message)
        spent = tracemalloc.get_traced_memory()[1] - begun
        self.spent = max(self.spent, spent)
        risen = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)

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
        require(risen <= self.MOST_RESIDENT + 64 * pixels, f"{risen} bytes became resident for {pixels} pixels")
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


class hostile_source(message_block):
    """Publishes prepared messages, and ends the flowgraph when the last image is acknowledged, or not in time."""

    def __init__(self, messages: list[pmt.pmt_base], last: int):
        message_block.__init__(self, "hostile source")
        self.messages, self.last = messages, last
        self.acknowledged = threading.Event()
        self.message_port_register_in(pmt.intern("ack"))
        self.set_msg_handler(pmt.intern("ack"), self._ack)
        self.message_port_register_out(pmt.intern("symbols"))
        self.message_port_register_in(pmt.intern("system"))

    def start(self) -> bool:
        """Called by the scheduler."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return True

    def _ack(self, msg: pmt.pmt_base) -> None:
        if pdus.dictionary(msg).get("image_id") == self.last:
            self.acknowledged.set()

    def _run(self) -> None:
        for message in self.messages:
            self.message_port_pub(pmt.intern("symbols"), message)
        self.acknowledged.wait(HANG / 2)
        self._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))


class Flowgraph:
    """Hostile PDUs through the blocks of a link as they run; an honest image sent last must still arrive."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.images = sent("softcast", [(48, 64), (128, 128), (17, 300)], [1 / 12, 1 / 6, 1 / 768])
        self.spent = 0

    def step(self) -> bool:
        """One flowgraph; always true, since anything else ends the run."""
        rng = self.rng
        messages = []
        for _ in range(50):
            messages.append(hostile(rng, *rng.choice(rng.choice(self.images))))
        honest = self.images[0]
        messages += [pdus.from_symbols(symbols, meta | {"image_id": HONEST}) for meta, symbols in honest]
        tb = gr.top_block()
        source, decoder, sink = hostile_source(messages, HONEST), semcom.jscc_decoder(), semcom.image_sink("")
        for block in (decoder, sink):
            block.logger.set_level("off")
        if rng.random() < 0.5:
            channel = semcom.symbol_channel(model="awgn", snr_db=30.0, seed=1)
            channel.set_log_level("off")
            tb.msg_connect(source, "symbols", channel, "symbols")
            tb.msg_connect(channel, "symbols", decoder, "symbols")
        else:
            modulator = semcom.burst_modulator(semcom.ofdm_params(), 1.0, 256, False, 1000)
            modulator.set_log_level("off")
            demodulator = semcom.burst_demodulator()
            tb.msg_connect(source, "symbols", modulator, "symbols")
            tb.connect(modulator, demodulator)
            tb.msg_connect(demodulator, "symbols", decoder, "symbols")
        tb.msg_connect(decoder, "image", sink, "in")
        tb.msg_connect(sink, "ack", source, "ack")
        tb.run()
        came = [r for r in sink.results if r.get("image_id") == HONEST and "error" not in r]
        require(len(came) >= 1, "hostile messages kept an honest image from arriving")
        return True


TARGETS: dict[str, Callable] = {
    "decoder": Decoder,
    "decoder_digital": DigitalDecoder,
    "decoder_samsc": lambda seed: Decoder(seed, "samsc"),
    "join": Join,
    "sink": Sink,
    "codec": Codec,
    "flowgraph": Flowgraph,
}


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def run(name: str, seconds: float, seed: int) -> dict:
    """Run one target for so long; what came of it."""
    target = TARGETS[name](seed)
    tracemalloc.start()
    begun = time.process_time()  # so that the figures mean the same on a busy machine
    iterations = accepted = 0
    settled = None
    try:
        while (elapsed := time.process_time() - begun) < seconds:
            faulthandler.dump_traceback_later(HANG, exit=True)
            try:
                accepted += bool(target.step())
            except Exception:
                print(f"{name}: seed {seed}, iteration {iterations}", file=sys.stderr)
                raise
            iterations += 1
            if settled is None and elapsed > seconds / 4:
                settled = resident_mb()
    finally:
        faulthandler.cancel_dump_traceback_later()
        tracemalloc.stop()
        if hasattr(target, "close"):
            target.close()
    return {
        "target": name,
        "module": semcom.semcom_python.__file__,
        "seed": seed,
        "seconds": round(elapsed, 1),
        "iterations": iterations,
        "accepted": accepted,
        "rejected": iterations - accepted,
        "largest_allocation_bytes": target.spent,
        "resident_growth_mb": round(resident_mb() - (settled or resident_mb()), 1),
        "resident_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }


def main() -> None:
    """Run one target and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=list(TARGETS), required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(run(args.target, args.seconds, args.seed)))


if __name__ == "__main__":
    main()
