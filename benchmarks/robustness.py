# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the burst receiver beside what radios and motion do to it; one row each in results/robustness.json.

Run it with no argument for all rows (a minute on one core), or with ``--only ROW`` for one of them. Every burst
carries 4,096 Gaussian symbols at FFT length 64; dBc is over the power of the burst; ``loss_db`` is the SNR that the
information under the receiver's own noise variances is worth, below that of ideal knowledge of the channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from gnuradio import semcom

from common import arguments, by_rows
from modem import FULL, MAX_CFO, PROFILES, RATE, gaussian, noisy

FLAT = ([0], [0])


def information(sent: np.ndarray, got) -> float:
    """Generalised mutual information of a received burst, bits per symbol, Gaussian input and metric."""
    variance = got.noise_var.astype(float)
    metric = np.abs(got.symbols) ** 2 / (1 + variance) - np.abs(got.symbols - sent) ** 2 / variance
    return max(float(np.mean(np.log2(1 + 1 / variance) + metric / np.log(2))), 1e-9)


def stream(count: int, snr_db: float, seed: int, impair: Callable, add: Callable) -> Iterator[tuple]:
    """``count`` bursts through one receiver: the symbols sent and the burst received, or None.

    ``impair(rng, x)`` is done to each burst before carrier offset and noise; ``add(start, n)`` joins the stream after.
    """
    rng, frame = np.random.default_rng(seed), semcom.ofdm_frame()
    transmitter, receiver, start = semcom.burst_transmitter(frame), semcom.burst_receiver(frame), 0
    for i in range(count):
        symbols, header = gaussian(rng, FULL), semcom.burst_header(image_id=i, n_symbols=FULL)
        x = np.pad(transmitter.modulate(header, symbols), (rng.integers(200, 700), 200))
        x = noisy(rng, impair(rng, x), frame, snr_db, rng.uniform(-MAX_CFO, MAX_CFO) / RATE) + add(start, len(x))
        start += len(x)
        got = [burst for burst in receiver.work(x.astype(np.complex64)) if burst.header == header]
        yield symbols, got[0] if got else None


def tone(frequency: float, dbc: float) -> Callable[[int, int], np.ndarray]:
    """A carrier over the whole stream, as of ``add``; ``frequency`` in cycles per sample."""
    return lambda start, n: 10 ** (dbc / 20) * np.exp(2j * np.pi * frequency * (start + np.arange(n)))


def beside(frequency: float, levels: tuple[int, ...], count: int = 50) -> dict:
    """Bursts at 20 dB beside a carrier of each level, dBc."""
    rows = {}
    for dbc in levels:
        pairs = list(stream(count, 20, 1, lambda rng, x: x, tone(frequency, dbc)))
        kept = [(sent, got) for sent, got in pairs if got is not None]
        snr = [2 ** information(sent, got) - 1 for sent, got in kept]
        rows[str(dbc)] = {
            "lost": count - len(kept),
            "mean_report_db": round(float(np.mean([got.snr_db for _, got in kept])), 2) if kept else None,
            "loss_db": round(20 - 10 * np.log10(np.median(snr)), 2) if kept else None,
        }
    return {"bursts_per_point": count, "frequency": frequency, "by_dbc": rows}


def motion(profile: tuple, count: int = 100) -> dict:
    """Rayleigh paths of Clarke's spectrum at 1 Msps: loss to ideal knowledge, by largest Doppler shift and Es/N0."""
    delays, powers = (np.array(v, float) for v in profile)
    amplitude = np.sqrt(10 ** (powers / 10) / np.sum(10 ** (powers / 10)))
    frame = semcom.ofdm_frame()
    carriers = np.array(frame.carriers)[frame.data] * RATE / 64
    rows = {}
    for doppler in (0, 5, 50, 100):
        for snr_db in (10, 20):
            ideal: list[float] = []
            impair = partial(_fade, delays * 1e-9, amplitude, doppler, carriers, 10 ** (snr_db / 10), ideal)
            pairs = list(stream(count, snr_db, 2, impair, lambda start, n: 0))
            loss = [
                np.inf if got is None else 10 * np.log10((2**best - 1) / (2 ** information(sent, got) - 1))
                for (sent, got), best in zip(pairs, ideal, strict=True)
            ]
            rows[f"{doppler} Hz, {snr_db} dB"] = {
                "lost": sum(got is None for _, got in pairs),
                "median_loss_db": round(float(np.median(loss)), 2),
            }
    return {"bursts_per_point": count, "by_doppler_and_esn0": rows}


def _fade(delays, amplitudes, doppler, carriers, snr, ideal, rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """A burst through the paths; what ideal knowledge of them is worth joins ``ideal``, bits per symbol."""
    size = 1 << int(np.ceil(np.log2(len(x) + 64)))
    spectrum, frequency = np.fft.fft(x, size), np.fft.fftfreq(size, 1 / RATE)
    t, out, cells = np.arange(len(x)) / RATE, np.zeros(len(x), complex), 0
    knots = np.linspace(0, t[-1], 33)
    for amplitude, delay in zip(amplitudes, delays, strict=True):
        shift = doppler * np.cos(rng.uniform(0, 2 * np.pi, 16))
        gain = amplitude * (gaussian(rng, 16) / 4 @ np.exp(2j * np.pi * np.outer(shift, knots)))
        out += np.fft.ifft(spectrum * np.exp(-2j * np.pi * frequency * delay))[: len(x)] * np.interp(t, knots, gain)
        cells = cells + np.outer(gain, np.exp(-2j * np.pi * carriers * delay))
    ideal.append(float(np.mean(np.log2(1 + snr * np.abs(cells) ** 2))))
    return out


SPUR, OFFSET, OUTSIDE = (-30, -20, -10, -6, 0), (0, 6, 9, 15, 20), (0, 5, 10, 15)
ROWS: dict[str, Callable[..., dict]] = {
    "spur_on_data": partial(beside, 7 / 64, SPUR),
    "spur_on_pilot": partial(beside, 8 / 64, SPUR),
    "spur_between_carriers": partial(beside, 7.5 / 64, SPUR),
    "dc_offset": partial(beside, 0.0, OFFSET),
    "tone_outside": partial(beside, 0.47, OUTSIDE),
    "motion_flat": partial(motion, FLAT),
    "motion_epa": partial(motion, PROFILES["EPA"]),
}


def main() -> None:
    parser = arguments(__doc__, smoke=True, out=Path("results/robustness.json"))
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, repeatable")
    by_rows(parser.parse_args(), ROWS, {name: {"count": 2} for name in ROWS})


if __name__ == "__main__":
    main()
