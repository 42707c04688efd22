# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene Transmitter and Scene Receiver: what a JSCC Transmitter and Receiver are, for scheme ``esisc``."""

from __future__ import annotations

from gnuradio import gr

from .. import semcom_python as native
from ..blocks.esisc_decoder import esisc_decoder
from ..blocks.esisc_encoder import esisc_encoder
from .digital_transceiver import digital_receiver, digital_transmitter


class scene_transmitter(gr.hier_block2):
    """ES-ISC Encoder and Digital Transmitter.

    Parameters
    ----------
    encoder : settings of the ES-ISC Encoder, by name.
    params, amplitude, continuous : as of the Digital Transmitter.

    Ports: in messages ``image``; out complex samples, messages ``bytes`` (the scenes), ``symbols`` (what is sent),
    ``failed`` and ``sent``.
    """

    def __init__(
        self,
        encoder: dict | None = None,
        params: native.ofdm_params | None = None,
        amplitude: float = 1.0,
        continuous: bool = False,
    ):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Scene Transmitter", none, one)
        self.codec = esisc_encoder(**(encoder or {}))
        self.transmitter = digital_transmitter(params=params, amplitude=amplitude, continuous=continuous)
        self.encoder = self.transmitter.encoder
        self.message_port_register_hier_in("image")
        for port in ("bytes", "symbols", "failed", "sent"):
            self.message_port_register_hier_out(port)
        self.msg_connect(self, "image", self.codec, "image")
        self.msg_connect(self.codec, "bytes", self.transmitter, "bytes")
        self.msg_connect(self.codec, "bytes", self, "bytes")
        self.msg_connect(self.transmitter, "symbols", self, "symbols")
        # the Digital Transmitter passes on what the encoder could not do
        self.msg_connect(self.transmitter, "failed", self, "failed")
        self.msg_connect(self.transmitter, "sent", self, "sent")
        self.connect(self.transmitter, self)

    def set_prompts(self, prompts: str) -> None:
        """Change what the sub-images show while running."""
        self.codec.set_prompts(prompts)

    def set_budget(self, budget: int) -> None:
        """Change the bytes of a scene while running."""
        self.codec.set_budget(budget)

    def set_amplitude(self, amplitude: float) -> None:
        """Change the amplitude while running."""
        self.transmitter.set_amplitude(amplitude)


class scene_receiver(gr.hier_block2):
    """Digital Receiver and ES-ISC Decoder.

    Parameters
    ----------
    params, samp_rate : as of the Digital Receiver.

    Ports: in complex samples; out messages ``image``, ``text``, ``labels``, ``segments``, ``text_view``,
    ``labels_view``, ``segments_view`` (as of the ES-ISC Decoder), ``symbols``, ``idle``.
    """

    def __init__(self, params: native.ofdm_params | None = None, samp_rate: float = 1e6):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Scene Receiver", one, none)
        self.receiver = digital_receiver("esisc", params, samp_rate)
        self.codec = esisc_decoder()
        self.decoder = self.receiver.decoder
        ports = ("image", "text", "labels", "segments", "text_view", "labels_view", "segments_view")
        for port in (*ports, "symbols", "idle"):
            self.message_port_register_hier_out(port)
        self.connect(self, self.receiver)
        for port in ("part", "bytes"):
            self.msg_connect(self.receiver, port, self.codec, "bytes")
        for port in ports:
            self.msg_connect(self.codec, port, self, port)
        self.msg_connect(self.receiver, "symbols", self, "symbols")
        # through the decoder, so that nobody hears of silence before the picture that came ahead of it
        self.msg_connect(self.receiver, "idle", self.codec, "idle")
        self.msg_connect(self.codec, "idle", self, "idle")
        self.put, self.taken = self.receiver.put, self.receiver.taken
        self.samples, self.waiting = self.receiver.samples, self.receiver.waiting
