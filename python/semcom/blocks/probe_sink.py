# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples into a Probe."""

from __future__ import annotations

import numpy as np
from gnuradio import gr

from .. import semcom_python as native
from ..burst.seal import Seal
from ..keys import Key
from ..probe import Probe
from .base import STATUS, kept_block

KEPT = 2**20
"""First samples that are kept."""


class probe_sink(kept_block, gr.sync_block):
    """Looks at complex samples, and ends the flowgraph when it has seen enough.

    Parameters
    ----------
    params : ofdm_params
        The waveform of the bursts that are looked for.
    most : int
        Samples that are enough; 0 for all of a recording.
    swap_iq : bool
        The radio delivers I as Q and Q as I.
    key : Key or None
        What sealed bursts are tried with.

    Attributes
    ----------
    probe : Probe
        What was found.
    first : list of complex64 [N]
        The first samples, about ``KEPT`` of them.

    Notes
    -----
    Ports: in complex samples; out message ``status``.
    """

    def __init__(self, params: native.ofdm_params, most: int = 0, swap_iq: bool = False, key: Key | None = None):
        gr.sync_block.__init__(self, name="Probe Sink", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(STATUS)
        self.probe = Probe(native.burst_receiver(native.ofdm_frame(params)), Seal(key) if key else None)
        self.first: list[np.ndarray] = []
        self._most, self._swap_iq = most, swap_iq

    def work(self, input_items: list, output_items: list) -> int:
        """All that there is, up to the last sample that is wanted."""
        seen, samples = self.probe.samples, input_items[0]
        if self._most:
            samples = samples[: self._most - seen]
        if len(samples) == 0:
            return -1
        # i + j q of swapped I and Q is j times the conjugate
        samples = samples.conj() if self._swap_iq else samples
        if seen < KEPT:
            self.first.append(samples.copy())
        self.probe.take(samples)
        return len(samples)
