# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks and links of the digital chain, in flowgraphs that run to their end and alone against hostile PDUs."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr, semcom
from gnuradio.semcom import digital, schemes, sweep
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.worker import worker_block
from gnuradio.semcom.digital import adapter
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback
from gnuradio.semcom.links.transceiver import idle_samples, trailer_samples
from PIL import Image


class messages(worker_block):
    """Publishes bytes PDUs one after the other, each when the one before was answered, then ends the flowgraph."""

    def __init__(self, payloads):
        worker_block.__init__(self, "messages", ["answer"], [])
        self.message_port_register_out(pmt.intern("bytes"))
        self.message_port_register_in(pmt.intern("system"))
        self.payloads, self.got = list(payloads), []

    signal_ports = ("answer",)

    def start(self):
        worker_block.start(self)
        self._queue.put(("answer", pmt.PMT_NIL))
        return True

    def work_on(self, port, msg, meta):
        if pmt.is_pair(msg) and pmt.is_u8vector(pmt.cdr(msg)):
            self.got.append((pdus.to_bytes(msg), pdus.meta_of(msg)))
        sent = len(self.got)
        if sent < len(self.payloads):
            payload, meta = self.payloads[sent]
            self.publish("bytes", pdus.from_bytes(payload, meta | {"image_id": sent}))
        else:
            self._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))


def exchange(payloads, *chain):
    """Bytes through encoder, channel and decoder: [(bytes, metadata)]."""
    tb, source = gr.top_block(), messages(payloads)
    tb.msg_connect(source, "bytes", chain[0], "bytes")
    for before, after in itertools.pairwise(chain):
        tb.msg_connect(before, "symbols", after, "symbols")
    tb.msg_connect(chain[-1], "bytes", source, "answer")
    tb.run()
    return source.got


def sent_by(payload, mcs, **meta):
    """The PDUs of one message."""
    encoder, out = semcom.digital_encoder(mcs), []
    encoder.publish = lambda port, msg: out.append(msg)
    msg = pdus.from_bytes(payload, {"image_id": 5, "name": "a"} | meta)
    encoder.work_on("bytes", msg, pdus.meta_of(msg))
    return out


def decoder_alone():
    decoder, out = semcom.digital_decoder(), []
    decoder.publish = lambda port, msg: out.append((port, msg))
    return decoder, out


def changed(msg, **fields):
    table = pmt.car(msg)
    for key, value in fields.items():
        table = pmt.dict_add(table, pmt.intern(key), pmt.to_pmt(value))
    return pmt.cons(table, pmt.cdr(msg))


@pytest.mark.parametrize(("mcs", "snr_db"), [(0, -2.0), (10, 13.0), (27, 29.0), (32, 3.0), (39, 21.0)])
def test_bytes_arrive_as_they_were_sent_and_the_burst_header_says_how(mcs, snr_db):
    rng = np.random.default_rng(mcs)
    payloads = [(rng.bytes(n), {}) for n in (200, 5000)]
    channel = semcom.symbol_channel(model="awgn", snr_db=snr_db, csi="ideal", seed=3)
    got = exchange(payloads, semcom.digital_encoder(mcs), channel, semcom.digital_decoder())
    assert [data for data, _ in got] == [data for data, _ in payloads]
    for data, meta in got:
        assert (meta["mcs"], meta["intact"], meta["bytes"]) == (mcs, len(data), len(data))
        assert (meta["lost"], meta["blocks_lost"]) == (0, 0)
        assert meta["snr_db"] == pytest.approx(snr_db, abs=0.5)


def test_a_message_may_choose_its_own_mcs():
    got = exchange([(b"robust", {"mcs": 0}), (b"plain", {})], semcom.digital_encoder(10), semcom.digital_decoder())
    assert [meta["mcs"] for _, meta in got] == [0, 10]


def test_a_tenth_of_the_bursts_may_be_lost_at_a_code_rate_that_allows_it():
    data = np.random.default_rng(0).bytes(30_000)
    bursts = sent_by(data, 4)
    assert len(bursts) > 40
    decoder, out = decoder_alone()
    for msg in bursts[3:]:
        decoder._take("symbols", changed(msg, noise_var=np.full(pmt.length(pmt.cdr(msg)), 0.1, np.float32)))
    decoder._take("flush", pmt.PMT_NIL)
    port, msg = out[0]
    assert (port, pdus.to_bytes(msg)) == ("bytes", data)
    assert pdus.meta_of(msg)["lost"] == 3


def test_what_is_lost_beyond_repair_leaves_the_rest_in_its_place():
    data = np.random.default_rng(0).bytes(1_100_000)
    bursts = sent_by(data, 27)
    groups = {(pdus.meta_of(m)["scale"], pdus.meta_of(m)["rate"]) for m in bursts}
    assert len(groups) > 1  # more than one group
    second = max(start for start, _ in groups)
    decoder, out = decoder_alone()
    decoder.set_snr_db(60.0)
    for msg in bursts:
        if pdus.meta_of(msg)["scale"] != second:
            decoder._take("symbols", msg)
    decoder.finish()
    meta, came = pdus.meta_of(out[0][1]), pdus.to_bytes(out[0][1])
    assert meta["intact"] == len(came)
    assert came == data[: len(came)]
    assert len(came) == pytest.approx(len(data) / len(groups), abs=len(groups))


def test_a_message_of_pure_noise_is_given_up_in_a_sentence():
    bursts = sent_by(bytes(1000), 10)
    noise = np.random.default_rng(0).standard_normal(2 * 4096).astype(np.float32).view(np.complex64)
    decoder, out = decoder_alone()
    for msg in bursts:
        meta = pdus.meta_of(msg)
        decoder._take("symbols", pdus.from_symbols(noise[: meta["n_symbols"]], meta))
    ((_, msg),) = [o for o in out if o[0] == "bytes"]
    assert "none of the" in pdus.meta_of(msg)["error"]


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        ({"mcs": 40}, "no MCS 40"),
        ({"mcs": 1.5}, "mcs is not an integer"),
        ({"n_symbols": 5000}, "n_symbols is not an integer from 1 to 4224"),
        ({"n_symbols": 7}, "symbols arrived where 7 symbols belong"),
        ({"scale": 2000}, "does not belong to a group"),
        ({"rate": 255}, "does not belong to a group"),
        ({"scheme": 0}, "scheme softcast, which sends none alone"),
        ({"fragment": 4000}, "fragment 4000 of"),
        ({"noise_var": np.ones(3, np.float32)}, "noise_var"),
    ],
)
def test_a_lying_burst_is_dropped_and_the_honest_message_still_comes(lie, sentence):
    data = bytes(range(200))
    bursts = sent_by(data, 4)
    decoder, out = decoder_alone()
    decoder.logger.set_level("off")
    said = []
    decoder.report = lambda name, text, error=None: said.append(text)
    decoder._take("symbols", changed(bursts[0], **lie))
    assert sentence in said[0]
    for msg in bursts:
        decoder._take("symbols", msg)
    assert [pdus.to_bytes(m) for p, m in out if p == "bytes"] == [data]


def test_one_burst_of_a_large_group_does_not_make_the_decoder_allocate_it():
    bursts = sent_by(np.random.default_rng(0).bytes(20_000), 0)
    decoder, out = decoder_alone()
    decoder._take("symbols", bursts[7])
    decoder.finish()
    assert "too many for a picture" in pdus.meta_of(out[0][1])["error"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: semcom.digital_encoder(40), "there is no MCS 40"),
        (lambda: semcom.digital_decoder("softcast"), "carries no bytes alone"),
        (lambda: semcom.digital_decoder(timeout=0), "1 or more"),
        (lambda: semcom.link_adapter(rate=2.0), "up to 1"),
        (lambda: semcom.link_adapter(mcs=-2), "-1 to have it chosen"),
        (lambda: semcom.link_adapter(channel="epa"), "no channel epa"),
        (lambda: semcom.link_adapter(loss=0.0), "between 0 and 1"),
        (lambda: digital.choose(float("nan"), 100), "finite"),
    ],
)
def test_parameters_that_cannot_be(make, sentence):
    with pytest.raises(BadInput, match=sentence):
        make()


def test_bytes_over_the_waveform():
    data = np.random.default_rng(1).bytes(3000)
    tb, source = gr.top_block(), messages([(data, {"height": 4, "width": 5})])
    params = semcom.ofdm_params()
    encoder, modulator = semcom.digital_encoder(7), semcom.burst_modulator(params, trailer=trailer_samples(params))
    demodulator, decoder = semcom.burst_demodulator(params, 1e6, idle_samples(params)), semcom.digital_decoder()
    air = semcom.waveform_channel(1e6, snr_db=8.0, params=params, cfo=2000.0, seed=1)
    tb.msg_connect(source, "bytes", encoder, "bytes")
    tb.msg_connect(encoder, "symbols", modulator, "symbols")
    tb.connect(modulator, air, demodulator)
    tb.msg_connect(demodulator, "symbols", decoder, "symbols")
    tb.msg_connect(demodulator, "idle", decoder, "flush")
    tb.msg_connect(decoder, "bytes", source, "answer")
    tb.run()
    ((came, meta),) = source.got
    assert came == data
    assert (meta["height"], meta["width"], meta["mcs"]) == (4, 5, 7)


def test_link_adapter_follows_the_snr_and_the_fading():
    chosen = [digital.choose(snr, 98304).efficiency for snr in range(-5, 26)]
    assert chosen == sorted(chosen)
    assert chosen[0] < 0.4
    assert chosen[-1] > 7
    # never beyond Shannon's limit, and 2.5 dB and a step of the table from it
    for snr, efficiency in zip(range(0, 24), chosen[5:], strict=False):
        assert np.log2(1 + 10 ** ((snr - 2.5) / 10)) * 0.85 < efficiency < np.log2(1 + 10 ** (snr / 10))
    fading = [digital.choose(snr, 98304, channel="rayleigh").efficiency for snr in (0, 10, 20)]
    assert all(f < digital.choose(snr, 98304).efficiency for f, snr in zip(fading, (0, 10, 20), strict=True))


def test_effective_snr_of_equal_parts_is_theirs_and_of_others_between():
    for bits in (1, 2, 4, 6, 8):
        assert adapter.effective_snr_db(np.array([5.0, 5.0]), bits) == pytest.approx(5.0, abs=1e-6)
        assert 0 < adapter.effective_snr_db(np.array([0.0, 10.0]), bits) < 10


@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_the_chosen_mcs_loses_no_more_than_was_tolerated(channel):
    """Of 40 messages at a tolerated loss of 5 %, two are lost on average; eight are once in a thousand such tests."""
    rng = np.random.default_rng(4)
    snr_db, symbols, lost = 8.0, 8 * 2048, 0
    mcs = digital.choose(snr_db, symbols, loss=0.05, channel=channel)
    size = digital.budget(symbols, mcs)
    span = digital.span_for(size, mcs)
    for _ in range(40):
        data = rng.bytes(size)
        parts = {}
        for place, (_, x) in enumerate(digital.bursts(data, mcs)):
            h = complex(*rng.standard_normal(2)) / np.sqrt(2) if channel == "rayleigh" else 1.0
            n0 = 10 ** (-snr_db / 10)
            w = (rng.standard_normal(len(x)) + 1j * rng.standard_normal(len(x))) * np.sqrt(n0 / 2)
            parts[place] = ((x + w / h).astype(np.complex64), np.full(len(x), n0 / abs(h) ** 2, np.float32))
        lost += digital.received(parts, span).data != data
    assert lost < 8
    if channel == "awgn":  # one step up, and most are lost
        more = digital.mcs_of(mcs.index + 2)
        assert digital.message_loss(snr_db, more, blocks=10) > 0.5


def test_link_adapter_block_writes_what_the_codec_and_encoder_need(smooth_image):
    block, out = semcom.link_adapter(1 / 12, -1, 10.0), []
    block.publish = lambda port, msg: out.append(msg)
    msg = pdus.from_image(smooth_image(64, 96), {"image_id": 3, "name": "a"})
    block._take("image", msg)
    meta = pdus.meta_of(out[0])
    mcs = digital.mcs_of(meta["mcs"])
    assert meta["budget"] == digital.budget(64 * 96 * 3 // 12, mcs) > 100
    assert np.array_equal(pdus.to_image(out[0]), pdus.to_image(msg))


@pytest.fixture
def photo(tmp_path, astronaut) -> Path:
    """A photograph of 192x160 pixels in a folder of its own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(astronaut) as picture:
        picture.convert("RGB").resize((192, 160)).save(folder / "a.png")
    return folder / "a.png"


@pytest.mark.parametrize(("codec", "mcs"), [("jpeg", 10), ("avif", None), ("jpeg2000", 34)])
def test_loopback_and_sweep_give_the_same_figures(photo, tmp_path, codec, mcs):
    options = {"codec": codec, "mcs": "auto" if mcs is None else mcs}
    settings = LoopbackSettings(photo, tmp_path / "out", "digital", options, snr_db=11.0, seed=9, st_lpips=False)
    told = loopback(settings).measure()
    assert told["lost"] == 0
    assert told["bytes"] <= digital.budget(192 * 160 * 3 // 12, digital.mcs_of(27))
    record = tmp_path / "s.json"
    sweep.sweep(sweep.SweepSettings(photo.parent, record, "digital", options, snr=(11.0,), seed=9), sweep.in_process)
    point = json.loads(record.read_text())["points"][0]
    assert point["psnr_db"] == pytest.approx(told["psnr_db"], abs=1e-3)
    assert point["payload_kn"] == pytest.approx(told["payload_kn"])
    # the flowgraph scrambles with image 0 as well, so the symbols are the same; measured energies are sums of floats
    assert point["snr_measured_db"] == pytest.approx(told["snr_measured_db"], abs=1e-3)


def test_below_its_threshold_a_picture_is_grey_in_a_sweep_and_none_in_a_loopback(photo, tmp_path):
    record = tmp_path / "s.json"
    settings = sweep.SweepSettings(photo.parent, record, "digital", {"codec": "jpeg", "mcs": 10}, snr=(2.0, 12.0))
    sweep.sweep(settings, sweep.in_process)
    below, above = json.loads(record.read_text())["points"]
    assert (below["undecodable"], above["undecodable"]) == (1, 0)
    with Image.open(photo) as picture:
        blank = np.mean((np.asarray(picture, np.float64) - 128) ** 2)
    assert below["psnr_db"] == pytest.approx(10 * np.log10(255**2 / blank), abs=1e-3)
    told = loopback(
        LoopbackSettings(photo, tmp_path / "o", "digital", {"codec": "jpeg", "mcs": 10}, snr_db=2.0, st_lpips=False)
    ).measure()
    assert "could be decoded" in told["error"]


def test_waveform_loopback_of_a_digital_picture(photo, tmp_path):
    base = LoopbackSettings(photo, tmp_path / "o", "digital", {"codec": "jpeg", "mcs": 6}, snr_db=8.0, st_lpips=False)
    symbol = loopback(base).measure()
    waveform = loopback(dataclasses.replace(base, level="waveform", cfo=2000.0)).measure()
    assert waveform["psnr_db"] == symbol["psnr_db"]
    assert waveform["air_uses"] > waveform["payload_uses"] == symbol["payload_uses"]


def test_the_scheme_is_in_the_registry():
    assert schemes.get("digital").code == 6
