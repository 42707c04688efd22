# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the burst modem and writes one row per figure to results/modem.json.

Run it with no argument for all rows (some 15 minutes on one core), or with ``--only ROW`` for one of them.
Es/N0 is 10 log10(E|x|^2 / E|n|^2) per carrier, complex noise; every burst carries 4,096 Gaussian symbols unless a row
says otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pmt
from gnuradio import blocks, digital, gr, semcom

from common import arguments, by_rows

FULL = 4096
RATE = 1e6
MAX_CFO = 48e3

# 3GPP TS 36.101 annex B.2: delays in ns, relative powers in dB
PROFILES = {
    "EPA": ([0, 30, 70, 90, 110, 190, 410], [0, -1, -2, -3, -8, -17.2, -20.8]),
    "EVA": ([0, 30, 150, 310, 370, 710, 1090, 1730, 2510], [0, -1.5, -1.4, -3.6, -0.6, -9.1, -7, -12, -16.9]),
}


def gaussian(rng: np.random.Generator, n: int, power: float = 1.0) -> np.ndarray:
    """``n`` circular complex Gaussian values of mean power ``power``, complex64."""
    return (rng.standard_normal(2 * n, dtype=np.float32) * np.float32(np.sqrt(power / 2))).view(np.complex64)


def noisy(rng: np.random.Generator, x: np.ndarray, frame, snr_db: float, cfo: float) -> np.ndarray:
    """``x`` turned by ``cfo`` cycles per sample from a random phase on, in noise of the given Es/N0."""
    turn = np.exp(2j * np.pi * (cfo * np.arange(len(x)) + rng.random()))
    return (x * turn + gaussian(rng, len(x), frame.noise_voltage(snr_db) ** 2)).astype(np.complex64)


def sinr(sent: np.ndarray, got: np.ndarray) -> float:
    """Signal to interference and noise after the best complex gain (linear)."""
    power = np.vdot(sent, sent).real
    gain = np.vdot(sent, got) / power
    return abs(gain) ** 2 * power / np.sum(np.abs(got - gain * sent) ** 2)


def resample(x: np.ndarray, ppm: float, half: int = 12) -> np.ndarray:
    """``x`` at instants stretched by ``ppm`` parts per million (Hann-windowed sinc of 2 ``half`` taps)."""
    instant = np.arange(len(x)) * (1 + ppm * 1e-6)
    whole = np.floor(instant).astype(int)
    part = instant - whole
    padded = np.pad(x, half + 1)
    out = np.zeros(len(x), complex)
    for tap in range(1 - half, half + 1):
        offset = part - tap
        weight = np.sinc(offset) * (0.5 + 0.5 * np.cos(np.pi * offset / (half + 1)))
        out += padded[np.minimum(whole + tap + half + 1, len(padded) - 1)] * weight
    return out


def wiener_phase(rng: np.random.Generator, n: int, linewidth_hz: float, rate: float) -> np.ndarray:
    """Phase of an oscillator of Lorentzian linewidth ``linewidth_hz`` (full width at half maximum)."""
    return np.cumsum(rng.standard_normal(n) * np.sqrt(2 * np.pi * linewidth_hz / rate))


def bursts(
    count: int, snr_db: float, seed: int, impair: Callable | None = None, frame=None, n: int = FULL
) -> Iterator[tuple[np.ndarray, object | None]]:
    """``count`` bursts through offset and noise: the symbols sent and the burst received, or None."""
    rng = np.random.default_rng(seed)
    frame = frame or semcom.ofdm_frame()
    transmitter, receiver = semcom.burst_transmitter(frame), semcom.burst_receiver(frame)
    for i in range(count):
        symbols = gaussian(rng, n)
        header = semcom.burst_header(image_id=i % 65536, n_symbols=n)
        x = np.pad(transmitter.modulate(header, symbols), (rng.integers(200, 400), 200))
        if impair:
            x, cfo = impair(rng, x)
        else:
            cfo = rng.uniform(-MAX_CFO, MAX_CFO) / RATE
        got = [b for b in receiver.work(noisy(rng, x, frame, snr_db, cfo)) if b.header == header]
        yield symbols, got[0] if got else None


def detection(snr_db: float, count: int = 10000) -> dict:
    """Bursts of 520 symbols found with their header decoded, carrier offset uniform within +-48 kHz at 1 Msps."""
    found = sum(got is not None for _, got in bursts(count, snr_db, seed=1, n=520))
    return {"esn0_db": snr_db, "bursts": count, "symbols": 520, "delivered": found, "fraction": found / count}


def lowest(count: int = 2000) -> dict:
    """How low it goes: the fraction delivered below 0 dB, 2,000 bursts a point."""
    return {"fraction_by_esn0_db": {str(snr): detection(snr, count)["fraction"] for snr in (-5, -4, -3, -2, -1)}}


def false_alarms(samples: int = 100_000_000) -> dict:
    """White noise in, anything out: preambles believed by the second stage, headers decoded, bursts delivered."""
    rng = np.random.default_rng(2)
    receiver = semcom.burst_receiver()
    piece = 1_000_000
    for _ in range(samples // piece):
        receiver.work(gaussian(rng, piece))
    return {"noise_samples": samples, **receiver.counters}


def awgn(count: int = 500) -> dict:
    """SINR after equalisation (mean over bursts) and single-burst SNR reports, AWGN with carrier offset."""
    rows = {}
    for snr in (0, 5, 10, 15, 20, 25):
        values, reports = [], []
        for symbols, got in bursts(count, snr, seed=3):
            if got is not None:
                values.append(sinr(symbols, got.symbols))
                reports.append(got.snr_db)
        rows[str(snr)] = {
            "sinr_db": round(float(10 * np.log10(np.mean(values))), 3),
            "mean_report_db": round(float(np.mean(reports)), 3),
            "reports_within_1_db": float(np.mean(np.abs(np.array(reports) - snr) <= 1)),
            "delivered": len(values),
        }
    return {"bursts_per_point": count, "by_esn0_db": rows}


def oscillator(count: int = 10000) -> dict:
    """10 dB; 20 ppm carrier (at 2.4 GHz) and sampling offset of either sign, 100 Hz phase-noise linewidth, 1 Msps."""

    def impair(rng: np.random.Generator, x: np.ndarray) -> tuple[np.ndarray, float]:
        ppm = 20 * rng.choice([-1, 1])
        x = resample(x, ppm)
        return x * np.exp(1j * wiener_phase(rng, len(x), 100, RATE)), ppm * 1e-6 * 2.4e9 / RATE

    values = [
        None if got is None else sinr(symbols, got.symbols) for symbols, got in bursts(count, 10, seed=4, impair=impair)
    ]
    kept = [v for v in values if v is not None]
    return {
        "bursts": count,
        "lost": count - len(kept),
        "lost_fraction": 1 - len(kept) / count,
        "mean_sinr_db": round(float(10 * np.log10(np.mean(kept))), 3),
        "bursts_under_6_db_sinr": int(np.sum(np.array(kept) < 10**0.6)),
    }


def fading(profile: str, fft_len: int = 512, draws: int = 1000, rate: float = 7.68e6, doppler: float = 5.0) -> dict:
    """Capacity-equivalent SINR beside ideal CSI at 10 dB: Rayleigh taps, classical Doppler, 7.68 Msps.

    The receiver's rate is the generalised mutual information of its symbols under its own noise variances (Gaussian
    input and metric), which a wrong noise variance lowers; ideal CSI is the mean of log2(1 + |H|^2 Es/N0).
    """
    frame = semcom.ofdm_frame(semcom.ofdm_params(fft_len=fft_len))
    delays, powers = (np.array(v, float) for v in PROFILES[profile])
    amplitude = np.sqrt(10 ** (powers / 10) / np.sum(10 ** (powers / 10)))
    carriers = np.array(frame.carriers)[frame.data] * rate / fft_len
    ideal = []

    def impair(rng: np.random.Generator, x: np.ndarray) -> tuple[np.ndarray, float]:
        size = 1 << int(np.ceil(np.log2(len(x) + 64)))
        spectrum, frequency = np.fft.fft(x, size), np.fft.fftfreq(size, 1 / rate)
        t = np.arange(len(x)) / rate
        out, middle = np.zeros(len(x), complex), np.zeros(len(carriers), complex)
        for a, d in zip(amplitude, delays * 1e-9, strict=True):
            # sum of 16 rays of random angle, phase and Gaussian weight, interpolated over the burst
            weight = gaussian(rng, 16) / 4
            shift = doppler * np.cos(rng.uniform(0, 2 * np.pi, 16))
            knots = np.linspace(0, t[-1], 9)
            gain = a * (weight @ np.exp(2j * np.pi * np.outer(shift, knots)))
            out += np.fft.ifft(spectrum * np.exp(-2j * np.pi * frequency * d))[: len(x)] * np.interp(t, knots, gain)
            middle += gain[4] * np.exp(-2j * np.pi * carriers * d)
        ideal.append(np.mean(np.log2(1 + 10 * np.abs(middle) ** 2)))
        return out, rng.uniform(-2, 2) / fft_len

    loss, lost = [], 0
    for symbols, got in bursts(draws, 10, seed=5, impair=impair, frame=frame):
        if got is None:
            lost += 1
            loss.append(np.inf)
            continue
        variance = got.noise_var.astype(float)
        metric = np.abs(got.symbols) ** 2 / (1 + variance) - np.abs(got.symbols - symbols) ** 2 / variance
        information = np.mean(np.log2(1 + 1 / variance) + metric / np.log(2))
        loss.append(10 * np.log10((2 ** ideal[-1] - 1) / max(2**information - 1, 1e-9)))
    return {
        "profile": profile,
        "fft_len": fft_len,
        "draws": draws,
        "lost": lost,
        "median_loss_db": round(float(np.median(loss)), 3),
        "p95_loss_db": round(float(np.quantile(loss, 0.95)), 3),
    }


def air_uses() -> dict:
    """Burst duration times occupied bandwidth of a full burst, over its payload."""
    return {
        f"fft_{n}": round(semcom.ofdm_frame(semcom.ofdm_params(fft_len=n)).air_uses(FULL) / FULL, 4)
        for n in (64, 128, 256, 512)
    }


def run_time(*chain) -> float:
    """Seconds that a flowgraph of this chain of blocks takes."""
    tb = gr.top_block()
    tb.connect(*chain)
    start = time.perf_counter()
    tb.run()
    return time.perf_counter() - start


def throughput(repeats: int = 5) -> dict:
    """Samples per second on one core: the classes alone, and flowgraphs beside ofdm_tx and ofdm_rx, FFT length 64.

    Every receiver gets the samples of its own transmitter at 20 dB (ours) or without noise (theirs), gaps under 4 %,
    medians of five runs.
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(6)
    frame = semcom.ofdm_frame()
    transmitter = semcom.burst_transmitter(frame)
    symbols, header = gaussian(rng, FULL), semcom.burst_header(n_symbols=FULL)
    burst = transmitter.modulate(header, symbols)
    count = 150
    stream = noisy(rng, np.tile(np.pad(burst, (128, 128)), count), frame, 20, 0.01)

    def median(measure: Callable[[], float], samples: int) -> float:
        return round(float(samples / np.median([measure() for _ in range(repeats)]) / 1e6), 2)

    def modulate() -> float:
        start = time.perf_counter()
        for _ in range(count):
            transmitter.modulate(header, symbols)
        return time.perf_counter() - start

    def receive() -> float:
        receiver = semcom.burst_receiver(frame)
        start = time.perf_counter()
        assert len(receiver.work(stream)) == count
        return time.perf_counter() - start

    message = pmt.cons(pmt.make_dict(), pmt.init_c32vector(FULL, symbols.tolist()))

    def our_tx() -> float:
        block = semcom.burst_modulator()
        for _ in range(count):
            block.to_basic_block()._post(pmt.intern("symbols"), message)
        block.to_basic_block()._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))
        return run_time(block, blocks.null_sink(gr.sizeof_gr_complex))

    def our_rx() -> float:
        return run_time(blocks.vector_source_c(stream), semcom.burst_demodulator())

    packet, key, theirs = 96, "packet_len", []
    data = rng.integers(0, 256, 400 * packet).tolist()

    def their_tx(sink=None) -> float:
        return run_time(
            blocks.vector_source_b(data),
            blocks.stream_to_tagged_stream(1, 1, packet, key),
            digital.ofdm_tx(fft_len=64, cp_len=16, packet_length_tag_key=key),
            sink or blocks.null_sink(gr.sizeof_gr_complex),
        )

    sink = blocks.vector_sink_c()
    their_tx(sink)
    theirs = np.array(sink.data(), np.complex64)

    def their_rx() -> float:
        out = blocks.vector_sink_b()
        receiver = digital.ofdm_rx(fft_len=64, cp_len=16, packet_length_tag_key="rx_len")
        seconds = run_time(blocks.vector_source_c(np.tile(theirs, 4)), receiver, out)
        delivered.append(len(out.data()) / (4 * len(data)))
        return seconds

    delivered: list[float] = []
    return {
        "class_tx_msps": median(modulate, count * len(burst)),
        "class_rx_msps": median(receive, len(stream)),
        "flowgraph_tx_msps": median(our_tx, count * (len(burst) + 256)),
        "flowgraph_rx_msps": median(our_rx, len(stream)),
        "gnuradio_ofdm_tx_msps": median(their_tx, len(theirs)),
        "gnuradio_ofdm_rx_msps": median(their_rx, 4 * len(theirs)),
        "gnuradio_ofdm_rx_delivered": round(float(np.mean(delivered)), 3),
    }


ROWS: dict[str, Callable[[], dict]] = {
    "air_uses": air_uses,
    "detection_0db": partial(detection, 0),
    "detection_10db": partial(detection, 10),
    "lowest": lowest,
    "false_alarms": false_alarms,
    "awgn": awgn,
    "fading_epa": partial(fading, "EPA"),
    "fading_eva": partial(fading, "EVA"),
    "oscillator": oscillator,
    "throughput": throughput,
}
SMOKE: dict[str, dict] = {
    "air_uses": {},
    "detection_0db": {"count": 20},
    "detection_10db": {"count": 20},
    "lowest": {"count": 20},
    "false_alarms": {"samples": 1_000_000},
    "awgn": {"count": 5},
    "fading_epa": {"draws": 5},
    "fading_eva": {"draws": 5},
    "oscillator": {"count": 5},
    "throughput": {"repeats": 1},
}

SEED = "a number of its own for each row, in the code"


def main() -> None:
    parser = arguments(__doc__, smoke=True, out=Path("results/modem.json"))
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, repeatable")
    by_rows(parser.parse_args(), ROWS, SMOKE, seed=SEED)


if __name__ == "__main__":
    main()
