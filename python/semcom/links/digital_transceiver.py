# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital Transmitter and Digital Receiver: bytes in, samples out; samples in, bytes out."""

from __future__ import annotations

from gnuradio import gr

from .. import semcom_python as native
from ..blocks.digital_decoder import digital_decoder
from ..blocks.digital_encoder import digital_encoder
from ..blocks.image_codec_decoder import image_codec_decoder
from ..blocks.image_codec_encoder import image_codec_encoder
from ..blocks.link_adapter import link_adapter
from ..digital import Link
from .jscc_transceiver import burst_decoder, trailer_samples


class digital_transmitter(gr.hier_block2):
    """Digital Encoder and Burst Modulator.

    Parameters
    ----------
    mcs : as :class:`~..blocks.digital_encoder.digital_encoder`.
    params : ``semcom.ofdm_params`` of the waveform.
    amplitude : root mean square of the samples of a burst.
    continuous : zeros whenever there is nothing to send, for hardware; otherwise bursts only, each message followed by
        as much silence as makes the receiver deliver what it has.

    Ports: in messages ``bytes``; out complex samples, messages ``symbols`` (what is sent), ``failed`` (as of
    the Digital Encoder) and ``sent`` (as of the Burst Modulator). Connect ``failed`` to the ``ack`` of the Image
    Source, and ``sent`` as well where no receiver is in the flowgraph.
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
        for port in ("symbols", "failed", "sent"):
            self.message_port_register_hier_out(port)
        self.msg_connect(self, "bytes", self.encoder, "bytes")
        self.msg_connect(self.encoder, "symbols", self.modulator, "symbols")
        self.msg_connect(self.encoder, "symbols", self, "symbols")
        self.msg_connect(self.encoder, "failed", self, "failed")
        self.msg_connect(self.modulator, "sent", self, "sent")
        self.connect(self.modulator, self)

    def set_mcs(self, mcs: int) -> None:
        """Change the MCS while running."""
        self.encoder.set_mcs(mcs)

    def set_amplitude(self, amplitude: float) -> None:
        """Change the amplitude while running."""
        self.modulator.set_amplitude(amplitude)


class digital_receiver(burst_decoder):
    """Burst Demodulator and Digital Decoder.

    Parameters
    ----------
    scheme : as :class:`~..blocks.digital_decoder.digital_decoder`.
    params : as the transmitter's.
    samp_rate : samples a second; scales the reported carrier offset.

    Ports: in complex samples; out messages ``bytes``, ``part`` (as of the Digital Decoder), ``symbols`` (equalised, for
    a constellation), ``idle`` (for the Image Source of a loopback).
    """

    def __init__(self, scheme: str = "digital", params: native.ofdm_params | None = None, samp_rate: float = 1e6):
        burst_decoder.__init__(
            self,
            "Digital Receiver",
            "bytes",
            lambda taken: digital_decoder(scheme, taken=taken),
            params,
            samp_rate,
        )
        self.message_port_register_hier_out("part")
        self.msg_connect(self.decoder, "part", self, "part")


class picture_transmitter(gr.hier_block2):
    """Link Adapter, Image Codec Encoder and Digital Transmitter: what a JSCC Transmitter is for scheme ``digital``.

    Parameters
    ----------
    link : rate, MCS, and what the link adapter reckons with.
    codec : a key of ``semcom.codec.CODECS``.
    snr_db : Es/N0 that the link adapter reckons with, dB.
    params, amplitude, continuous : as of the Digital Transmitter.

    Ports: in messages ``image``; out complex samples, messages ``failed`` and ``sent``.
    """

    def __init__(
        self,
        link: Link,
        codec: str = "avif",
        snr_db: float = 10.0,
        params: native.ofdm_params | None = None,
        amplitude: float = 1.0,
        continuous: bool = False,
    ):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Picture Transmitter", none, one)
        self.adapter = link_adapter(link.rate, -1 if link.mcs is None else link.mcs, snr_db, link.channel, link.loss)
        self.codec = image_codec_encoder(codec)
        self.transmitter = digital_transmitter(params=params, amplitude=amplitude, continuous=continuous)
        self.encoder = self.transmitter.encoder
        self.message_port_register_hier_in("image")
        for port in ("failed", "sent"):
            self.message_port_register_hier_out(port)
        self.msg_connect(self, "image", self.adapter, "image")
        self.msg_connect(self.adapter, "image", self.codec, "image")
        self.msg_connect(self.codec, "bytes", self.transmitter, "bytes")
        # the Digital Transmitter passes on what the codec could not do
        self.msg_connect(self.transmitter, "failed", self, "failed")
        self.msg_connect(self.transmitter, "sent", self, "sent")
        self.connect(self.transmitter, self)


class picture_receiver(gr.hier_block2):
    """Digital Receiver and Image Codec Decoder: what a JSCC Receiver is for scheme ``digital``.

    Parameters
    ----------
    params, samp_rate : as of the Digital Receiver.

    Ports: in complex samples; out messages ``image``, ``symbols``, ``idle``.
    """

    def __init__(self, params: native.ofdm_params | None = None, samp_rate: float = 1e6):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Picture Receiver", one, none)
        self.receiver = digital_receiver("digital", params, samp_rate)
        self.codec = image_codec_decoder()
        self.decoder = self.receiver.decoder
        for port in ("image", "symbols", "idle"):
            self.message_port_register_hier_out(port)
        self.connect(self, self.receiver)
        self.msg_connect(self.receiver, "bytes", self.codec, "bytes")
        self.msg_connect(self.codec, "image", self, "image")
        self.msg_connect(self.receiver, "symbols", self, "symbols")
        # through the codec, so that nobody hears of silence before the picture that came ahead of it
        self.msg_connect(self.receiver, "idle", self.codec, "idle")
        self.msg_connect(self.codec, "idle", self, "idle")
        self.put, self.taken = self.receiver.put, self.receiver.taken
        self.samples, self.waiting = self.receiver.samples, self.receiver.waiting
