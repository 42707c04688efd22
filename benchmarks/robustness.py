# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the burst receiver beside what radios and motion do to it; one row each in results/robustness.json.

Run it with no argument for all rows (some minutes on one core), or with ``--only ROW`` for one of them. Every burst
carries 4,096 Gaussian symbols at FFT length 64; dBc is over the power of the burst; ``loss_db`` is the SNR that the
information under the receiver's own noise variances is worth, below that of ideal knowledge of the channel.
``ofdm_rx`` sends packets of 192 bytes as QPSK without FEC by this modem and by GNU Radio's own blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from gnuradio import semcom
from gnuradio.semcom import digital, schemes
from PIL import Image

from common import ROOT, arguments, by_rows
from common.packets import Ours, Theirs, contents
from modem import FULL, MAX_CFO, PROFILES, RATE, gaussian, noisy, resample

FLAT = ([0], [0])
PHOTOGRAPH = ROOT / "examples" / "images" / "skimage_astronaut.png"

Channel = Callable[[np.random.Generator, np.ndarray], np.ndarray]
Front = Callable[[int, np.ndarray], np.ndarray]


def information(sent: np.ndarray, got) -> float:
    """Generalised mutual information of a received burst, bits per symbol, Gaussian input and metric."""
    variance = got.noise_var.astype(float)
    metric = np.abs(got.symbols) ** 2 / (1 + variance) - np.abs(got.symbols - sent) ** 2 / variance
    return max(float(np.mean(np.log2(1 + 1 / variance) + metric / np.log(2))), 1e-9)


def unchanged(_: object, x: np.ndarray) -> np.ndarray:
    """Neither a channel nor a front end does anything."""
    return x


def stream(count: int, snr_db: float, seed: int, channel: Channel = unchanged, front: Front = unchanged) -> list[tuple]:
    """``count`` bursts through one receiver: the symbols sent and the burst received, or None.

    ``channel(rng, x)`` is done to each burst before carrier offset and noise; ``front(start, x)`` after them, by a
    receiver's front end, to a stretch of the stream that begins at the sample ``start``.
    """
    rng, frame = np.random.default_rng(seed), semcom.ofdm_frame()
    transmitter, receiver, start = semcom.burst_transmitter(frame), semcom.burst_receiver(frame), 0
    sent, heard = [], {}
    for i in range(count):
        sent.append(gaussian(rng, FULL))
        header = semcom.burst_header(image_id=i, n_symbols=FULL)
        x = np.pad(transmitter.modulate(header, sent[-1]), (rng.integers(200, 700), 200))
        x = noisy(rng, channel(rng, x), frame, snr_db, rng.uniform(-MAX_CFO, MAX_CFO) / RATE)
        received = receiver.work(front(start, x).astype(np.complex64))
        heard |= {burst.header.image_id: burst for burst in received}
        start += len(x)
    # where samples are missing a burst is complete with the first of what follows
    heard |= {burst.header.image_id: burst for burst in receiver.work(np.zeros(2 * FULL, np.complex64))}
    return [(symbols, heard.get(i)) for i, symbols in enumerate(sent)]


def summary(pairs: list[tuple], snr_db: float = 20) -> dict:
    """What became of bursts at an Es/N0; no ``loss_db`` where half of them are worth nothing."""
    kept = [(sent, got) for sent, got in pairs if got is not None]
    snr = np.median([2 ** information(sent, got) - 1 for sent, got in kept] or [0])
    return {
        "lost": len(pairs) - len(kept),
        "mean_report_db": round(float(np.mean([got.snr_db for _, got in kept])), 2) if kept else None,
        "loss_db": round(float(snr_db - 10 * np.log10(snr)), 2) if snr > 1e-6 else None,
    }


def tone(frequency: float, dbc: float) -> Front:
    """A carrier over the whole stream; ``frequency`` in cycles per sample."""
    return lambda start, x: x + 10 ** (dbc / 20) * np.exp(2j * np.pi * frequency * (start + np.arange(len(x))))


def beside(frequency: float, levels: tuple[int, ...], count: int = 50) -> dict:
    """Bursts at 20 dB beside a carrier of each level, dBc."""
    rows = {str(dbc): summary(stream(count, 20, 1, front=tone(frequency, dbc))) for dbc in levels}
    return {"bursts_per_point": count, "frequency": frequency, "by_dbc": rows}


def imbalance(gain_db: float, degrees: float) -> Front:
    """Q by so much louder than I, and so far from a right angle to it."""
    turned = 10 ** (gain_db / 20) * np.exp(1j * np.radians(degrees))
    return lambda start, x: (1 + turned) / 2 * x + (1 - np.conj(turned)) / 2 * x.conj()


def iq_imbalance(count: int = 50) -> dict:
    """Bursts at 20 dB; ``image_dbc`` is what is left of each carrier at its mirror image."""
    rows = {}
    for gain_db, degrees in ((0.1, 1), (0.5, 2), (1, 5), (2, 10), (3, 20)):
        turned = 10 ** (gain_db / 20) * np.exp(1j * np.radians(degrees))
        image = round(float(20 * np.log10(abs(1 - np.conj(turned)) / abs(1 + turned))), 1)
        found = summary(stream(count, 20, 3, front=imbalance(gain_db, degrees)))
        rows[f"{gain_db} dB, {degrees} degrees"] = {"image_dbc": image} | found
    return {"bursts_per_point": count, "by_imbalance": rows}


def clock(count: int = 50) -> dict:
    """Bursts at 20 dB whose samples are sent by a clock that is off by so many ppm, either way."""
    rows = {}
    for ppm in (0, 10, 20, 50, 100, 200, 400):
        found = stream(count, 20, 4, lambda rng, x, ppm=ppm: resample(x, ppm * rng.choice([-1, 1])))
        rows[str(ppm)] = summary(found)
    return {"bursts_per_point": count, "by_ppm": rows}


class Dropping:
    """A driver that drops samples of every other burst, anywhere within it or in the silence before it."""

    def __init__(self, number: int, within: bool):
        self._number, self._within = number, within
        self._rng, self._hit = np.random.default_rng(5), True

    def __call__(self, start: int, x: np.ndarray) -> np.ndarray:
        self._hit = not self._hit
        if not self._hit:
            return x
        # silence is 200 to 700 samples before a burst, and 200 after it
        at = self._rng.integers(700, len(x) - 200 - self._number) if self._within else 0
        return np.delete(x, slice(at, at + self._number))


def gaps(count: int = 50) -> dict:
    """Bursts at 20 dB; of those that were hit, and of those between them."""
    rows = {}
    for within, numbers in ((False, (1, 16, 190)), (True, (1, 4, 16, 256, 4096))):
        for number in numbers:
            pairs = stream(count, 20, 6, front=Dropping(number, within))
            name = f"{number} {'within' if within else 'between'}"
            rows[name] = {"hit": summary(pairs[1::2]), "others": summary(pairs[::2])}
    return {"bursts_per_point": count, "hit_per_point": count // 2, "by_samples": rows}


class Pulsing:
    """Somebody who sends noise for ``length`` samples of every ``period``, ``dbc`` over a burst."""

    def __init__(self, dbc: float, length: int, period: int):
        self._amplitude, self._length, self._period = 10 ** (dbc / 20), length, period
        self._rng = np.random.default_rng(13)

    def __call__(self, start: int, x: np.ndarray) -> np.ndarray:
        on = (start + np.arange(len(x))) % self._period < self._length
        return x + self._amplitude * on * gaussian(self._rng, len(x))


def pulses(count: int = 50) -> dict:
    """Bursts at 20 dB beside others who send for a moment."""
    rows = {}
    for length, period, levels in ((20, 1000, (0, 10, 20)), (100, 4000, (0, 10, 20))):
        for dbc in levels:
            name = f"{length} of {period} samples, {dbc} dBc"
            rows[name] = summary(stream(count, 20, 14, front=Pulsing(dbc, length, period)))
    return {"bursts_per_point": count, "by_pulse": rows}


def limited(over_db: float) -> Front:
    """A converter whose limits of I and Q lie so far above the root mean square of a burst."""
    limit = 10 ** (over_db / 20)
    return lambda start, x: np.clip(x.real, -limit, limit) + 1j * np.clip(x.imag, -limit, limit)


def clipping(count: int = 50) -> dict:
    """Bursts at 20 dB; ``reported`` is the mean share of I and Q values that the receiver found at the limits."""
    rows = {}
    for over_db in (9, 6, 3, 0, -3, -6):
        pairs = stream(count, 20, 7, front=limited(over_db))
        shares = [got.clipped for _, got in pairs if got is not None]
        rows[str(over_db)] = summary(pairs) | {"reported": round(float(np.mean(shares)), 4) if shares else None}
    return {"bursts_per_point": count, "by_db_over_rms": rows}


class Stepping:
    """A gain that is set anew before each burst, or steps once within it, by up to so many dB."""

    def __init__(self, step_db: float, within: bool):
        self._step_db, self._within = step_db, within
        self._rng = np.random.default_rng(8)

    def __call__(self, start: int, x: np.ndarray) -> np.ndarray:
        gain = np.ones(len(x))
        if self._within:
            gain[self._rng.integers(700, len(x) - 200) :] = 10 ** (self._rng.choice([-1, 1]) * self._step_db / 20)
        else:
            gain *= 10 ** (self._rng.uniform(-self._step_db, self._step_db) / 20)
        return gain * x


def gain_steps(count: int = 50) -> dict:
    """Bursts at 20 dB, the noise with them."""
    rows = {}
    for within, steps in ((False, (6, 20, 40)), (True, (0.5, 1, 3, 6, 12))):
        for step_db in steps:
            name = f"{step_db} dB {'within' if within else 'between'}"
            rows[name] = summary(stream(count, 20, 9, front=Stepping(step_db, within)))
    return {"bursts_per_point": count, "by_step": rows}


def digital_pictures(count: int = 50) -> dict:
    """Pictures of ``digital`` lost at 20 dB beside a spur on one carrier each.

    The adapter takes its MCS for 20 dB with its usual margin, and with none. The spur of each picture lies on another
    carrier, those of the pilots first; the receiver begins with the picture, or has heard the spur before. A picture is
    lost where one code block is.
    """
    scheme, frame = schemes.get("digital"), semcom.ofdm_frame()
    picture = np.asarray(Image.open(PHOTOGRAPH).convert("RGB").resize((256, 256)))
    carriers = np.array(frame.carriers)[[*frame.pilots, *frame.data]]
    rows: dict[str, dict] = {}
    for codec in ("jpeg", "avif"):
        for margin in (digital.USUAL_MARGIN_DB, 0.0):
            options = scheme.options({"codec": codec, "margin": margin})
            sent = scheme.encode(picture, schemes.Conditions(snr_db=20), options)
            made = schemes.bursts(sent, scheme)
            row: dict = {"mcs": sent.parts[0].mcs, "bursts": len(made)}
            for name, lead in (("from_the_start", 0), ("heard_before", 50_000)):
                row[f"lost_{name}"] = lost = {}
                for dbc in (None, -20, -15, -10, -6, 0):
                    rng = np.random.default_rng(10)
                    lost["none" if dbc is None else str(dbc)] = sum(
                        not _arrives(rng, frame, made, lead, dbc, carriers[i % len(carriers)]) for i in range(count)
                    )
            rows[f"{codec}, margin of {margin:g} dB"] = row
    return {"pictures_per_point": count, "esn0_db": 20, "by_codec": rows}


def _arrives(rng: np.random.Generator, frame, sent: list, lead: int, dbc: float | None, carrier: int) -> bool:
    """Whether a picture arrives whole beside a spur on a carrier, ``lead`` samples after the receiver has begun."""
    transmitter, receiver = semcom.burst_transmitter(frame), semcom.burst_receiver(frame)
    made = [
        np.pad(transmitter.modulate(semcom.burst_header(**header.fields()), symbols), (rng.integers(200, 700), 200))
        for header, symbols in sent
    ]
    cfo = rng.uniform(-MAX_CFO, MAX_CFO) / RATE
    x = noisy(rng, np.pad(np.concatenate(made), (lead, 0)), frame, 20, cfo)
    if dbc is not None:
        x = tone(carrier / 64 + cfo, dbc)(0, x).astype(np.complex64)
    reception, events = schemes.Reception("digital"), []
    names = sent[0][0].fields().keys()
    for burst in receiver.work(x):
        fields = {name: getattr(burst.header, name) for name in names}
        events += reception.feed(fields | {"snr_db": burst.snr_db, "noise_var": burst.noise_var}, burst.symbols)
    images = [event for event in [*events, *reception.finish()] if isinstance(event, schemes.Image)]
    return any(image.decoded is not None and image.meta.get("blocks_lost") == 0 for image in images)


def ofdm_rx(count: int = 50) -> dict:
    """Packets lost, by this receiver and by GNU Radio's ``ofdm_rx``, at 20 dB with a carrier offset within +-48 kHz."""
    packets, rows = contents(count), {}
    for name, (snr_db, most_cfo, channel, front) in _impairments().items():
        rows[name] = {}
        for whose, modem in (("semcom", Ours()), ("gnuradio", Theirs())):
            rng, pieces, start = np.random.default_rng(11), [], 0
            begun = front()
            for burst in modem.modulated(packets):
                x = channel(rng, np.pad(burst, (rng.integers(700, 1200), 200)))
                turn = np.exp(2j * np.pi * (rng.uniform(-most_cfo, most_cfo) / RATE * np.arange(len(x)) + rng.random()))
                x = x * turn + gaussian(rng, len(x), modem.noise_power(snr_db))
                pieces.append(begun(start, x))
                start += len(x)
            received = modem.received(np.concatenate(pieces).astype(np.complex64))
            rows[name][whose] = count - len(set(packets) & set(received))
    return {"packets_per_point": count, "lost_by_impairment": rows}


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
            pairs = stream(count, snr_db, 2, impair)
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


def _impairments() -> dict[str, tuple[float, float, Channel, Callable[[], Front]]]:
    """Es/N0 in dB, largest carrier offset in Hz, channel, and what makes a front end; spurs lie on carriers of both."""
    delays, powers = (np.array(v, float) for v in PROFILES["EPA"])
    amplitudes = np.sqrt(10 ** (powers / 10) / np.sum(10 ** (powers / 10)))
    epa = partial(_fade, delays * 1e-9, amplitudes, 5, np.zeros(1), 1, [])

    def none() -> Front:
        return unchanged

    fronts: dict[str, Callable[[], Front]] = {
        "spur of -20 dBc on data": partial(tone, 10 / 64, -20),
        "spur of -6 dBc on data": partial(tone, 10 / 64, -6),
        "spur of -6 dBc on a pilot": partial(tone, -7 / 64, -6),
        "DC offset of 0 dBc": partial(tone, 0.0, 0),
        "tone of 10 dBc outside": partial(tone, 0.47, 10),
        "I and Q off by 1 dB, 5 degrees": partial(imbalance, 1, 5),
        "clipped 3 dB over the mean": partial(limited, 3),
        "gain steps by 3 dB within": partial(Stepping, 3, True),
        "gain steps by 20 dB between": partial(Stepping, 20, False),
        "16 samples dropped between": partial(Dropping, 16, False),
    }
    return {
        "no noise": (100, 0, unchanged, none),
        "20 dB, no carrier offset": (20, 0, unchanged, none),
        "15 dB, no carrier offset": (15, 0, unchanged, none),
        "20 dB": (20, MAX_CFO, unchanged, none),
        "15 dB": (15, MAX_CFO, unchanged, none),
        "clock off by 20 ppm": (20, MAX_CFO, lambda rng, x: resample(x, 20 * rng.choice([-1, 1])), none),
        "EPA, 5 Hz": (20, MAX_CFO, epa, none),
    } | {name: (20, MAX_CFO, unchanged, front) for name, front in fronts.items()}


SPUR, OFFSET, OUTSIDE = (-30, -20, -10, -6, 0), (0, 6, 9, 15, 20), (0, 5, 10, 15)
ROWS: dict[str, Callable[..., dict]] = {
    "spur_on_data": partial(beside, 7 / 64, SPUR),
    "spur_on_pilot": partial(beside, 8 / 64, SPUR),
    "spur_between_carriers": partial(beside, 7.5 / 64, SPUR),
    "digital_pictures": digital_pictures,
    "dc_offset": partial(beside, 0.0, OFFSET),
    "tone_outside": partial(beside, 0.47, OUTSIDE),
    "iq_imbalance": iq_imbalance,
    "clock": clock,
    "gaps": gaps,
    "pulses": pulses,
    "clipping": clipping,
    "gain_steps": gain_steps,
    "motion_flat": partial(motion, FLAT),
    "motion_epa": partial(motion, PROFILES["EPA"]),
    "ofdm_rx": ofdm_rx,
}

SEED = "a number of its own for each row, in the code"


def main() -> None:
    parser = arguments(__doc__, smoke=True, out=Path("results/robustness.json"))
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, repeatable")
    by_rows(parser.parse_args(), ROWS, {name: {"count": 2} for name in ROWS}, seed=SEED)


if __name__ == "__main__":
    main()
