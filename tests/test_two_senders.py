# SPDX-License-Identifier: GPL-3.0-or-later
"""Two transmitters that take turns on one channel, and one who copies headers: nobody's picture is lost."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr, semcom
from gnuradio.semcom import recording, schemes
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.burst import BurstHeader
from gnuradio.semcom.image import io
from gnuradio.semcom.links import ends

SIZE = 192, 256
TURNS = [1, 4, 0]  # bursts of each in turn; 0: one after the other
OPTIONS = {"esisc": {"boundaries": False, "captioner": "composed"}, "samsc": {"variant": "masked"}}
"""Of the schemes that need any, for a picture of this size."""


class turns(message_block):
    """Hands on the bursts of two encoders in turns, when it has all of both."""

    def __init__(self, turn: int, jam: int):
        message_block.__init__(self, "turns")
        self._turn, self._jam, self._rng = turn, jam, np.random.default_rng(5)
        self._bursts: dict[str, list[pmt.pmt_base]] = {"a": [], "b": []}
        self._whole: set[str] = set()
        self.sent: list[pmt.pmt_base] = []
        self.message_port_register_out(pmt.intern("symbols"))
        for port in self._bursts:
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), lambda msg, port=port: self._keep(port, msg))

    def _keep(self, port: str, msg: pmt.pmt_base) -> None:
        if "silence" not in pdus.meta_of(msg):
            self._bursts[port].append(msg)
            return
        self._whole.add(port)
        if len(self._whole) == len(self._bursts):
            self.sent = self._mixed()
            for each in [*self.sent, pdus.as_on("symbols", msg)]:
                self.message_port_pub(pmt.intern("symbols"), each)

    def _mixed(self) -> list[pmt.pmt_base]:
        out = []
        for number, each in enumerate(in_turns(list(self._bursts.values()), self._turn), 1):
            out.append(each)
            if self._jam and number % self._jam == 0:
                count = len(pdus.to_symbols(each))
                own = self._rng.standard_normal((count, 2)) @ (1, 1j) / np.sqrt(2)
                out.append(pmt.cons(pmt.car(each), pmt.cdr(pdus.from_symbols(own.astype(np.complex64), {}))))
        return out


def in_turns(senders: list[list], turn: int) -> list:
    """Their bursts, so many of one, so many of the other."""
    longest = max(map(len, senders))
    step = turn or longest
    return [each for at in range(0, longest, step) for bursts in senders for each in bursts[at : at + step]]


class listener(message_block):
    """Waits for the mark behind the pictures."""

    def __init__(self):
        message_block.__init__(self, "listener")
        self.over = threading.Event()
        self.images: list[np.ndarray] = []
        for port, handler in (("ack", self._ack), ("image", self._image)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)

    def _ack(self, msg: pmt.pmt_base) -> None:
        if "silence" in pdus.dictionary(msg):
            self.over.set()

    def _image(self, msg: pmt.pmt_base) -> None:
        meta = pdus.meta_of(msg)
        if not meta.keys() & {"silence", "error"}:
            self.images.append(pdus.to_image(msg))


def through_blocks(scheme: str, images: list[np.ndarray], turn: int, jam: int = 0) -> tuple[list, list[np.ndarray]]:
    """Two JSCC Encoders whose bursts take turns, JSCC Decoder and Image Sink: the bursts, and what was received."""
    tb, air, sink, heard = gr.top_block(), turns(turn, jam), semcom.image_sink(""), listener()
    decoder, encoders = semcom.jscc_decoder(), {}
    for number, port in enumerate("ab"):
        # the transmissions differ as those of two runs do
        encoders[port] = semcom.jscc_encoder(scheme, options=OPTIONS.get(scheme), transmission=number)
        tb.msg_connect(encoders[port], "symbols", air, port)
    tb.msg_connect(air, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(decoder, "image", heard, "image")
    tb.msg_connect(sink, "ack", heard, "ack")
    tb.start()
    for encoder, image in zip(encoders.values(), images, strict=True):
        for msg in (pdus.from_image(image, {"image_id": 3}), pdus.silence(1)):
            encoder.to_basic_block()._post(pmt.intern("image"), msg)
    assert heard.over.wait(120)
    tb.stop()
    tb.wait()
    return air.sent, heard.images


def alone(scheme: str, image: np.ndarray, transmission: int) -> np.ndarray:
    """The picture of one of them without the other."""
    made = schemes.get(scheme)
    sent = made.encode(image, schemes.Conditions(), made.options(OPTIONS.get(scheme)))
    reception = schemes.Reception()
    bursts = schemes.bursts(sent, made, image_id=3, transmission=transmission)
    reports = [report for header, symbols in bursts for report in reception.feed(header.fields(), symbols)]
    (picture,) = [each.decoded.image for each in reports if isinstance(each, schemes.Image)]
    return picture


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 1


@pytest.fixture
def pictures(astronaut):
    """Two that differ, of one size."""
    whole = io.load(astronaut)
    return [
        np.ascontiguousarray(whole[top : top + SIZE[0], left : left + SIZE[1]]) for top, left in ((0, 160), (300, 0))
    ]


@pytest.mark.parametrize("scheme", schemes.names())
def test_two_transmitters_of_every_scheme_take_turns(scheme, pictures):
    """With the same number, size and count of bursts; and beside one who copies every third header."""
    expected = [alone(scheme, picture, number) for number, picture in enumerate(pictures)]
    assert not same(*expected)
    for turn in TURNS:
        _, got = through_blocks(scheme, pictures, turn)
        assert len(got) == 2 and all(any(same(each, want) for each in got) for want in expected), turn
        sent, got = through_blocks(scheme, pictures, turn, jam=3)
        assert len(sent) > 2 and all(any(same(each, want) for each in got) for want in expected), turn


@pytest.mark.parametrize("scheme", ["softcast", "digital", "semcom"])
@pytest.mark.parametrize("turn", TURNS)
def test_two_transmitters_take_turns_on_the_air(scheme, turn, pictures, tmp_path):
    """As samples, from a recording, through Receiver and Image Sink."""
    made, modem = schemes.get(scheme), semcom.burst_transmitter(semcom.ofdm_frame())
    senders = []
    for number, picture in enumerate(pictures):
        sent = made.encode(picture, schemes.Conditions(), made.options(OPTIONS.get(scheme)))
        senders.append(schemes.bursts(sent, made, image_id=3, transmission=number))
    rng, gap = np.random.default_rng(1), np.zeros(300, np.complex64)
    mixed: list[tuple[BurstHeader, np.ndarray]] = []
    for index, (header, symbols) in enumerate(in_turns(senders, turn)):
        mixed.append((header, symbols))
        if index % 3 == 2:
            own = rng.standard_normal((len(symbols), 2)) @ (1, 1j) / np.sqrt(2)
            mixed.append((header, own.astype(np.complex64)))
    air = [gap]
    for header, symbols in mixed:
        air += [modem.modulate(semcom.burst_header(**header.fields()), symbols), gap]
    air.append(np.zeros(ends.idle_samples(semcom.ofdm_params()), np.complex64))
    samples = np.concatenate(air)
    samples = samples + 0.05 * (rng.standard_normal((len(samples), 2)) @ (1, 1j) / np.sqrt(2))
    meta, data = recording.paths(str(tmp_path / "air"))
    samples.astype(np.complex64).tofile(data)
    meta.write_text(json.dumps(recording.metadata(1e6)))
    end = ends.receiving_end(ends.FrontEnd(f"sigmf:{tmp_path / 'air'}"), ends.Coding("auto"), tmp_path / "got")
    results = [result for result in end.pictures() if "error" not in result]
    got = [io.load(Path(result["images"]["received"])).astype(float) for result in results]
    for picture in pictures:
        psnr = [10 * np.log10(255**2 / np.mean((each - picture) ** 2)) for each in got]
        assert max(psnr) > 20, psnr
