# SPDX-License-Identifier: GPL-3.0-or-later
"""Transmitter and Receiver: image in, samples out; samples in, image out; for every scheme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gnuradio import gr

from .. import semcom_python as native
from ..blocks.base import live_hier_block
from ..blocks.compiled import burst_demodulator, burst_modulator
from ..blocks.decoded import PORTS, VIEWS
from ..blocks.jscc_decoder import jscc_decoder
from ..blocks.jscc_encoder import jscc_encoder
from ..blocks.live import live
from ..schemes import AUTO, USUAL_PIXELS, USUAL_SCHEME, Scheme

MAX_WAITING = 32  # bursts at the decoder; beyond that the receiver takes no more samples
IDLE_BURSTS = 16  # an image is given up when so many of the longest bursts would have fitted into the silence
GAP = 256  # zero samples between bursts


def idle_samples(params: native.ofdm_params) -> int:
    """Samples of silence after which a receiver counts the channel as idle."""
    return IDLE_BURSTS * native.ofdm_frame(params).burst_samples(4096)


def trailer_samples(params: native.ofdm_params) -> int:
    """Samples of silence after an image that make the receiver deliver what it has."""
    # it looks back two of the longest bursts before it calls the channel idle
    return idle_samples(params) * (IDLE_BURSTS + 4) // IDLE_BURSTS


class transmitter(live_hier_block):
    """JSCC Encoder and Burst Modulator: images in, samples out, by any scheme."""

    def __init__(
        self,
        scheme: str | Scheme = USUAL_SCHEME,
        rate: float = 0.0,
        snr_db: float = 10.0,
        variant: str = "",
        params: native.ofdm_params | None = None,
        amplitude: float = 1.0,
        continuous: bool = False,
        use_mask: bool = False,
        background: float = 0.1,
        options: Mapping[str, Any] | None = None,
        channel: str = "awgn",
        transmission: int = -1,
        key: str = "",
    ):
        """Make the block.

        Parameters
        ----------
        scheme : str or Scheme
            As of :class:`~..blocks.jscc_encoder.jscc_encoder`, as are the others that concern coding.
        rate, snr_db : float
            Conditions of the encoder.
        variant : str
            Of the weights.
        params : ofdm_params, optional
            Of the waveform.
        amplitude : float
            Root mean square of the samples of a burst.
        continuous : bool
            Zeros whenever there is nothing to send, for hardware; otherwise bursts only, each image followed by as much
            silence as makes the receiver deliver what it has.
        use_mask : bool
            The mask of each image arrives as well.
        background : float
            Importance of the pixels outside the mask.
        options : mapping, optional
            Further options of the scheme, by name.
        channel : str
            Fading of each burst that a choice of MCS reckons with.
        transmission : int
            Number of this run in the headers, 0 to 255; -1 draws one.
        key : str
            Key file with which bursts are sealed; empty for none.

        Notes
        -----
        Ports: in messages ``image`` and ``mask``; out complex samples, messages ``symbols`` (what is sent), ``bytes``
        and ``failed`` and ``status`` (as of the JSCC Encoder) and ``sent`` (as of the Burst Modulator). Connect
        ``failed`` to the ``ack`` of the Image Source, and ``sent`` as well where no receiver is in the flowgraph.
        """
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        live_hier_block.__init__(self, "Transmitter", none, one)
        params = params or native.ofdm_params()
        self.encoder = jscc_encoder(
            scheme, rate, snr_db, variant, use_mask, background, options, channel, transmission, key
        )
        self.modulator = burst_modulator(params, amplitude, GAP, continuous, trailer_samples(params))
        for port in ("image", "mask"):
            self.message_port_register_hier_in(port)
        for port in ("symbols", "bytes", "failed", "sent"):
            self.message_port_register_hier_out(port)
        self.msg_connect(self, "image", self.encoder, "image")
        self.msg_connect(self, "mask", self.encoder, "mask")
        self.msg_connect(self.encoder, "symbols", self.modulator, "symbols")
        self.msg_connect(self.encoder, "symbols", self, "symbols")
        for port in ("bytes", "failed", "status"):
            self.msg_connect(self.encoder, port, self, port)
        self.msg_connect(self.modulator, "sent", self, "sent")
        self.speak_through(self.modulator)
        self.connect(self.modulator, self)

    @live
    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 that the encoder reckons with, in dB, while running."""
        self.encoder.set_snr_db(snr_db)

    @live
    def set_rate(self, rate: float) -> None:
        """Change k/n while running; 0 for the scheme's own."""
        self.encoder.set_rate(rate)

    @live
    def set_background(self, background: float) -> None:
        """Change the importance outside the mask while running."""
        self.encoder.set_background(background)

    @live
    def set_options(self, **options: Any) -> None:
        """Change options of the scheme while running."""
        self.encoder.set_options(**options)

    @live
    def set_amplitude(self, amplitude: float) -> None:
        """Change the amplitude while running."""
        self.modulator.set_amplitude(amplitude)


class receiver(gr.hier_block2):
    """Burst Demodulator and JSCC Decoder: samples in, images out, of whatever scheme they are."""

    def __init__(
        self,
        scheme: str | Scheme = AUTO,
        variant: str = AUTO,
        params: native.ofdm_params | None = None,
        samp_rate: float = 1e6,
        max_pixels: int = USUAL_PIXELS,
        swap_iq: bool = False,
        key: str = "",
    ):
        """Make the block.

        While many bursts wait at the decoder no more samples are taken: what feeds the receiver holds back, or drops.

        Parameters
        ----------
        scheme, variant : str
            As of :class:`~..blocks.jscc_decoder.jscc_decoder`: "auto" takes what the bursts say.
        params : ofdm_params, optional
            As the transmitter's.
        samp_rate : float
            Samples a second; scales the reported carrier offset.
        max_pixels : int
            Larger images are refused, see the JSCC Decoder.
        swap_iq : bool
            The radio delivers I as Q and Q as I.
        key : str
            Key file: bursts that are not sealed with it are dropped. Empty for none.

        Notes
        -----
        Ports: in complex samples; out messages ``image``, ``text``, ``labels``, ``segments``, ``part``, ``text_view``,
        ``labels_view``, ``segments_view``, ``status`` (as of the JSCC Decoder and the Burst Demodulator), ``symbols``
        (equalised, for a constellation) and ``idle`` (for the Image Source of a loopback).
        """
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "Receiver", one, none)
        params = params or native.ofdm_params()
        self.demodulator = burst_demodulator(params, samp_rate, idle_samples(params), MAX_WAITING, swap_iq)
        taken = self.demodulator.taken
        self.decoder = jscc_decoder(scheme, 10.0, variant, taken=taken, max_pixels=max_pixels, key=key)
        outputs = ("image", *PORTS, *VIEWS, "part", "idle", "status")
        for port in (*outputs, "symbols"):
            self.message_port_register_hier_out(port)
        self.connect(self, self.demodulator)
        self.msg_connect(self.demodulator, "symbols", self.decoder, "symbols")
        self.msg_connect(self.demodulator, "symbols", self, "symbols")
        self.msg_connect(self.demodulator, "idle", self.decoder, "flush")
        self.msg_connect(self.demodulator, "status", self, "status")
        for port in outputs:
            self.msg_connect(self.decoder, port, self, port)

    def put(self, bursts: int) -> None:
        """A picture that waits further on counts as so many bursts at the decoder until it is taken."""
        self.demodulator.put(bursts)

    def taken(self, bursts: int) -> None:
        """It has been dealt with."""
        self.demodulator.taken(bursts)

    def samples(self) -> int:
        """Samples taken so far."""
        return self.demodulator.samples()

    def waiting(self) -> int:
        """Bursts that the decoder has not dealt with yet."""
        return self.demodulator.waiting()
