# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom probe``: what a receiver hears, and what to do about it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from ..errors import BadInput
from .common import complain, interruptible, put, put_json, require
from .ends import (
    Antenna,
    Bandwidth,
    FftLen,
    Freq,
    Gain,
    KeyFile,
    Oversampling,
    SampRate,
    SwapIq,
    Via,
    rate_of_samples,
    waveform,
)
from .help import MAX_WIDTH, entries
from .options import JsonOption
from .progress import working

# from where on something is worth doing: what the receiver bears by itself is in results/robustness.json
WEAK_DBFS = -60.0
STRONG_DC_DBC, STRONG_SPUR_DBC, STRONG_IMAGE_DBC = 15.0, -6.0, -30.0
FAST_CLOCK_PPM = 100.0
LOW_SNR_DB = 3.0
SHOWN_SPURS = 4


@dataclass(frozen=True)
class Row:
    """One line: what was looked at, what was found, and what to do about it; nothing where all is well."""

    part: str
    found: str
    advice: str = ""


def probe(
    via: Via,
    seconds: Annotated[
        float | None, typer.Option(help="how much is looked at; all of a recording if left out, else 2", metavar="S")
    ] = None,
    samp_rate: SampRate = None,
    freq: Freq = 2.45e9,
    gain: Gain = 0.0,
    bandwidth: Bandwidth = 0.0,
    antenna: Antenna = "",
    swap_iq: SwapIq = False,
    fft_len: FftLen = 64,
    oversampling: Oversampling = 1,
    key: KeyFile = None,
    as_json: JsonOption = False,
) -> int:
    """Tell what a semcom rx would hear: level, spectrum, bursts and their clocks, and what to do about it.

    Over ZeroMQ the samples are taken away from a receiver that runs at the same time.
    """
    links, ends = require("..links.probe"), require("..links.ends")
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise BadInput(f"--seconds {seconds:g} makes no sense; give a number above 0")
    front = ends.FrontEnd(via, rate_of_samples(samp_rate), freq, gain, bandwidth, antenna, swap_iq, str(key or ""))
    with interruptible(), working(f"listening to {via}"):
        heard = links.probing_end(front, waveform(fft_len, oversampling), seconds).listen()
    if heard is None:
        complain(f"no samples arrived from {via}; is a transmitter running there, and the address right?")
        return 1
    shown = list(rows(heard, swap_iq, key is not None))
    if as_json:
        put_json(record(heard) | {"advice": {row.part: row.advice for row in shown if row.advice}})
        return 0
    lines = [(row.part, f"{row.found}; {row.advice}" if row.advice else row.found) for row in shown]
    put(*entries(lines, min(shutil.get_terminal_size().columns, MAX_WIDTH)))
    return 0


def rows(heard: Any, swap_iq: bool, has_key: bool) -> Iterator[Row]:
    """What was found, for a person."""
    yield from _samples(heard)
    yield from _unwanted(heard)
    yield from _bursts(heard, swap_iq)
    yield from _seals(heard.findings.bursts, has_key)


def _samples(heard: Any) -> Iterator[Row]:
    """How many samples there are, and their level."""
    found, rate = heard.findings, heard.sample_rate
    stopped = "" if found.samples >= heard.wanted else "then no more arrived"
    yield Row("samples", f"{found.samples:,} in {found.samples / rate:.3g} s, {rate:.12g} a second", stopped)
    if found.strange:
        advice = "look at the recording, or at the radio's driver"
        yield Row("no numbers", f"{found.strange:,} samples are not finite and count as 0", advice)
    if found.level_dbfs is None:
        yield Row("level", "none: all samples are 0", "look at antenna and --gain")
        return
    level = found.bursts.level_dbfs
    of_bursts = "" if level is None else f", bursts {level:.1f}"
    weak = (found.level_dbfs if level is None else level) < WEAK_DBFS
    yield Row(
        "level", f"{found.level_dbfs:.1f} dBFS{of_bursts}, peak {found.peak_dbfs:.1f}", "raise --gain" if weak else ""
    )
    if found.clipped:
        yield Row("clipped", f"{share(found.clipped)} of the values of I and Q", "lower --gain, or the sender's power")
    else:
        yield Row("clipped", "nothing")


def _unwanted(heard: Any) -> Iterator[Row]:
    """What is there beside the signal, and the band of both."""
    found, rate = heard.findings, heard.sample_rate
    if found.dc_dbc is None:
        yield Row("DC", "none above the noise")
    else:
        strong = found.dc_dbc > STRONG_DC_DBC
        advice = "tune the radio beside the signal, or calibrate it" if strong else ""
        yield Row("DC", f"{found.dc_dbc:.1f} dBc", advice)
    if found.spurs:
        listed = [f"{hertz(frequency * rate)} at {dbc:.1f} dBc" for frequency, dbc in found.spurs[:SHOWN_SPURS]]
        more = len(found.spurs) - len(listed)
        strong = found.spurs[0][1] > STRONG_SPUR_DBC
        advice = "move --freq a little, or find out what sends them" if strong else ""
        yield Row("spurs", ", ".join(listed) + (f" and {more} more" if more else ""), advice)
    else:
        yield Row("spurs", "none")
    if found.image_dbc is not None and found.image_dbc > STRONG_IMAGE_DBC:
        yield Row("image", f"{found.image_dbc:.1f} dBc", "calibrate the balance of I and Q")
    if found.band is None:
        yield Row("band", "nothing stands above the noise", "see --freq and --gain")
    else:
        low, high = (edge * rate for edge in found.band)
        yield Row("band", f"{hertz(low)} to {hertz(high)} holds 99 % of the power")
    yield Row("noise", "none" if found.noise_dbfs is None else f"{found.noise_dbfs:.1f} dBFS in the whole band")


def _bursts(heard: Any, swap_iq: bool) -> Iterator[Row]:
    """The bursts and their clocks."""
    found, rate = heard.findings.bursts, heard.sample_rate
    if found.swapped > found.count:
        found_so = "swapped, though they are swapped back" if swap_iq else "swapped"
        yield Row("I and Q", found_so, "leave --swap-iq out" if swap_iq else "add --swap-iq")
    elif found.count:
        yield Row("I and Q", "in their places")
    if not found.count:
        advice = "see --freq, --gain, --fft-len and --oversampling"
        if heard.others:
            advice = " or ".join(f"add --fft-len {fft_len} --oversampling {over}" for fft_len, over in heard.others)
        elif found.swapped:
            advice = ""
        begun = f", but {found.preambles:,} began whose headers could not be read" if found.preambles else ""
        yield Row("bursts", f"none{begun}", advice)
        return
    lost = found.preambles - found.count
    without = f"; {lost:,} more began and could not be read" if lost > 0 else ""
    yield Row("bursts", f"{found.count:,} of {found.samples:,} samples{without}")
    low = found.lowest_snr_db < LOW_SNR_DB
    advice = "send with more power, raise --gain, or come nearer" if low else ""
    yield Row("SNR", f"{found.snr_db:.1f} dB, {found.lowest_snr_db:.1f} at least", advice)
    offset = found.cfo * rate
    advice = ""
    if abs(found.cfo) > heard.max_cfo / 2:
        place = "" if heard.frequency is None else f" to {heard.frequency + offset:.0f}"
        advice = f"set --freq{place}" if place else f"move --freq by {hertz(offset)}"
    spread = f", within {hertz(found.cfo_spread * rate, sign=False)}" if found.count > 1 else ""
    yield Row("carrier", f"{hertz(offset)} off{spread}", advice)
    if found.clock_ppm is not None:
        fast = abs(found.clock_ppm) > FAST_CLOCK_PPM
        advice = "correct the radio's clock, or take a better one" if fast else ""
        yield Row("clock", f"{round(found.clock_ppm, 1) + 0.0:+.1f} ppm off", advice)


def _seals(found: Any, has_key: bool) -> Iterator[Row]:
    """Who can receive the bursts."""
    if not found.count or not (found.sealed or has_key):
        return
    if not found.sealed:
        yield Row(
            "sealed", "none; a receiver with a key takes none of them", "give the sender the key, or leave --key out"
        )
    elif not has_key:
        yield Row("sealed", f"{found.sealed:,}", "add --key with the key file of the sender")
    elif found.opened < found.sealed:
        yield Row("sealed", f"{found.sealed:,}, {found.opened:,} with this key", "give both ends the same key file")
    else:
        yield Row("sealed", f"{found.sealed:,}, with this key")


def record(heard: Any) -> dict[str, Any]:
    """What was found, for a program; frequencies in Hz."""
    found, rate = heard.findings, heard.sample_rate
    bursts = asdict(found.bursts)
    for name in ("cfo", "cfo_spread"):
        value = bursts.pop(name)
        bursts[f"{name}_hz"] = None if value is None else value * rate
    return {
        "samples": found.samples,
        "not_finite": found.strange,
        "sample_rate": rate,
        "seconds": found.samples / rate,
        "level_dbfs": found.level_dbfs,
        "peak_dbfs": found.peak_dbfs,
        "clipped": found.clipped,
        "dc_dbc": found.dc_dbc,
        "image_dbc": found.image_dbc,
        "noise_dbfs": found.noise_dbfs,
        "spurs": [{"hz": frequency * rate, "dbc": dbc} for frequency, dbc in found.spurs],
        "band_hz": found.band and [edge * rate for edge in found.band],
        "swapped_iq": found.bursts.swapped > found.bursts.count,
        "bursts": bursts,
        "other_waveforms": [{"fft_len": fft_len, "oversampling": over} for fft_len, over in heard.others],
    }


def hertz(value: float, sign: bool = True) -> str:
    """A frequency with its unit."""
    value = round(value, 1) + 0.0  # none below 0 that is shown as 0
    unit, name = next(((unit, name) for unit, name in ((1e6, "MHz"), (1e3, "kHz")) if abs(value) >= unit), (1.0, "Hz"))
    return f"{value / unit:{'+' if sign else ''}.4g} {name}"


def share(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.2g} %"
