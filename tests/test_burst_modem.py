# SPDX-License-Identifier: GPL-3.0-or-later
"""The burst modem beside a NumPy oracle, through impairments, in flowgraphs, and fed with garbage."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, semcom
from gnuradio.semcom.digital.kernels import kernels

FIELDS = dict(
    transmission=173,
    image_id=51234,
    part=5,
    parts=7,
    fragment=2047,
    fragments=4095,
    scheme=201,
    height=32767,
    width=12345,
    rate=250,
    scale=60001,
    snr_enc=-17,
    mcs=63,
    weights_id=214,
)


def gaussian(rng: np.random.Generator, n: int, power: float = 1.0) -> np.ndarray:
    """``n`` circular complex Gaussian values of mean power ``power``, complex64."""
    pairs = rng.standard_normal(2 * n, dtype=np.float32) * np.float32(np.sqrt(power / 2))
    return pairs.view(np.complex64)


def air(
    rng: np.random.Generator,
    burst: np.ndarray,
    frame,
    snr_db: float,
    cfo: float = 0.0,
    before: int = 500,
    after: int = 300,
) -> np.ndarray:
    """``burst`` in silence, turned by ``cfo`` cycles per sample and a random phase, in noise of the given Es/N0."""
    x = np.concatenate([np.zeros(before), burst, np.zeros(after)])
    x = x * np.exp(2j * np.pi * (cfo * np.arange(len(x)) + rng.random()))
    return (x + gaussian(rng, len(x), frame.noise_voltage(snr_db) ** 2)).astype(np.complex64)


def sinr_db(sent: np.ndarray, got: np.ndarray) -> float:
    """Signal to interference and noise after the best complex gain, in dB."""
    power = np.vdot(sent, sent).real
    gain = np.vdot(sent, got) / power
    return 10 * np.log10(abs(gain) ** 2 * power / np.sum(np.abs(got - gain * sent) ** 2))


# ---- the oracle: what the headers of ofdm_params and burst_header promise, in NumPy ----


class Xorshift32:
    def __init__(self, seed: int) -> None:
        self.state = seed

    def next(self) -> int:
        self.state ^= (self.state << 13) & 0xFFFFFFFF
        self.state ^= self.state >> 17
        self.state ^= (self.state << 5) & 0xFFFFFFFF
        return self.state

    def signs(self, n: int) -> np.ndarray:
        return np.array([-1.0 if self.next() >> 31 else 1.0 for _ in range(n)])


def permutation(n: int, seed: int) -> np.ndarray:
    order, random = np.arange(n), Xorshift32(seed)
    for i in range(n - 1, 0, -1):
        j = random.next() * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def oracle_header_bits(n_symbols: int, sealed: int = 0, **fields: int) -> list[int]:
    widths = [8, 16, 3, 3, 12, 12, 8, 15, 15, 8, 16, 8, 6, 8, 13, 1]
    sent = {**fields, "parts": fields["parts"] - 1}
    values = [*(sent[k] for k in FIELDS), n_symbols, sealed]
    text = "".join(f"{v & (1 << w) - 1:0{w}b}" for v, w in zip(values, widths, strict=True))
    crc = 0xB704CE
    for bit in text:
        crc = (crc << 1) ^ (0x864CFB if (crc >> 23 & 1) ^ int(bit) else 0)
        crc &= 0xFFFFFF
    return [int(b) for b in text + f"{crc:024b}"]


def oracle_header_cells(bits: list[int], n_cells: int) -> np.ndarray:
    padded = np.array(bits + [0] * 6)
    coded = np.empty((len(padded), 4), int)
    for g, octal in enumerate((0o135, 0o135, 0o147, 0o163)):
        taps = [int(b) for b in f"{octal:07b}"]
        coded[:, g] = np.convolve(padded, taps)[: len(padded)] % 2
    coded = 1 - 2 * coded.ravel()
    order = permutation(len(coded), 0x48454144)
    return coded[order[np.arange(n_cells) % len(coded)]] * Xorshift32(0x57484954).signs(n_cells)


def oracle_modulate(params: dict, symbols: np.ndarray, fields: dict) -> np.ndarray:
    n, os = params["fft_len"], params["oversampling"]
    cp, occupied = n // 8, n // 8 * 7
    seed, code = {
        64: (0x7A0962B8, [1, 1, 1, -1, -1, 1, -1]),
        128: (0x75A4079C, [1, 1, 1, -1, 1]),
        256: (0x6311D4D8, [1, 1, -1]),
        512: (0x8A449D94, [1, -1]),
    }[n]
    carriers = np.r_[-occupied // 2 : 0, 1 : occupied // 2 + 1]
    is_pilot = np.arange(occupied) % 14 == 7
    training = Xorshift32(seed).signs(2 * occupied).reshape(-1, 2) @ [1, 1j] / np.sqrt(2)
    rows = [sign * training for sign in np.cumprod([1, *code])]

    width = np.count_nonzero(~is_pilot)
    header = oracle_header_cells(oracle_header_bits(len(symbols), **fields), -(-728 // width) * width)
    n_cells = -(-len(symbols) // width) * width
    padded = np.concatenate([symbols, np.ones(n_cells - len(symbols))])
    payload = np.empty(n_cells, complex)
    payload[permutation(n_cells, 0x43454C4C)] = padded * Xorshift32(0x5349474E).signs(n_cells)
    pilots = Xorshift32(0x50494C4F).signs(1021)
    for i, cells in enumerate(np.concatenate([header, payload]).reshape(-1, width)):
        row = np.empty(occupied, complex)
        row[~is_pilot] = cells
        count = np.count_nonzero(is_pilot)
        row[is_pilot] = pilots[(i * count + np.arange(count)) % 1021]
        rows.append(row)

    out = []
    for row in rows:
        bins = np.zeros(n * os, complex)
        bins[carriers] = row
        body = np.fft.ifft(bins) * n * os / np.sqrt(occupied)
        out.append(np.concatenate([body[-cp * os :], body]))
    return np.concatenate(out)


@pytest.mark.parametrize(("n_symbols", "sealed"), [(4096, 0), (129, 1), (4224, 1)])
def test_header_packs_as_documented(n_symbols: int, sealed: int) -> None:
    header = semcom.burst_header(n_symbols=n_symbols, sealed=sealed, **FIELDS)
    bits = oracle_header_bits(n_symbols, sealed, **FIELDS)
    assert header.pack() == np.packbits(bits).tobytes()
    assert semcom.burst_header.unpack(header.pack()) == header
    assert {name: getattr(header, name) for name in FIELDS} == FIELDS
    assert semcom.burst_header.BITS == kernels().HEADER_BITS == len(bits) == 176


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("part", 7),
        ("parts", 0),
        ("parts", 9),
        ("fragment", 4095),
        ("fragments", 0),
        ("height", 32768),
        ("mcs", 64),
        ("n_symbols", 0),
        ("n_symbols", 4097),
        ("sealed", 2),
    ],
)
def test_header_refuses_what_it_cannot_hold(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=r"\w+.*\.$"):
        semcom.burst_header(**{**FIELDS, "n_symbols": 1, field: value}).pack()


@pytest.mark.parametrize("n_symbols", [0, 128, 4225])
def test_header_of_a_sealed_burst_has_room_for_its_seal(n_symbols: int) -> None:
    with pytest.raises(ValueError, match="129 to 4224"):
        semcom.burst_header(**FIELDS, n_symbols=n_symbols, sealed=1).pack()


def test_every_single_bit_error_of_a_header_is_seen() -> None:
    packed = np.frombuffer(semcom.burst_header(n_symbols=77, **FIELDS).pack(), np.uint8)
    bits = np.unpackbits(packed)
    for i in range(len(bits)):
        wrong = bits.copy()
        wrong[i] ^= 1
        assert semcom.burst_header.unpack(np.packbits(wrong).tobytes()) is None


def test_header_parser_survives_garbage() -> None:
    rng = np.random.default_rng(3)
    codec = semcom.burst_header_codec(728)
    for _ in range(300):
        assert semcom.burst_header.unpack(rng.bytes(22)) is None
        assert codec.decode(rng.standard_normal(728) * 10.0 ** rng.uniform(-30, 30)) is None
    for value in (np.nan, np.inf, -np.inf, 0.0):
        codec.decode(np.full(728, value))


def test_header_code_matches_the_oracle_and_holds_at_0_db() -> None:
    codec = semcom.burst_header_codec(728)
    header = semcom.burst_header(n_symbols=1000, **FIELDS)
    cells = codec.encode(header)
    np.testing.assert_array_equal(cells, oracle_header_cells(oracle_header_bits(1000, **FIELDS), 728))
    rng = np.random.default_rng(4)
    # 0 dB Es/N0: unit symbols, half of the unit noise falls on the real axis
    noisy = cells + rng.standard_normal((300, 728)) * np.sqrt(0.5)
    assert all(codec.decode(soft) == header for soft in noisy)


@pytest.mark.parametrize("fft_len", [64, 128, 256, 512])
@pytest.mark.parametrize("oversampling", [1, 4])
def test_modulator_matches_the_oracle(fft_len: int, oversampling: int) -> None:
    rng = np.random.default_rng(5)
    params = dict(fft_len=fft_len, oversampling=oversampling)
    frame = semcom.ofdm_frame(semcom.ofdm_params(**params))
    symbols = gaussian(rng, 300)
    burst = semcom.burst_transmitter(frame).modulate(semcom.burst_header(n_symbols=300, **FIELDS), symbols)
    expected = oracle_modulate(params, symbols, FIELDS)
    assert len(burst) == frame.burst_samples(300)
    np.testing.assert_allclose(burst, expected, atol=2e-5)
    assert np.mean(np.abs(burst) ** 2) == pytest.approx(1, abs=0.1)


def test_air_uses_of_a_full_burst_are_within_the_budget() -> None:
    assert semcom.ofdm_frame().air_uses(4096) <= 1.6 * 4096


@pytest.mark.parametrize(
    "params",
    [
        dict(fft_len=64),
        dict(fft_len=64, oversampling=2),
        dict(fft_len=64, oversampling=4, cp_len=16),
        dict(fft_len=128),
        dict(fft_len=256, cp_len=20, pilot_spacing=8),
        dict(fft_len=512, occupied=400),
        dict(fft_len=64, preamble_len=14, max_cfo=8),
    ],
)
@pytest.mark.parametrize("n_symbols", [1, 777, 4096])
def test_symbols_come_back_at_the_snr_set(params: dict, n_symbols: int) -> None:
    rng = np.random.default_rng(6)
    frame = semcom.ofdm_frame(semcom.ofdm_params(**params))
    symbols = gaussian(rng, n_symbols)
    header = semcom.burst_header(n_symbols=n_symbols, **FIELDS)
    burst = semcom.burst_transmitter(frame).modulate(header, symbols)
    cfo = 0.7 * frame.params.max_cfo / frame.params.fft_len / frame.params.oversampling
    (got,) = semcom.burst_receiver(frame).work(air(rng, burst, frame, 15, cfo))
    assert got.header == header
    assert abs(got.position - 500) < frame.symbol_samples / 4
    assert got.cfo == pytest.approx(cfo, abs=2e-5)
    assert got.snr_db == pytest.approx(15, abs=1)
    assert len(got.symbols) == len(got.noise_var) == n_symbols
    if n_symbols > 1:
        assert sinr_db(symbols, got.symbols) == pytest.approx(15, abs=0.6)
        assert np.mean(got.noise_var) == pytest.approx(np.mean(np.abs(got.symbols - symbols) ** 2), rel=0.2)


@pytest.mark.parametrize("snr_db", [0, 10, 25])
def test_bursts_are_found_and_measured_from_0_db_up(snr_db: int) -> None:
    rng = np.random.default_rng(7)
    frame = semcom.ofdm_frame()
    transmitter, receiver = semcom.burst_transmitter(frame), semcom.burst_receiver(frame)
    linear, reports = [], []
    for i in range(200):
        symbols = gaussian(rng, 1000)
        burst = transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=1000), symbols)
        (got,) = receiver.work(air(rng, burst, frame, snr_db, rng.uniform(-0.048, 0.048)))
        assert got.header.image_id == i
        linear.append(10 ** (sinr_db(symbols, got.symbols) / 10))
        reports.append(got.snr_db)
    assert 10 * np.log10(np.mean(linear)) == pytest.approx(snr_db, abs=0.5)
    assert np.mean(np.abs(np.array(reports) - snr_db) < 1) >= 0.95


def test_noise_is_no_burst() -> None:
    rng = np.random.default_rng(8)
    receiver = semcom.burst_receiver()
    for _ in range(10):
        assert receiver.work(gaussian(rng, 500_000)) == []
    assert receiver.counters["preambles"] == 0
    # 5e6 / 4 evaluations at a probability of 1e-6 each
    assert receiver.counters["candidates"] < 10


def test_a_carrier_is_no_burst() -> None:
    rng = np.random.default_rng(9)
    n = np.arange(200_000)
    for frequency in (0, 0.01, 1 / 72, -0.2):
        receiver = semcom.burst_receiver()
        assert receiver.work(np.exp(2j * np.pi * frequency * n) + gaussian(rng, len(n), 0.01)) == []
        assert receiver.counters["headers"] == 0
        assert receiver.counters["candidates"] <= 2


def fractional_resample(x: np.ndarray, ppm: float, half: int = 16) -> np.ndarray:
    """Samples of ``x`` at instants stretched by ``ppm`` parts per million (Hann-windowed sinc)."""
    instant = np.arange(len(x)) * (1 + ppm * 1e-6)
    whole = np.floor(instant).astype(int)
    part = instant - whole
    padded = np.pad(x, half + 1)
    taps = np.arange(1 - half, half + 1)
    offset = part[:, None] - taps
    weight = np.sinc(offset) * (0.5 + 0.5 * np.cos(np.pi * offset / (half + 1)))
    index = np.clip(whole[:, None] + taps + half + 1, 0, len(padded) - 1)
    return np.sum(padded[index] * weight, axis=1)


def test_clock_offset_and_phase_noise_are_followed() -> None:
    rng = np.random.default_rng(10)
    frame = semcom.ofdm_frame()
    transmitter, receiver = semcom.burst_transmitter(frame), semcom.burst_receiver(frame)
    linear = []
    for i in range(20):
        symbols = gaussian(rng, 4096)
        burst = transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=4096), symbols)
        # 20 ppm of 2.4 GHz at 1 Msps, and a Wiener phase of 100 Hz linewidth
        sign = rng.choice([-1, 1])
        burst = fractional_resample(np.pad(burst, 40), sign * 20)
        burst = burst * np.exp(1j * np.cumsum(rng.standard_normal(len(burst)) * np.sqrt(2 * np.pi * 100 / 1e6)))
        (got,) = receiver.work(air(rng, burst, frame, 10, sign * 0.048))
        linear.append(10 ** (sinr_db(symbols, got.symbols) / 10))
    # the phase moving within a symbol costs some 0.5 dB by itself
    assert 10 * np.log10(np.mean(linear)) > 9


def test_two_rays_leave_the_capacity_of_the_channel() -> None:
    rng = np.random.default_rng(11)
    frame = semcom.ofdm_frame()
    symbols = gaussian(rng, 4096)
    burst = semcom.burst_transmitter(frame).modulate(semcom.burst_header(n_symbols=4096), symbols)
    taps = np.zeros(7, complex)
    taps[[0, 6]] = np.sqrt(0.6), 1j * np.sqrt(0.4)
    (got,) = semcom.burst_receiver(frame).work(air(rng, np.convolve(burst, taps), frame, 15, 0.02))
    gain = np.abs(np.fft.fft(taps, 64)[np.array(frame.carriers)[frame.data]]) ** 2
    ideal = np.mean(np.log2(1 + gain * 10**1.5))
    assert np.mean(np.log2(1 + 1 / got.noise_var)) == pytest.approx(ideal, abs=0.15)
    normalised = np.abs(got.symbols - symbols) ** 2 / got.noise_var
    assert np.mean(normalised) == pytest.approx(1, abs=0.15)


def test_results_do_not_depend_on_how_the_stream_is_cut() -> None:
    rng = np.random.default_rng(12)
    frame = semcom.ofdm_frame()
    transmitter = semcom.burst_transmitter(frame)
    stream = np.concatenate(
        [
            air(rng, transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=n), gaussian(rng, n)), frame, 3)
            for i, n in enumerate([4096, 1, 500, 60, 2000])
        ]
    )
    whole = semcom.burst_receiver(frame).work(stream)
    assert [b.header.image_id for b in whole] == [0, 1, 2, 3, 4]
    receiver, pieces, at = semcom.burst_receiver(frame), [], 0
    while at < len(stream):
        step = int(rng.choice([1, 7, 100, 3000]))
        pieces += receiver.work(stream[at : at + step])
        at += step
    assert len(pieces) == len(whole)
    for a, b in zip(whole, pieces, strict=True):
        assert (a.header, a.position, a.snr_db) == (b.header, b.position, b.snr_db)
        np.testing.assert_array_equal(a.symbols, b.symbols)


@pytest.mark.parametrize("snr_db", [3, 60])
def test_bursts_may_follow_without_a_gap_and_end_with_the_stream(snr_db: float) -> None:
    rng = np.random.default_rng(13)
    frame = semcom.ofdm_frame()
    transmitter = semcom.burst_transmitter(frame)
    sizes = [30, 4096, 1, 52, 1000, 300] * 5
    burst = np.concatenate(
        [
            transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=n), gaussian(rng, n))
            for i, n in enumerate(sizes)
        ]
    )
    got = semcom.burst_receiver(frame).work(air(rng, burst, frame, snr_db, 0.03, after=0))
    assert [b.header.image_id for b in got] == list(range(len(sizes)))


@pytest.mark.parametrize("fft_len", [64, 128, 256, 512])
def test_a_lone_short_burst_needs_no_sample_after_it(fft_len: int) -> None:
    rng = np.random.default_rng(14)
    frame = semcom.ofdm_frame(semcom.ofdm_params(fft_len=fft_len))
    burst = semcom.burst_transmitter(frame).modulate(semcom.burst_header(n_symbols=1), np.ones(1, np.complex64))
    assert len(semcom.burst_receiver(frame).work(burst)) == 1
    assert len(semcom.burst_receiver(frame).work(air(rng, burst, frame, 10, after=0))) == 1


@pytest.mark.parametrize("level", [1e-6, 1e-3, 1e3, 1e6])
def test_the_level_does_not_matter(level: float) -> None:
    rng = np.random.default_rng(15)
    frame = semcom.ofdm_frame()
    symbols = gaussian(rng, 500)
    burst = semcom.burst_transmitter(frame).modulate(semcom.burst_header(n_symbols=500), symbols)
    (got,) = semcom.burst_receiver(frame).work(air(rng, burst, frame, 10) * np.float32(level))
    assert sinr_db(symbols, got.symbols) == pytest.approx(10, abs=0.7)
    assert np.mean(np.abs(got.symbols) ** 2) == pytest.approx(1.1, abs=0.15)


def test_no_symbol_is_delivered_that_cannot_have_been_sent() -> None:
    """Interference that overflows a float, or a deep enough fade: found by the fuzz run."""
    rng = np.random.default_rng(15)
    frame = semcom.ofdm_frame()
    burst = semcom.burst_transmitter(frame).modulate(semcom.burst_header(n_symbols=400), gaussian(rng, 400))
    delivered = 0
    for exponent in range(4, 34, 2):
        stream = air(rng, burst, frame, 15)
        stream[-330:-310] += np.float32(10.0**exponent)
        for got in semcom.burst_receiver(frame).work(stream):
            delivered += 1
            assert np.abs(got.symbols).max() < 1e6
    assert delivered


def test_receiver_survives_garbage_and_recovers() -> None:
    rng = np.random.default_rng(16)
    frame = semcom.ofdm_frame()
    transmitter, receiver = semcom.burst_transmitter(frame), semcom.burst_receiver(frame)
    good = transmitter.modulate(semcom.burst_header(image_id=9, n_symbols=400), gaussian(rng, 400))
    for trial in range(40):
        bad = air(rng, good, frame, 20)
        start, length = rng.integers(0, len(bad)), rng.integers(1, 3000)
        bad[start : start + length] = rng.choice(
            np.array([np.nan, np.inf, -np.inf, 1e38, 1e-38, complex(0, np.nan)], np.complex64),
            len(bad[start : start + length]),
        )
        for burst in receiver.work(bad):
            assert np.all(np.isfinite(burst.symbols)) and np.all(np.isfinite(burst.noise_var)), trial
        assert [b.header.image_id for b in receiver.work(air(rng, good, frame, 20, before=2000))] == [9], trial


@pytest.mark.parametrize(
    "params",
    [
        dict(fft_len=63),
        dict(cp_len=6),
        dict(cp_len=32),
        dict(occupied=64),
        dict(occupied=55),
        dict(pilot_spacing=1),
        dict(oversampling=3),
        dict(preamble_len=5),
        dict(max_cfo=-1),
        dict(max_cfo=float("nan")),
    ],
)
def test_bad_parameters_are_named_in_a_sentence(params: dict) -> None:
    with pytest.raises(ValueError, match=r"^The .*\.$"):
        semcom.ofdm_frame(semcom.ofdm_params(**params))


# ---- the blocks ----


def post(block, port: str, message) -> None:
    block.to_basic_block()._post(pmt.intern(port), message)


def symbols_pdu(symbols: np.ndarray, **metadata: int):
    entries = pmt.make_dict()
    for key, value in metadata.items():
        entries = pmt.dict_add(entries, pmt.intern(key), pmt.from_long(value))
    return pmt.cons(entries, pmt.init_c32vector(len(symbols), symbols.tolist()))


@pytest.mark.parametrize("continuous", [False, True])
def test_blocks_carry_pdus_and_finish(continuous: bool) -> None:
    rng = np.random.default_rng(17)
    modulator = semcom.burst_modulator(amplitude=0.3, gap=100, continuous=continuous)
    demodulator, store = semcom.burst_demodulator(sample_rate=2e6), blocks.message_debug()
    rotator = blocks.rotator_cc(2 * np.pi * 0.01)
    tb = gr.top_block()
    tb.connect(modulator, rotator, demodulator)
    tb.msg_connect(demodulator, "symbols", store, "store")
    sent = [gaussian(rng, n) for n in (4096, 1, 300, 4096, 50)]
    for i, symbols in enumerate(sent):
        post(modulator, "symbols", symbols_pdu(symbols, **{**FIELDS, "image_id": i}))
    post(modulator, "symbols", pmt.cons(pmt.PMT_NIL, pmt.init_c32vector(2, [1, 1j])))
    post(modulator, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.run()
    assert modulator.sent() == demodulator.bursts() == store.num_messages() == 6
    for i, symbols in enumerate(sent):
        metadata = pmt.car(store.get_message(i))
        got = pmt.to_python(metadata)
        assert {k: got[k] for k in FIELDS} == {**FIELDS, "image_id": i}
        assert got["n_symbols"] == len(got["noise_var"]) == len(symbols)
        assert got["cfo_hz"] == pytest.approx(2e4, abs=50)
        assert got["snr_db"] > 30
        assert pmt.is_f32vector(pmt.dict_ref(metadata, pmt.intern("noise_var"), pmt.PMT_NIL))
        received = np.array(pmt.c32vector_elements(pmt.cdr(store.get_message(i))))
        np.testing.assert_allclose(received, symbols, atol=0.1)


def test_burst_mode_marks_its_bursts() -> None:
    modulator, sink = semcom.burst_modulator(gap=101), blocks.vector_sink_c()
    tb = gr.top_block()
    tb.connect(modulator, sink)
    lengths = [4096, 10]
    for n in lengths:
        post(modulator, "symbols", symbols_pdu(np.ones(n, np.complex64)))
    post(modulator, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.run()
    ends = np.cumsum([semcom.ofdm_frame().burst_samples(n) + 101 for n in lengths])
    tags = sorted((t.offset, pmt.symbol_to_string(t.key)) for t in sink.tags())
    assert tags == [
        *((0, "tx_sob"), (50, "tx_burst"), (ends[0] - 1, "tx_eob")),
        *((ends[0], "tx_sob"), (ends[0] + 50, "tx_burst"), (ends[1] - 1, "tx_eob")),
    ]
    bursts = [pmt.to_python(t.value) for t in sink.tags() if pmt.symbol_to_string(t.key) == "tx_burst"]
    assert [(b["samples"], b["n_symbols"]) for b in bursts] == [
        (semcom.ofdm_frame().burst_samples(n), n) for n in lengths
    ]
    assert len(sink.data()) == ends[1]
    assert not np.any(sink.data()[:50]) and not np.any(sink.data()[-51:])


def test_modulator_tells_when_an_image_has_left() -> None:
    """Once for each image, after its last fragment or what was to be that, with the metadata of its PDU."""
    modulator, sink = semcom.burst_modulator(trailer=1000), blocks.null_sink(gr.sizeof_gr_complex)
    debug = blocks.message_debug(False)
    tb = gr.top_block()
    tb.connect(modulator, sink)
    tb.msg_connect(modulator, "sent", debug, "store")
    one = np.ones(1, np.complex64)
    for image, fragment, symbols in ((7, 0, one), (7, 1, one), (8, 1, np.ones(5000, np.complex64)), (9, 0, one)):
        post(modulator, "symbols", symbols_pdu(symbols, image_id=image, fragment=fragment, fragments=2))
    post(modulator, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.run()
    told = [pmt.to_python(debug.get_message(i)) for i in range(debug.num_messages())]
    assert [(t["image_id"], t["fragment"]) for t in told] == [(7, 1), (8, 1)]


def test_an_image_has_left_after_its_last_part() -> None:
    """Not after the last fragment of another part, be it sent or dropped."""
    modulator, sink = semcom.burst_modulator(), blocks.null_sink(gr.sizeof_gr_complex)
    debug = blocks.message_debug(False)
    tb = gr.top_block()
    tb.connect(modulator, sink)
    tb.msg_connect(modulator, "sent", debug, "store")
    fits, too_long = np.ones(1, np.complex64), np.ones(5000, np.complex64)
    for image, part, symbols in ((1, 0, fits), (1, 1, fits), (2, 0, too_long), (2, 1, too_long), (3, 0, fits)):
        keys = dict(image_id=image, part=part, parts=2, fragment=2, fragments=3)
        post(modulator, "symbols", symbols_pdu(symbols, **keys))
    # of a count without a last one
    post(modulator, "symbols", symbols_pdu(fits, image_id=4, fragment=2**63 - 1, fragments=-(2**63)))
    post(modulator, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.run()
    told = [pmt.to_python(debug.get_message(i)) for i in range(debug.num_messages())]
    assert [(t["image_id"], t["part"]) for t in told] == [(1, 1), (2, 1)]


def test_demodulator_holds_back_while_its_consumer_is_busy() -> None:
    """With two bursts at the consumer no third comes, and the samples wait; each one taken lets one more through."""
    bursts, length = 6, semcom.ofdm_frame().burst_samples(4096)
    modulator = semcom.burst_modulator(gap=256)
    demodulator = semcom.burst_demodulator(most_waiting=2)
    debug = blocks.message_debug(False)
    tb = gr.top_block()
    tb.connect(modulator, demodulator)
    tb.msg_connect(demodulator, "symbols", debug, "store")
    for i in range(bursts):
        post(modulator, "symbols", symbols_pdu(np.ones(4096, np.complex64), fragment=i, fragments=bursts + 1))
    post(modulator, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.start()
    over = threading.Thread(target=tb.wait)
    over.start()
    over.join(1.0)
    assert over.is_alive() and demodulator.waiting() == demodulator.bursts() == 2
    assert demodulator.samples() < 5 * (length + 256)
    while over.is_alive():
        demodulator.taken()
        over.join(0.02)
    assert demodulator.bursts() == bursts and demodulator.samples() == bursts * (length + 256)


def test_what_is_taken_before_it_is_put_is_taken() -> None:
    """Two threads tell the demodulator of one picture, in either order; nothing of it is left behind."""
    demodulator = semcom.burst_demodulator(most_waiting=2)
    for _ in range(3):
        demodulator.taken(8)
        assert demodulator.waiting() == 0
        demodulator.put(8)
        assert demodulator.waiting() == 0
    demodulator.put(8)
    assert demodulator.waiting() == 8


def test_modulator_drops_what_it_cannot_send() -> None:
    modulator, sink = semcom.burst_modulator(), blocks.null_sink(gr.sizeof_gr_complex)
    tb = gr.top_block()
    tb.connect(modulator, sink)
    one = np.ones(1, np.complex64)
    bad = [
        pmt.from_long(3),
        pmt.cons(pmt.make_dict(), pmt.make_u8vector(4, 0)),
        symbols_pdu(np.ones(0, np.complex64)),
        symbols_pdu(np.ones(4097, np.complex64)),
        symbols_pdu(one, image_id=65536),
        symbols_pdu(one, fragment=3, fragments=3),
        symbols_pdu(one, mcs=-1),
        pmt.cons(pmt.dict_add(pmt.make_dict(), pmt.intern("rate"), pmt.intern("x")), pmt.init_c32vector(1, [1])),
    ]
    for message in bad:
        post(modulator, "symbols", message)
    post(modulator, "symbols", symbols_pdu(one))
    post(modulator, "system", pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.run()
    assert (modulator.sent(), modulator.dropped()) == (1, len(bad))


GRC_BLOCKS = [
    ("samp_rate", "variable", {"value": "1e6"}),
    ("mod", "semcom_burst_modulator", {}),
    ("demod", "semcom_burst_demodulator", {}),
    ("store", "blocks_message_debug", {}),
]
GRC_CONNECTIONS = [["mod", "0", "demod", "0"], ["demod", "symbols", "store", "store"]]


def grc_flowgraph(fft_len: int) -> str:
    """A flowgraph of modulator and demodulator (JSON is YAML)."""
    state = {"coordinate": [8, 8], "rotation": 0, "state": "enabled"}
    options = {"id": "modem_grc", "generate_options": "no_gui", "output_language": "python"}
    return json.dumps(
        {
            "options": {"parameters": options, "states": state},
            "blocks": [
                {
                    "name": name,
                    "id": kind,
                    "parameters": {**parameters, **({"fft_len": str(fft_len)} if "semcom" in kind else {})},
                    "states": state,
                }
                for name, kind, parameters in GRC_BLOCKS
            ],
            "connections": GRC_CONNECTIONS,
            "metadata": {"file_format": 1},
        }
    )


@pytest.mark.skipif(shutil.which("grcc") is None, reason="GNU Radio Companion is not installed")
@pytest.mark.parametrize(("fft_len", "valid"), [(256, True), (100, False)])
def test_grc_builds_a_flowgraph_of_the_blocks(tmp_path: Path, fft_len: int, valid: bool) -> None:
    (tmp_path / "modem.grc").write_text(grc_flowgraph(fft_len))
    yml = Path(__file__).parent.parent / "grc"
    done = subprocess.run(
        ["grcc", "-o", str(tmp_path), str(tmp_path / "modem.grc")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GRC_BLOCKS_PATH": str(yml)},
        capture_output=True,
        text=True,
    )
    made = tmp_path / "modem_grc.py"
    assert made.exists() == valid, done.stdout + done.stderr
    if valid:
        assert "semcom.ofdm_params(fft_len=256" in made.read_text()
