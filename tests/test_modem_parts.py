# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the modem that plug into GNU Radio's own blocks: detector, header format, equaliser."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio import blocks, digital, gr, semcom
from test_burst_modem import FIELDS, air, gaussian

# ---- burst detector ----


def bursts_in_noise(rng: np.random.Generator, frame, snr_db: float, cfo: float) -> tuple[np.ndarray, list[int]]:
    """A stream of bursts of several lengths with and without gaps, and the first sample of each."""
    transmitter = semcom.burst_transmitter(frame)
    pieces, starts, at = [], [], 0
    for i, (n, gap) in enumerate([(1, 0), (4096, 900), (300, 0), (60, 1), (1000, 5000), (1, 0), (77, 0)]):
        burst = transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=n), gaussian(rng, n))
        starts.append(at)
        pieces += [burst, np.zeros(gap)]
        at += len(burst) + gap
    stream = np.concatenate(pieces)
    return air(rng, stream, frame, snr_db, cfo, before=0, after=0), starts


def detected(stream: np.ndarray, frame, chunk: int = 0, rate: float = 1e6) -> tuple[np.ndarray, list[dict], list[dict]]:
    """The samples that leave the detector, its tags as (offset, dictionary), and its messages."""
    tb = gr.top_block()
    source = blocks.vector_source_c(stream.tolist(), False)
    detector = semcom.burst_detector_cc(frame.params, rate)
    sink, messages = blocks.vector_sink_c(), blocks.message_debug()
    if chunk:
        source.set_max_noutput_items(chunk)
        detector.set_max_noutput_items(max(1, chunk // 3))
    tb.connect(source, detector, sink)
    tb.msg_connect(detector, "bursts", messages, "store")
    tb.run()
    tags = [(t.offset, pmt.to_python(t.value)) for t in sink.tags() if pmt.symbol_to_string(t.key) == "burst"]
    posted = [pmt.to_python(messages.get_message(i)) for i in range(messages.num_messages())]
    assert detector.bursts() == len(tags)
    return np.array(sink.data(), np.complex64), tags, posted


@pytest.mark.parametrize(("fft_len", "oversampling"), [(64, 1), (64, 4), (256, 1), (512, 8)])
def test_detector_marks_every_burst_on_its_first_sample(fft_len: int, oversampling: int) -> None:
    rng = np.random.default_rng(40)
    frame = semcom.ofdm_frame(semcom.ofdm_params(fft_len=fft_len, oversampling=oversampling))
    cfo = 1.7 / fft_len / oversampling
    stream, starts = bursts_in_noise(rng, frame, 10, cfo)
    samples, tags, posted = detected(stream, frame, rate=2e6)
    np.testing.assert_array_equal(samples, stream)
    assert [value for _, value in tags] == posted
    assert [offset for offset, _ in tags] == [value["sample"] for value in posted]
    assert len(tags) == len(starts)
    for start, (offset, value) in zip(starts, tags, strict=True):
        assert abs(offset - start) <= oversampling
        assert value["cfo_hz"] == pytest.approx(2e6 * cfo, abs=2e6 * 0.01 / fft_len / oversampling)
        assert value["snr_db"] == pytest.approx(10, abs=1.5)
        assert 0.5 < value["metric"] <= 1
        assert -frame.params.cp_len * oversampling <= value["timing"] <= 0


def test_detector_finds_bursts_at_0_db_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(41)
    frame = semcom.ofdm_frame()
    stream, starts = bursts_in_noise(rng, frame, 0, -0.04)
    _, tags, _ = detected(stream, frame)
    assert [abs(offset - start) <= 2 for start, (offset, _) in zip(starts, tags, strict=True)] == [True] * len(starts)
    noise = gaussian(rng, 1_000_000)
    samples, tags, posted = detected(noise, frame)
    np.testing.assert_array_equal(samples, noise)
    assert tags == posted == []


@pytest.mark.parametrize("chunk", [1, 61, 1000])
def test_detector_does_not_depend_on_how_the_stream_is_cut(chunk: int) -> None:
    rng = np.random.default_rng(42)
    frame = semcom.ofdm_frame()
    stream, starts = bursts_in_noise(rng, frame, 6, 0.02)
    _, expected, _ = detected(stream, frame)
    assert len(expected) == len(starts)
    samples, tags, posted = detected(stream, frame, chunk)
    np.testing.assert_array_equal(samples, stream)
    assert tags == expected
    assert posted == [value for _, value in expected]


@pytest.mark.parametrize("n", [0, 1, 100, 8192, 8193])
def test_detector_passes_every_sample_of_a_short_stream(n: int) -> None:
    stream = gaussian(np.random.default_rng(43), n)
    samples, tags, _ = detected(stream, semcom.ofdm_frame())
    np.testing.assert_array_equal(samples, stream)
    assert tags == []


# ---- header format ----


def generated(formatter, packets: list[tuple[int, dict]]) -> np.ndarray:
    """Header items that the stock generator makes for packets of the given lengths and tags."""
    tags, at = [], 0
    for length, fields in packets:
        for key, value in {"packet_len": length, **fields}.items():
            tag = gr.tag_t()
            tag.offset, tag.key, tag.value = at, pmt.intern(key), pmt.to_pmt(value)
            tags.append(tag)
        at += length
    tb = gr.top_block()
    source = blocks.vector_source_b([0] * at, False, 1, tags)
    generator = digital.packet_headergenerator_bb(formatter, "packet_len")
    sink = blocks.vector_sink_b()
    source.set_min_output_buffer(2 * max(length for length, _ in packets))
    tb.connect(source, generator, sink)
    tb.run()
    return np.array(sink.data(), np.uint8)


def parsed(formatter, items: np.ndarray) -> list:
    """What the stock parser posts for a stream of headers: a dictionary each, or False."""
    tb = gr.top_block()
    source = blocks.vector_source_b(items.tolist(), False)
    parser, messages = digital.packet_headerparser_b(formatter), blocks.message_debug()
    tb.connect(source, parser)
    tb.msg_connect(parser, "header_data", messages, "store")
    tb.run()
    return [pmt.to_python(messages.get_message(i)) for i in range(messages.num_messages())]


@pytest.mark.parametrize(("header_len", "bits_per_byte"), [(728, 1), (780, 1), (364, 2), (92, 8)])
def test_headers_pass_the_stock_generator_and_parser(header_len: int, bits_per_byte: int) -> None:
    formatter = semcom.burst_header_format(header_len, "packet_len", bits_per_byte, "frame_len", 48, 2)
    packets = [(4096, FIELDS), (1, {}), (100, {**FIELDS, "image_id": 7, "unknown": 3})]
    items = generated(formatter, packets)
    assert len(items) == 3 * header_len == 3 * formatter.header_len()
    assert items.max() < 2**bits_per_byte
    # the same cells as the modem sends
    codec = semcom.burst_header_codec(header_len * bits_per_byte)
    cells = codec.encode(semcom.burst_header(n_symbols=4096, **FIELDS))
    bits = np.unpackbits(items[:header_len, None], axis=1, bitorder="little")[:, :bits_per_byte].ravel()
    np.testing.assert_array_equal(bits, cells < 0)

    nothing = {**dict.fromkeys(FIELDS, 0), "parts": 1, "fragments": 1, "sealed": 0}
    assert parsed(formatter, items) == [
        {**FIELDS, "sealed": 0, "packet_len": 4096, "frame_len": 342},
        {**nothing, "packet_len": 1, "frame_len": 1},
        {**FIELDS, "image_id": 7, "sealed": 0, "packet_len": 100, "frame_len": 9},
    ]


def test_bit_errors_are_corrected_or_seen() -> None:
    rng = np.random.default_rng(44)
    formatter = semcom.burst_header_format()
    items = np.tile(generated(formatter, [(1000, FIELDS)]), 200)
    expected = {**FIELDS, "sealed": 0, "packet_len": 1000}
    few = parsed(formatter, items ^ (rng.random(len(items)) < 0.08))
    assert few == [expected] * 200
    many = parsed(formatter, items ^ (rng.random(len(items)) < 0.25))
    wrong = [header for header in many if header is not False]
    assert len(wrong) < 100 and all(header == expected for header in wrong)


def test_random_bits_are_no_header() -> None:
    rng = np.random.default_rng(45)
    formatter = semcom.burst_header_format()
    assert parsed(formatter, rng.integers(0, 2, 728 * 1000, np.uint8)) == [False] * 1000


def test_what_a_header_cannot_hold_is_lost_alone() -> None:
    formatter = semcom.burst_header_format()
    bad = [(4097, {}), (10, {"fragment": 5}), (10, {"part": 1}), (10, {"mcs": 64}), (10, {"rate": 2.5})]
    got = parsed(formatter, generated(formatter, [(5, FIELDS), *bad, (6, FIELDS)]))
    known = {**FIELDS, "sealed": 0}
    assert got == [{**known, "packet_len": 5}, *[False] * len(bad), {**known, "packet_len": 6}]


@pytest.mark.parametrize(
    "arguments", [dict(header_len=727), dict(header_len=0), dict(bits_per_byte=9), dict(carriers=0)]
)
def test_header_format_names_bad_parameters_in_a_sentence(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"^(The|A) .*\.$"):
        semcom.burst_header_format(**arguments)


# ---- equaliser ----

FFT, CP = 64, 16
PILOTS = [-21, -7, 7, 21]
DATA = [k for k in range(-26, 27) if k and k not in PILOTS]
PILOT_VALUES = [1, 1, 1, -1]
# constellation_qpsk() has points of power 4; the data here have power 1
QPSK = digital.constellation_calcdist(
    [(re + 1j * im) / np.sqrt(2) for im in (-1, 1) for re in (-1, 1)], [0, 1, 2, 3], 4, 1
)


class Frames:
    """Frames of ``rows`` QPSK symbols through three random paths, and the taps of one training symbol (all cells 1).

    ``turn`` is the carrier's advance in radians per symbol, ``ppm`` the clock's offset; ``snr_db`` is Es/N0 per
    carrier over the channel's mean.
    """

    def __init__(
        self, count: int, rows: int, snr_db: float, turn: float = 0.0, ppm: float = 0.0, seed: int = 50
    ) -> None:
        rng = np.random.default_rng(seed)
        self.noise_var = 10 ** (-snr_db / 10)
        used = np.array(sorted(DATA + PILOTS))
        paths = gaussian(rng, 3 * count).reshape(count, 3) * np.sqrt([0.6, 0.3, 0.1])
        self.channel = paths @ np.exp(-2j * np.pi / FFT * np.outer([0, 3, 9], np.arange(FFT) - FFT // 2))
        self.sent = np.zeros((count, rows, FFT), complex)
        self.sent[:, :, np.array(DATA) + FFT // 2] = (
            rng.choice([-1, 1], (count, rows, len(DATA), 2)) @ [1, 1j] / np.sqrt(2)
        )
        self.sent[:, :, np.array(PILOTS) + FFT // 2] = PILOT_VALUES
        noise = gaussian(rng, count * (rows + 1) * FFT, self.noise_var).reshape(count, rows + 1, FFT)
        drift = 2 * np.pi / FFT * (FFT + CP) * ppm * 1e-6 * (np.arange(FFT) - FFT // 2)
        phase = np.exp(1j * np.outer(np.arange(1, rows + 1), turn + drift))
        self.received = self.channel[:, None] * self.sent * phase + noise[:, 1:]
        self.taps = np.zeros((count, FFT), complex)
        self.taps[:, used + FFT // 2] = (self.channel + noise[:, 0])[:, used + FFT // 2]

    def through(self, equalizer, propagate: bool = False) -> np.ndarray:
        """What the stock frame equaliser makes of them with ``equalizer``: [count, rows, FFT].

        With ``propagate``, ``self.states`` holds the channel state after each frame: [count, FFT].
        """
        tags = []
        _count, rows, _ = self.received.shape
        for i, taps in enumerate(self.taps):
            for key, value in (
                ("frame_len", pmt.from_long(rows)),
                ("ofdm_sync_chan_taps", pmt.init_c32vector(FFT, taps)),
            ):
                tag = gr.tag_t()
                tag.offset, tag.key, tag.value = i * rows, pmt.intern(key), value
                tags.append(tag)
        tb = gr.top_block()
        source = blocks.vector_source_c(self.received.ravel().tolist(), False, FFT, tags)
        stage = digital.ofdm_frame_equalizer_vcvc(equalizer.base(), CP, "frame_len", propagate)
        sink = blocks.vector_sink_c(FFT)
        tb.connect(source, stage, sink)
        tb.run()
        states = [t.value for t in sink.tags() if pmt.symbol_to_string(t.key) == "ofdm_sync_chan_taps"]
        self.states = np.array([pmt.c32vector_elements(state) for state in states])
        return np.array(sink.data()).reshape(self.received.shape)

    def errors(self, got: np.ndarray) -> tuple[float, float]:
        """Symbol error rate and mean squared error of the data."""
        at = np.array(DATA) + FFT // 2
        sent, got = self.sent[:, :, at], got[:, :, at]
        wrong = (sent.real * got.real <= 0) | (sent.imag * got.imag <= 0)
        return np.mean(wrong), np.mean(np.abs(got - sent) ** 2)


def mmse(**more):
    return semcom.ofdm_equalizer_mmse(FFT, CP, [DATA], [PILOTS], [PILOT_VALUES], **more)


def simpledfe(alpha: float, soft: bool = True):
    return digital.ofdm_equalizer_simpledfe(FFT, QPSK.base(), [DATA], [PILOTS], [PILOT_VALUES], 0, alpha, True, soft)


def test_channel_matches_the_oracle() -> None:
    """LMMSE over the delays of the prefix from training and pilots, the noise known, in NumPy."""
    frames = Frames(100, 20, 10)
    frames.through(mmse(), propagate=True)
    used = np.array(sorted(DATA + PILOTS))
    margin = FFT // 32
    basis = np.exp(-2j * np.pi / FFT * np.outer(used, np.arange(-margin, CP + 1 + margin)))
    weights = np.where(np.isin(used, PILOTS), 21, 1)
    ratio = []
    for taps, received, truth, state in zip(frames.taps, frames.received, frames.channel, frames.states, strict=True):
        sums = taps[used + FFT // 2]
        for k, value in zip(PILOTS, PILOT_VALUES, strict=True):
            sums[used == k] += np.sum(received[:, k + FFT // 2]) * value
        power = np.sum(np.abs(sums) ** 2 / weights) - len(used) * frames.noise_var
        ridge = frames.noise_var * np.sum(weights) * basis.shape[1] / power
        gram = basis.conj().T @ (weights[:, None] * basis) + ridge * np.eye(basis.shape[1])
        oracle = basis @ np.linalg.solve(gram, basis.conj().T @ sums)
        got = state[used + FFT // 2]
        # the equaliser tracks the phase to the last symbol; the oracle knows that there is none
        got = got * np.exp(-1j * np.angle(np.vdot(oracle, got)))
        ratio.append(np.sum(np.abs(got - oracle) ** 2) / np.sum(np.abs(oracle - truth[used + FFT // 2]) ** 2))
    assert np.median(ratio) < 0.1


@pytest.mark.parametrize("snr_db", [5, 10, 15])
@pytest.mark.parametrize("turn", [0.0, 0.05])
def test_equalizer_is_better_than_the_stock_one_at_its_best(snr_db: float, turn: float) -> None:
    frames = Frames(60, 20, snr_db, turn)
    alphas = (0.1, 0.5, 0.8, 0.9, 0.95)
    stock = np.array([frames.errors(frames.through(simpledfe(alpha, soft=False))) for alpha in alphas])
    best_rate, best_error = stock.min(axis=0)
    blind, informed = mmse(), mmse(constellation=QPSK.base(), unbiased=False)
    rate, _ = frames.errors(frames.through(blind))
    assert rate < 0.9 * best_rate
    rate_informed, error = frames.errors(frames.through(informed))
    assert rate_informed < 0.75 * best_rate
    assert error < best_error
    for equalizer in (blind, informed):
        assert 10 * np.log10(equalizer.noise_var() / frames.noise_var) == pytest.approx(0, abs=1)


def test_equalizer_follows_phase_and_clock() -> None:
    frames = Frames(20, 30, 45, turn=0.3, ppm=40)
    got = frames.through(mmse())
    at = np.array(DATA) + FFT // 2
    error = np.abs(got - frames.sent)[:, :, at] ** 2 * np.abs(frames.channel[:, None, at]) ** 2 / frames.noise_var
    assert np.median(error) < 2
    last = np.median(error[:, -1])
    assert last < 4


def test_equalizer_survives_garbage() -> None:
    frames = Frames(4, 5, 20)
    frames.received[0] = np.nan
    frames.received[1] = 1e30
    frames.received[2] = 0
    frames.taps[2] = 0
    got = frames.through(mmse(constellation=QPSK.base()))[:, :, np.array(DATA) + FFT // 2]
    assert np.all(np.isfinite(got))
    assert np.mean(np.abs(got[3] - frames.sent[3][:, np.array(DATA) + FFT // 2]) ** 2) < 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        (4, 1),
        (64, 64),
        (64, 16, [[99]]),
        (64, 16, [[1]], [[2, 3]], [[1]]),
        (64, 16, [[1]], [[2]], []),
        (64, 16, [], [], [], -1),
        (64, 16, [], [], [], 0, None, True, 0.0),
    ],
)
def test_equalizer_names_bad_parameters_in_a_sentence(arguments: tuple) -> None:
    with pytest.raises(ValueError, match=r"^(The|There) .*\.$"):
        semcom.ofdm_equalizer_mmse(*arguments)
