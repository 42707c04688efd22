# SPDX-License-Identifier: GPL-3.0-or-later
"""What cheap radios and a moving antenna do to bursts: spurs, DC offset, tones beside the band, Doppler."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import semcom_python as native

FRAME = semcom.ofdm_frame()
PILOT, DATA = 8, 7  # carrier numbers


def gaussian(rng: np.random.Generator, n: int, power: float = 1.0) -> np.ndarray:
    """``n`` circular complex Gaussian values of mean power ``power``, complex64."""
    return (rng.standard_normal(2 * n, dtype=np.float32) * np.float32(np.sqrt(power / 2))).view(np.complex64)


def tone(frequency: float, n: int, dbc: float, start: int = 0) -> np.ndarray:
    """A carrier at ``frequency`` cycles per sample, ``dbc`` dB over a burst."""
    return 10 ** (dbc / 20) * np.exp(2j * np.pi * (frequency * (start + np.arange(n)) + 0.3))


def information(sent: np.ndarray, got) -> float:
    """Bits per symbol under the receiver's own noise variances (Gaussian input): wrong variances lower it."""
    variance = got.noise_var.astype(float)
    metric = np.abs(got.symbols) ** 2 / (1 + variance) - np.abs(got.symbols - sent) ** 2 / variance
    return float(np.mean(np.log2(1 + 1 / variance) + metric / np.log(2)))


def through(
    count: int, snr_db: float, add=None, impair=None, n: int = 2000, frame=FRAME, cfo: float = 0.0, seed: int = 1
) -> list[tuple[np.ndarray, object | None]]:
    """``count`` bursts through one receiver: what was sent and what was received, or None.

    ``impair(rng, x)`` is done to each burst, ``add(n, start)`` is added to the stream.
    """
    rng = np.random.default_rng(seed)
    transmitter, receiver = semcom.burst_transmitter(frame), semcom.burst_receiver(frame)
    start, pairs = 0, []
    for i in range(count):
        symbols = gaussian(rng, n)
        header = semcom.burst_header(image_id=i, n_symbols=n)
        x = np.pad(transmitter.modulate(header, symbols), (rng.integers(200, 700), 200)).astype(complex)
        x = impair(rng, x) if impair else x
        x = x * np.exp(2j * np.pi * (cfo * np.arange(len(x)) + rng.random()))
        x += gaussian(rng, len(x), frame.noise_voltage(snr_db) ** 2)
        if add:
            x += add(len(x), start)
        start += len(x)
        got = [burst for burst in receiver.work(x.astype(np.complex64)) if burst.header == header]
        pairs.append((symbols, got[0] if got else None))
    return pairs


# ---- noise by carrier ----


def oracle_noise(energy: np.ndarray, observations: float) -> tuple[float, np.ndarray]:
    """The mean of the carriers that agree with it, and the share of each, from the definition."""
    common = np.median(energy) / (1 - 1 / (9 * observations)) ** 3
    for _ in range(4):
        ratio = energy / common
        own = (ratio > 1) & (observations * (ratio - 1 - np.log(ratio)) > 7)
        common = energy[~own].mean()
    ratio = energy / common
    own = (ratio > 1) & (observations * (ratio - 1 - np.log(ratio)) > 7)
    return common, np.where(own, common / energy, 1)


def test_noise_of_carriers_matches_the_oracle() -> None:
    rng = np.random.default_rng(2)
    for disturbed in (0, 1, 5, 20):
        for observations in (7, 22, 90):
            energy = rng.gamma(observations, 0.01 / observations, 56)
            energy[rng.choice(56, disturbed, replace=False)] *= rng.uniform(20, 1000, disturbed)
            common, weight = native.carrier_noise(energy, observations)
            expected_common, expected_weight = oracle_noise(energy, observations)
            assert common == pytest.approx(expected_common, rel=1e-6)
            np.testing.assert_allclose(weight, expected_weight, rtol=1e-5)
            assert np.count_nonzero(weight < 1) == disturbed
            assert common == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize("carrier", [DATA, PILOT, -7, 28, -28])
@pytest.mark.parametrize("dbc", [-30, -20, -10, 0])
def test_a_spur_takes_no_more_than_its_carrier(carrier: int, dbc: float) -> None:
    """One burst after another, the spur's phase drawn anew in each: no canceller can follow it."""

    def impair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        return x + tone(carrier / 64, len(x), dbc, int(rng.integers(1 << 20)))

    for symbols, got in through(4, 20, impair=impair, seed=3):
        assert got is not None
        assert got.snr_db == pytest.approx(20, abs=1.5)
        # one carrier of 52 is 2 % of the information; the rest is what there is without the spur
        assert information(symbols, got) > 0.95 * np.log2(1 + 100)


def test_the_disturbed_symbols_are_told_apart() -> None:
    def impair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        return x + tone(DATA / 64, len(x), -17)

    ((symbols, got),) = through(1, 20, impair=impair, n=4096)
    loud = got.noise_var > 10 * np.median(got.noise_var)
    assert np.count_nonzero(loud) == pytest.approx(4096 / 52, abs=2)
    error = np.abs(got.symbols - symbols) ** 2
    for group in (loud, ~loud):
        assert np.mean(error[group]) == pytest.approx(np.mean(got.noise_var[group]), rel=0.35)


# ---- carriers in the stream ----


def test_a_stream_without_carriers_passes_unchanged() -> None:
    rng = np.random.default_rng(4)
    burst = semcom.burst_transmitter().modulate(semcom.burst_header(n_symbols=4096), gaussian(rng, 4096))
    stream = np.concatenate([gaussian(rng, 30_000), burst, np.zeros(5000), burst, burst]).astype(np.complex64)
    canceller = native.line_canceller()
    np.testing.assert_array_equal(canceller.work(stream), stream)
    assert canceller.lines == []


@pytest.mark.parametrize(
    ("frequencies", "dbc"), [([0.0], 20), ([0.47], 15), ([-0.231], 0), ([0.0, 0.31, 0.33, -0.45], 10)]
)
def test_carriers_are_taken_out_to_the_accuracy_of_least_squares(frequencies: list[float], dbc: float) -> None:
    """Beside noise of the same samples: what is left of a carrier is what the notch itself lets through."""
    rng = np.random.default_rng(5)
    noise = gaussian(rng, 60_000, 0.02)
    stream = noise + sum(tone(f, len(noise), dbc) for f in frequencies)
    canceller = native.line_canceller()
    error = np.abs(canceller.work(stream.astype(np.complex64)) - noise) ** 2
    found = sorted(frequency - round(frequency) for frequency, _ in canceller.lines)
    np.testing.assert_allclose(found, sorted(frequencies), atol=1e-5)
    np.testing.assert_allclose([power for _, power in canceller.lines], 10 ** (dbc / 10), rtol=0.05)
    # while the loop settles, then; a loop of gain g lets g / 2 of the noise through
    assert error[:20_000].mean() < 0.015 * 0.02 * len(frequencies)
    assert error[20_000:].mean() < 0.002 * 0.02 * len(frequencies)


def test_what_is_taken_out_does_not_depend_on_how_the_stream_is_cut() -> None:
    rng = np.random.default_rng(6)
    stream = (gaussian(rng, 40_000) + tone(0.0, 40_000, 10) + tone(0.41, 40_000, 3)).astype(np.complex64)
    stream[25_000:25_010] = np.nan
    whole = native.line_canceller().work(stream)
    canceller, pieces, at = native.line_canceller(), [], 0
    while at < len(stream):
        step = int(rng.choice([1, 7, 100, 3000]))
        pieces.append(canceller.work(stream[at : at + step]))
        at += step
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert np.isfinite(whole[25_010:]).all()


def test_a_carrier_that_jumps_or_ends_is_caught_again() -> None:
    rng = np.random.default_rng(7)
    noise = gaussian(rng, 60_000, 0.02)
    carrier = tone(0.0, 60_000, 20)
    carrier[30_000:] *= -1j
    carrier[45_000:] = 0
    error = np.abs(native.line_canceller().work((noise + carrier).astype(np.complex64)) - noise) ** 2
    assert error[32_000:45_000].mean() < 0.1 * 0.02
    assert error[47_000:].mean() < 0.1 * 0.02


@pytest.mark.parametrize("dbc", [0, 9, 15, 20])
@pytest.mark.parametrize(("fft_len", "oversampling"), [(64, 1), (64, 4), (256, 1), (512, 2)])
def test_a_dc_offset_hides_no_burst(dbc: float, fft_len: int, oversampling: int) -> None:
    frame = semcom.ofdm_frame(semcom.ofdm_params(fft_len=fft_len, oversampling=oversampling))
    for cfo in (0.0, 0.9 / fft_len / oversampling):
        pairs = through(4, 20, add=lambda n, start: tone(0.0, n, dbc), frame=frame, cfo=cfo)
        for symbols, got in pairs:
            assert got is not None
            assert got.snr_db == pytest.approx(20, abs=1)
            assert information(symbols, got) > 0.95 * np.log2(1 + 100)


@pytest.mark.parametrize("bin_number", [28.8, 30.08, -31.36])
@pytest.mark.parametrize("dbc", [5, 15])
def test_a_tone_outside_the_band_hides_no_burst(bin_number: float, dbc: float) -> None:
    for symbols, got in through(4, 20, add=lambda n, start: tone(bin_number / 64, n, dbc, start)):
        assert got is not None
        assert got.snr_db == pytest.approx(20, abs=1)
        assert information(symbols, got) > 0.95 * np.log2(1 + 100)


def test_detection_at_0_db_is_the_same_beside_dc_and_a_tone() -> None:
    pairs = through(100, 0, add=lambda n, start: tone(0.0, n, 20) + tone(0.47, n, 15, start), n=300, cfo=0.02)
    assert all(got is not None for _, got in pairs)


# ---- motion ----

EPA = np.array([0, 30, 70, 90, 110, 190, 410]) * 1e-3, np.array([0, -1, -2, -3, -8, -17.2, -20.8])  # us, dB
FLAT = np.array([0.0]), np.array([0.0])


class Motion:
    """Rayleigh paths of Clarke's spectrum at 1 Msps, and what ideal knowledge of them is worth (bits per symbol)."""

    def __init__(self, profile: tuple[np.ndarray, np.ndarray], doppler_hz: float, snr_db: float) -> None:
        self.delays, power = profile[0], 10 ** (profile[1] / 10)
        self.amplitudes = np.sqrt(power / power.sum())
        self.doppler, self.snr = doppler_hz * 1e-6, 10 ** (snr_db / 10)
        self.ideal: list[float] = []

    def __call__(self, rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        size = 1 << int(np.ceil(np.log2(len(x) + 64)))
        spectrum, frequency = np.fft.fft(x, size), np.fft.fftfreq(size)
        knots = np.linspace(0, len(x), 33)
        out, cells = np.zeros(len(x), complex), 0
        for amplitude, delay in zip(self.amplitudes, self.delays, strict=True):
            shift = self.doppler * np.cos(rng.uniform(0, 2 * np.pi, 16))
            gain = amplitude * (gaussian(rng, 16) / 4 @ np.exp(2j * np.pi * np.outer(shift, knots)))
            delayed = np.fft.ifft(spectrum * np.exp(-2j * np.pi * frequency * delay))[: len(x)]
            out += delayed * np.interp(np.arange(len(x)), knots, gain)
            cells = cells + np.outer(gain, np.exp(-2j * np.pi * np.array(FRAME.carriers)[FRAME.data] / 64 * delay))
        self.ideal.append(float(np.mean(np.log2(1 + self.snr * np.abs(cells) ** 2))))
        return out

    def loss_db(self, pairs: list) -> list[float]:
        """Of each burst, against ideal knowledge."""
        return [
            np.inf if got is None else 10 * np.log10((2**ideal - 1) / max(2 ** information(sent, got) - 1, 1e-9))
            for (sent, got), ideal in zip(pairs, self.ideal, strict=True)
        ]


@pytest.mark.parametrize("profile", [FLAT, EPA], ids=["flat", "epa"])
@pytest.mark.parametrize(("doppler", "limit"), [(0, 0.15), (5, 0.4), (50, 1.0), (100, 1.8)])
@pytest.mark.parametrize("snr_db", [10, 20])
def test_a_moving_channel_is_followed(profile, doppler: float, limit: float, snr_db: float) -> None:
    motion = Motion(profile, doppler, snr_db)
    pairs = through(40, snr_db, impair=motion, n=4096, cfo=0.01, seed=8)
    assert np.median(motion.loss_db(pairs)) < limit


def test_motion_and_phase_noise_together() -> None:
    motion = Motion(FLAT, 50, 15)

    def impair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        walk = np.cumsum(rng.standard_normal(len(x)) * np.sqrt(2 * np.pi * 20 * 1e-6))
        return motion(rng, x) * np.exp(1j * walk)

    assert np.median(motion.loss_db(through(40, 15, impair=impair, n=4096, seed=9))) < 2


def test_path_of_the_channel_is_near_the_oracle() -> None:
    """LMMSE over all known cells with the true covariance (two paths, Clarke's spectrum), in NumPy."""
    rng = np.random.default_rng(10)
    rows, training, noise, cycles = 60, 22, 0.05, 0.4
    carriers = np.array(FRAME.carriers)
    cells = [(i, k) for i in range(rows) for k in (range(56) if i < training else FRAME.pilots)]
    time, place = np.array(cells).T
    lags = np.subtract.outer(np.arange(rows), np.arange(rows)) / rows
    angles = 2 * np.pi * (np.arange(200) + 0.5) / 200
    in_time = np.mean(np.cos(2 * np.pi * cycles * lags[..., None] * np.cos(angles)), axis=-1)
    delays, powers = np.array([0, 2]), np.array([0.7, 0.3])
    steering = np.exp(-2j * np.pi / 64 * np.outer(carriers, delays))
    in_band = steering * powers @ steering.conj().T
    full = np.kron(in_time, in_band)
    seen_at = time * 56 + place
    gain = full[:, seen_at] @ np.linalg.inv(full[np.ix_(seen_at, seen_at)] + noise * np.eye(len(cells)))
    root = np.linalg.cholesky(in_time + 1e-9 * np.eye(rows))
    ours, oracle, expected = [], [], []
    for _ in range(20):
        paths = root @ gaussian(rng, rows * 2).reshape(rows, 2) * np.sqrt(powers)
        truth = (paths @ steering.T).ravel()
        seen = truth[seen_at] + gaussian(rng, len(cells), noise)
        rest = seen[: training * 56].reshape(training, 56).mean(axis=0)
        path, variance, used, _ = native.channel_motion(FRAME, seen, rows, training, rest, np.ones(56), noise)
        ours.append(np.mean(np.abs(path - truth) ** 2))
        expected.append(np.mean(variance))
        oracle.append(np.mean(np.abs(gain @ seen - truth) ** 2))
        assert 2 < used < 60
    # which knows the delays and the Doppler spectrum; without them some of the accuracy is lost
    assert np.mean(ours) < 4 * np.mean(oracle)
    assert np.mean(expected) == pytest.approx(np.mean(ours), rel=0.5)


# ---- what the converter delivers ----


def test_swapped_i_and_q_are_recognised_and_nothing_else_is() -> None:
    rng = np.random.default_rng(11)
    transmitter = semcom.burst_transmitter()
    stream = gaussian(rng, 60_000, 0.05)
    for i in range(5):
        burst = transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=1000), gaussian(rng, 1000))
        stream[10_000 * i + 700 :][: len(burst)] += burst * np.exp(0.02j * np.arange(len(burst)))
    counters = []
    for samples in (stream, stream.imag + 1j * stream.real, gaussian(rng, 500_000)):
        receiver = semcom.burst_receiver()
        receiver.work(samples.astype(np.complex64))
        counters.append((receiver.counters["bursts"], receiver.counters["swapped"]))
    assert counters == [(5, 0), (0, 5), (0, 0)]


@pytest.mark.parametrize("swap_iq", [False, True])
def test_a_receiver_says_that_i_and_q_are_swapped(swap_iq: bool) -> None:
    rng = np.random.default_rng(12)
    burst = semcom.burst_transmitter().modulate(semcom.burst_header(n_symbols=500), gaussian(rng, 500))
    stream = np.tile(np.pad(burst, (500, 500)), 4) + gaussian(rng, 4 * (len(burst) + 1000), 0.05)
    source = blocks.vector_source_c((1j * stream.conj()).tolist())
    demodulator, store = semcom.burst_demodulator(swap_iq=swap_iq), blocks.message_debug(False)
    tb = gr.top_block()
    tb.connect(source, demodulator)
    tb.msg_connect(demodulator, "status", store, "store")
    tb.run()
    assert demodulator.bursts() == (4 if swap_iq else 0)
    said = [pmt.to_python(store.get_message(i)) for i in range(store.num_messages())]
    if swap_iq:
        assert said == []
    else:
        assert "swapped" in said[0]["status"] and "--swap-iq" in said[0]["status"]


@pytest.mark.parametrize("amplitude", [0.02, 0.3, 2.0])
def test_level_and_clipping_are_reported(amplitude: float) -> None:
    """A converter of 12 bits and full scale 1 clips a good deal of the largest stream, and nothing of the others."""
    rng = np.random.default_rng(13)
    burst = semcom.burst_transmitter().modulate(semcom.burst_header(n_symbols=2000), gaussian(rng, 2000))
    stream = amplitude * (np.pad(burst, (600, 600)) + gaussian(rng, len(burst) + 1200, 0.01))
    parts = np.clip(np.round(stream.view(np.float32) * 2048), -2048, 2047) / 2048
    stream = parts.astype(np.float32).view(np.complex64)
    (got,) = semcom.burst_receiver().work(stream)
    inside = stream[600 : 600 + len(burst)]
    assert got.level_db == pytest.approx(10 * np.log10(np.mean(np.abs(inside) ** 2)), abs=0.2)
    at_rails = np.mean(np.abs(inside.view(np.float32)) > 0.999)
    assert got.clipped == pytest.approx(at_rails if amplitude > 1 else 0, rel=0.02)


# ---- carriers that bursts hide ----


@pytest.mark.parametrize("dbc", [-15, -10])
@pytest.mark.parametrize("carrier", [-27, -13, 3])
def test_a_carrier_heard_before_is_not_let_go_within_a_burst(carrier: int, dbc: float) -> None:
    """Of bursts close to one another, each tells what it would without the carrier, less that of one in 56."""
    rng, transmitter = np.random.default_rng(9), semcom.burst_transmitter(FRAME)
    sent = [gaussian(rng, 4096) for _ in range(24)]
    made = [
        np.pad(transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=4096), symbols), (400, 200))
        for i, symbols in enumerate(sent)
    ]
    x = np.pad(np.concatenate(made), (50_000, 0))
    x = x + gaussian(rng, len(x), FRAME.noise_voltage(20) ** 2) + tone(carrier / 64, len(x), dbc)
    received = semcom.burst_receiver(FRAME).work(x.astype(np.complex64))
    assert len(received) == len(sent)
    assert min(information(sent[burst.header.image_id], burst) for burst in received) > 6.4


# ---- samples that a driver drops ----


@pytest.mark.parametrize("dropped", [0, 1, 2, 16, 64, 150])
def test_noise_variances_are_true_of_a_burst_of_which_samples_were_dropped(dropped: int) -> None:
    """What was sent before the gap is worth what it is worth without one, and the rest is not trusted."""
    before: list[float] = []

    def impair(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        begin, end = 700 + FRAME.burst_samples(0), len(x) - 200
        at = int(rng.integers(begin + (end - begin) // 4, end - (end - begin) // 4))
        before.append((at - begin) / (end - begin))
        return np.delete(x, slice(at, at + dropped))

    pairs = through(30, 20, impair=impair, n=4096)
    kept = [(share, sent, got) for share, (sent, got) in zip(before, pairs, strict=True) if got is not None]
    assert len(kept) == 30
    ratios = [np.mean(np.abs(got.symbols - sent) ** 2 / got.noise_var) for _, sent, got in kept]
    assert 0.7 < np.median(ratios) < 1.5
    # the silence before a burst is of 200 to 700 samples, so that the share is known to some 5 %; a turn by one sample
    # looks like a moving channel to the four pilots now and then
    worth = [information(sent, got) > 6.2 * (1 if dropped == 0 else share - 0.15) for share, sent, got in kept]
    assert sum(worth) >= 29


@pytest.mark.parametrize("dropped", [256, 1000, 4000])
def test_samples_dropped_within_a_burst_cost_that_burst_alone(dropped: int) -> None:
    """The next one begins before the end that its header announced."""
    rng = np.random.default_rng(8)
    transmitter, receiver = semcom.burst_transmitter(FRAME), semcom.burst_receiver(FRAME)
    pieces = []
    for number in range(20):
        header = semcom.burst_header(image_id=number, n_symbols=4096)
        x = np.pad(transmitter.modulate(header, gaussian(rng, 4096)), 200)
        at = rng.integers(1500, len(x) - 300 - dropped)
        pieces.append(np.delete(x, slice(at, at + dropped)) if number % 2 == 0 else x)
    x = np.concatenate(pieces)
    x = (x + gaussian(rng, len(x), FRAME.noise_voltage(20) ** 2)).astype(np.complex64)
    heard = {burst.header.image_id for burst in receiver.work(x)}
    assert set(range(1, 20, 2)) <= heard


# ---- others who send for a moment ----


@pytest.mark.parametrize(("dbc", "length", "period"), [(0, 20, 1000), (10, 20, 1000), (20, 20, 1500), (10, 100, 4000)])
def test_pulses_cost_the_ofdm_symbols_that_they_are_in(dbc: float, length: int, period: int) -> None:
    """Symbols that are disturbed are told apart: what the burst is worth goes with the share of the others."""
    rng = np.random.default_rng(12)

    def add(n: int, start: int) -> np.ndarray:
        on = (start + np.arange(n)) % period < length
        return on * gaussian(rng, n, 10 ** (dbc / 10))

    kept = [(sent, got) for sent, got in through(30, 20, add=add, n=4096) if got is not None]
    assert len(kept) > 10
    # a pulse lies in one or two symbols of 80 samples
    share = 1 - (length + 80) / period
    assert np.median([information(sent, got) for sent, got in kept]) > 6.5 * share
    ratios = [np.mean(np.abs(got.symbols - sent) ** 2 / got.noise_var) for sent, got in kept]
    assert 0.8 < np.median(ratios) < 1.3
    assert np.median([got.snr_db for _, got in kept]) == pytest.approx(20 + 10 * np.log10(share), abs=0.6)
