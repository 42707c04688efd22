# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver that tells what it hears, in place of pictures."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from .. import keys
from .. import semcom_python as native
from ..blocks.probe_sink import probe_sink
from ..probe import Findings
from .ends import FrontEnd, _end, listening
from .radio import is_radio, parse_via

PATIENCE = 5.0  # seconds without a sample after which no more are waited for


@dataclass(frozen=True)
class Heard:
    """What a radio, a socket or a recording gave.

    Attributes
    ----------
    findings : Findings
        What the samples tell.
    sample_rate : float
        Samples a second.
    frequency : float or None
        Centre frequency, Hz; None where it is not known.
    wanted : int
        Samples that were asked for; 0 for all of a recording.
    max_cfo : float
        Largest carrier offset of bursts that are received, cycles per sample.
    others : tuple of (int, int)
        FFT length and oversampling of waveforms of which there are bursts, where there are none of the waveform that
        was looked for.
    """

    findings: Findings
    sample_rate: float
    frequency: float | None
    wanted: int
    max_cfo: float
    others: tuple[tuple[int, int], ...]


class probing_end(_end):
    """Radio Source -> Probe Sink.

    Parameters
    ----------
    front : FrontEnd
        Where the samples are from.
    params : ofdm_params
        The waveform of the bursts that are looked for.
    seconds : float or None
        How much is looked at, in samples; None for all of a recording, and two seconds of anything else.

    Raises
    ------
    BadInput, Missing
        What cannot be, in a sentence.
    """

    def __init__(self, front: FrontEnd, params: native.ofdm_params, seconds: float | None = None):
        _end.__init__(self, "Probing end", [], {})
        self._params, self._swap_iq = params, front.swap_iq
        self._recording = parse_via(front.via)[0] == "sigmf"
        source = listening(front)
        self._rate = source.samp_rate
        self._frequency = front.frequency if is_radio(front.via) else source.recorded_at
        if self._recording and seconds is None:
            self._wanted = 0
        else:
            self._wanted = max(1, round((2.0 if seconds is None else seconds) * self._rate))
        self._sink = probe_sink(params, self._wanted, front.swap_iq, keys.given(front.key))
        self.connect(source, self._sink)
        self._watch(source, self._sink)

    def listen(self) -> Heard | None:
        """Run, until there was enough, nothing arrives any more, or Ctrl-C.

        Returns
        -------
        Heard or None
            None where no sample arrived.

        Raises
        ------
        Ended
            A block has died.
        """
        samples, since = 0, time.monotonic()
        with closing(self._events(PATIENCE / 20)) as events:
            for _ in events:
                if self._sink.probe.samples != samples:
                    samples, since = self._sink.probe.samples, time.monotonic()
                if self._wanted and samples >= self._wanted:
                    break
                if not self._recording and time.monotonic() - since >= PATIENCE:
                    break
        if self._sink.probe.samples == 0:
            return None
        findings = self._sink.probe.findings()
        max_cfo = self._params.max_cfo / (self._params.fft_len * self._params.oversampling)
        others = () if findings.bursts.count or findings.bursts.swapped else self._others()
        return Heard(findings, self._rate, self._frequency, self._wanted, max_cfo, others)

    def _others(self) -> tuple[tuple[int, int], ...]:
        """Waveforms of which there are bursts among the first samples."""
        samples, found = np.concatenate(self._sink.first), []
        for fft_len in (64, 128, 256, 512):
            for oversampling in (1, 2, 4, 8):
                frame = native.ofdm_frame(native.ofdm_params(fft_len=fft_len, oversampling=oversampling))
                receiver = native.burst_receiver(frame)
                if receiver.work(samples) or receiver.counters["swapped"]:
                    found.append((fft_len, oversampling))
        return tuple(found)
