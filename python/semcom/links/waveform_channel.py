# SPDX-License-Identifier: GPL-3.0-or-later
"""Waveform Channel: what a radio does to a signal, from GNU Radio's own blocks."""

from __future__ import annotations

import math

import numpy as np
from gnuradio import analog, blocks, channels, gr
from gnuradio import filter as gr_filter

from .. import values
from ..blocks.base import live_hier_block
from ..blocks.live import live
from ..errors import BadInput
from ..semcom_python import ofdm_frame, ofdm_params

MAX_SNR_DB = 100.0
MAX_VOLTAGE = 1e9  # of noise; its square is still a number in single precision

# Excess tap delays (ns) and relative powers (dB): two equal rays, and 3GPP TS 36.101 annex B.2
PROFILES = {
    "two-ray": ((0, 1000), (0.0, 0.0)),
    "epa": ((0, 30, 70, 90, 110, 190, 410), (0.0, -1.0, -2.0, -3.0, -8.0, -17.2, -20.8)),
    "eva": ((0, 30, 150, 310, 370, 710, 1090, 1730, 2510), (0.0, -1.5, -1.4, -3.6, -0.6, -9.1, -7.0, -12.0, -16.9)),
    "etu": ((0, 50, 120, 200, 230, 500, 1600, 2300, 5000), (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, -3.0, -5.0, -7.0)),
}
FADING = ("none", "rayleigh", "rician", *PROFILES)


class waveform_channel(live_hier_block):
    """Fading, offsets, oscillator and front-end faults, and calibrated noise, in the order a signal meets them."""

    def __init__(
        self,
        samp_rate: float = 1e6,
        noise_voltage: float = 0.0,
        fading: str = "none",
        doppler: float = 0.0,
        k_factor_db: float = 10.0,
        cfo: float = 0.0,
        sfo_ppm: float = 0.0,
        linewidth: float = 0.0,
        iq_db: float = 0.0,
        iq_deg: float = 0.0,
        clip: float = 0.0,
        seed: int = 0,
        snr_db: float | None = None,
        amplitude: float = 1.0,
        params: ofdm_params | None = None,
    ):
        """Make the block.

        ::

            in -> clipping -> fading -> sampling offset -> carrier offset -> phase noise -> + noise
               -> IQ imbalance -> out

        Noise is set by its voltage, or by the Es/N0 of bursts of a known amplitude.

        Tags do not pass: a receiver in the same flowgraph must find the bursts by itself.

        Parameters
        ----------
        samp_rate : float
            Samples a second.
        noise_voltage : float
            Standard deviation of the whole complex noise, per sample; counts where no ``snr_db`` is given.
        fading : str
            "none", "rayleigh" or "rician" (flat), "two-ray", "epa", "eva" or "etu" (multipath, 3GPP TS 36.101 annex
            B.2; every tap Rayleigh). Mean power gain 1.
        doppler : float
            Maximum Doppler shift, Hz. 0 keeps one draw for the whole run.
        k_factor_db : float
            Rician K, dB.
        cfo : float
            Carrier offset, Hz.
        sfo_ppm : float
            Sampling clock offset, parts per million.
        linewidth : float
            Of the oscillator's phase noise (a Wiener process), Hz.
        iq_db, iq_deg : float
            Gain and phase imbalance of the quadrature mixer.
        clip : float
            Amplitude at which the power amplifier clips; 0 for a linear one.
        seed : int
            Of fading and noise.
        snr_db : float, optional
            Es/N0 of each carrier of a burst, dB, where the channel's mean power gain is 1: the noise follows from it,
            from ``amplitude`` and from ``params``.
        amplitude : float
            Root mean square of the samples of a burst, as the Transmitter has it.
        params : ofdm_params, optional
            Of the bursts, as the Transmitter has them; the usual ones by default.

        Raises
        ------
        BadInput
            A parameter out of range.

        Notes
        -----
        Ports: in and out complex samples; out message ``status`` (a sentence about each value that a setter refused
        while running).
        """
        signature = gr.io_signature(1, 1, gr.sizeof_gr_complex)
        live_hier_block.__init__(self, "Waveform Channel", signature, signature)
        if fading not in FADING:
            raise BadInput(f"there is no fading {fading}; choose {', '.join(FADING)}")
        if not samp_rate > 0:
            raise BadInput(f"a sample rate of {samp_rate} makes no sense; give samples a second")
        if not (noise_voltage >= 0 and doppler >= 0 and linewidth >= 0 and clip >= 0):
            raise BadInput("noise voltage, Doppler, linewidth and clipping level must be 0 or more")
        if not abs(sfo_ppm) <= 1000:
            raise BadInput("the sampling offset must be within 1000 ppm")
        self._samp_rate = samp_rate
        chain = [self]
        if clip:
            # GNU Radio has no complex clipper: the rail works on magnitude and phase
            chain.append(_clipper(clip))
        self._fading = None
        if fading != "none":
            chain.append(self._fader(fading, doppler, k_factor_db, seed))
        if sfo_ppm:
            chain.append(_clock(sfo_ppm))
        self._rotator = blocks.rotator_cc()
        self.speak_through(self._rotator)
        self.set_cfo(cfo)
        chain.append(self._rotator)
        if linewidth:
            chain.append(_phase_noise(2 * math.pi * linewidth / samp_rate, seed + 1))
        self._noise = analog.noise_source_c(analog.GR_GAUSSIAN, noise_voltage, seed + 2)
        self._voltage, self._snr_db, self._amplitude = noise_voltage, None, 1.0
        self._frame = ofdm_frame(params or ofdm_params())
        self.set_amplitude(amplitude)
        self.set_snr_db(snr_db)
        self._add = blocks.add_cc()
        chain.append(self._add)
        if iq_db or iq_deg:
            chain.append(channels.iqbal_gen(iq_db, iq_deg, 0))
        gate = blocks.tag_gate(gr.sizeof_gr_complex, False)
        self.connect(*chain, gate, self)
        self.connect(self._noise, (self._add, 1))

    def _fader(self, fading: str, doppler: float, k_factor_db: float, seed: int):
        # fDTs of 0 would divide by zero inside; so slow a fade stands still over any run
        rate = max(doppler / self._samp_rate, 1e-12)
        sinusoids, taps = 8, 16
        if fading in ("rayleigh", "rician"):
            k = 10 ** (k_factor_db / 10)
            self._fading = channels.fading_model(sinusoids, rate, fading == "rician", k, seed + 3)
            return self._fading
        delays, powers = PROFILES[fading]
        delays = np.array(delays) * 1e-9 * self._samp_rate
        gains = 10 ** (np.array(powers) / 20)
        # the block does not normalise: without this the profile itself would change the SNR
        gains = gains / math.sqrt(np.sum(gains**2))
        taps = max(taps, math.ceil(delays.max()) + 8)
        self._fading = channels.selective_fading_model(
            sinusoids, rate, False, 4.0, seed + 3, list(map(float, delays)), list(map(float, gains)), taps
        )
        return self._fading

    def noise_voltage(self) -> float:
        """Standard deviation of the whole complex noise that is added, per sample."""
        if self._snr_db is None:
            return self._voltage
        return self._frame.noise_voltage(self._snr_db, self._amplitude**2)

    def snr_db(self) -> float | None:
        """Es/N0, dB; None where the noise voltage counts."""
        return self._snr_db

    @live
    def set_noise_voltage(self, noise_voltage: float) -> None:
        """Change the noise while running; it counts where there is no Es/N0."""
        self._voltage = values.number(noise_voltage, "noise_voltage", 0, MAX_VOLTAGE)
        self._noise.set_amplitude(self.noise_voltage())

    @live
    def set_snr_db(self, snr_db: float | None) -> None:
        """Change the Es/N0, dB, while running; None lets the noise voltage count."""
        self._snr_db = None if snr_db is None else values.number(snr_db, "snr_db", -MAX_SNR_DB, MAX_SNR_DB)
        self._noise.set_amplitude(self.noise_voltage())

    @live
    def set_amplitude(self, amplitude: float) -> None:
        """Change the amplitude of the bursts that the Es/N0 is that of, while running."""
        self._amplitude = values.number(amplitude, "amplitude", 0, MAX_VOLTAGE, above=True)
        self._noise.set_amplitude(self.noise_voltage())

    @live
    def set_cfo(self, cfo: float) -> None:
        """Change the carrier offset, Hz, while running."""
        if abs(values.number(cfo, "cfo")) > self._samp_rate / 2:
            raise BadInput(f"must be within half the rate, got {values.shown(cfo)}", field="cfo")
        self._rotator.set_phase_inc(2 * math.pi * cfo / self._samp_rate)

    @live
    def set_doppler(self, doppler: float) -> None:
        """Change the maximum Doppler shift, Hz, while running, where there is fading."""
        shift = values.number(doppler, "doppler", 0, self._samp_rate / 2)
        if self._fading is not None:
            self._fading.set_fDTs(max(shift / self._samp_rate, 1e-12))


def _clock(sfo_ppm: float) -> gr.basic_block:
    """A resampler whose distortion, below -60 dB up to 0.45 of the rate, no receiver hears.

    GNU Radio's MMSE interpolator is made for signals below a quarter of the rate, and OFDM without oversampling has
    carriers up to 0.42 of it.
    """
    phases, half = 32, 32
    instants = np.arange(-half * phases, half * phases + 1) / phases
    taps = np.sinc(instants) * np.kaiser(len(instants), 8.0)
    return gr_filter.pfb_arb_resampler_ccf(1 / (1 + sfo_ppm * 1e-6), taps.tolist(), phases)


class _clipper(gr.hier_block2):
    """Limits the magnitude and keeps the phase (ideal soft limiter)."""

    def __init__(self, level: float):
        signature = gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Clipper", signature, signature)
        split, join = blocks.complex_to_magphase(1), blocks.magphase_to_complex(1)
        self.connect(self, split)
        self.connect((split, 0), analog.rail_ff(0.0, level), (join, 0))
        self.connect((split, 1), (join, 1))
        self.connect(join, self)


class _phase_noise(gr.hier_block2):
    """Multiplies with exp(j phi), phi a random walk: a Lorentzian line (Demir et al., 2000)."""

    def __init__(self, variance: float, seed: int):
        signature = gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Phase Noise", signature, signature)
        steps = analog.noise_source_f(analog.GR_GAUSSIAN, math.sqrt(variance), seed)
        walk = gr_filter.iir_filter_ffd([1.0], [1.0, 1.0], True)
        turn = blocks.multiply_cc()
        phase = blocks.magphase_to_complex(1)
        one = analog.sig_source_f(1, analog.GR_CONST_WAVE, 0, 0, 1.0)
        self.connect(steps, walk, (phase, 1))
        self.connect(one, (phase, 0))
        self.connect(self, turn, self)
        self.connect(phase, (turn, 1))
