# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Transmitter and Digital Receiver: bytes in, samples out; samples in, bytes out."""

from __future__ import annotations

from gnuradio import gr

from .. import semcom_python as native
from ..blocks.digital_decoder import digital_decoder
from ..blocks.digital_encoder import digital_encoder
from .jscc_transceiver import idle_samples, trailer_samples


class digital_transmitter(gr.hier_block2):
    """Digital Encoder and Burst Modulator.

    Parameters
    ----------
    mcs : as :class:`~..blocks.digital_encoder.digital_encoder`.
    params : ``semcom.ofdm_params`` of the waveform.
    amplitude : root mean square of the samples of a burst.
    continuous : zeros whenever there is nothing to send, for hardware; otherwise bursts only, each message followed by
        as much silence as makes the receiver deliver what it has.

    Ports: in messages ``bytes``; out complex samples, messages ``symbols`` (what is sent) and ``failed``.
    """

    def __init__(
        self,
        mcs: int = 4,
        params: native.ofdm_params | None = None,
        amplitude: float = 1.0,
        continuous: bool = False,
    ):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Digital Transmitter", none, one)
        params = params or native.ofdm_params()
        self.encoder = digital_encoder(mcs)
        self.modulator = native.burst_modulator(params, amplitude, 256, continuous, trailer_samples(params))
        self.message_port_register_hier_in("bytes")
        for port in ("symbols", "failed"):
            self.message_port_register_hier_out(port)
        self.msg_connect(self, "bytes", self.encoder, "bytes")
        self.msg_connect(self.encoder, "symbols", self.modulator, "symbols")
        self.msg_connect(self.encoder, "symbols", self, "symbols")
        self.msg_connect(self.encoder, "failed", self, "failed")
        self.connect(self.modulator, self)

    def set_mcs(self, mcs: int) -> None:
        """Change the MCS while running."""
        self.encoder.set_mcs(mcs)

    def set_amplitude(self, amplitude: float) -> None:
        """Change the amplitude while running."""
        self.modulator.set_amplitude(amplitude)


class digital_receiver(gr.hier_block2):
    """Burst Demodulator and Digital Decoder.

    Parameters
    ----------
    scheme : as :class:`~..blocks.digital_decoder.digital_decoder`.
    params : as the transmitter's.
    samp_rate : samples a second; scales the reported carrier offset.

    Ports: in complex samples; out messages ``bytes``, ``symbols`` (equalised, for a constellation), ``idle`` (for the
    Image Source of a loopback).
    """

    def __init__(self, scheme: str = "digital", params: native.ofdm_params | None = None, samp_rate: float = 1e6):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Digital Receiver", one, none)
        params = params or native.ofdm_params()
        self.demodulator = native.burst_demodulator(params, samp_rate, idle_samples(params))
        self.decoder = digital_decoder(scheme)
        for port in ("bytes", "symbols", "idle"):
            self.message_port_register_hier_out(port)
        self.connect(self, self.demodulator)
        self.msg_connect(self.demodulator, "symbols", self.decoder, "symbols")
        self.msg_connect(self.demodulator, "symbols", self, "symbols")
        self.msg_connect(self.demodulator, "idle", self.decoder, "flush")
        self.msg_connect(self.decoder, "bytes", self, "bytes")
        self.msg_connect(self.decoder, "idle", self, "idle")
