# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole link in one flowgraph: image in, received image and figures out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from gnuradio import gr

from .. import digital, jscc, semcom_python
from ..blocks.digital_decoder import digital_decoder
from ..blocks.digital_encoder import digital_encoder
from ..blocks.esisc_decoder import esisc_decoder
from ..blocks.esisc_encoder import esisc_encoder
from ..blocks.image_codec_decoder import image_codec_decoder
from ..blocks.image_codec_encoder import image_codec_encoder
from ..blocks.image_quality import image_quality
from ..blocks.image_sink import image_sink
from ..blocks.image_source import image_source
from ..blocks.jscc_decoder import jscc_decoder
from ..blocks.jscc_encoder import jscc_encoder
from ..blocks.link_adapter import link_adapter
from ..blocks.sam_segmenter import sam_segmenter
from ..blocks.worker import worker_block
from ..digital.coder import USUAL_RATE
from ..errors import BadInput
from ..image import io
from ..segment import parse_prompt, validate
from ..zoo import weights
from . import waveform_channel
from .digital_transceiver import picture_receiver, picture_transmitter
from .jscc_transceiver import jscc_receiver, jscc_transmitter
from .scene_transceiver import scene_receiver, scene_transmitter

ROI = ("whole", "masked", "power")
SAMPLE_RATE = 1e6  # samples a second at the waveform level
MULTIPATH_RATE = 7.68e6  # of LTE at 5 MHz, which the multipath profiles are made for


@dataclass(frozen=True)
class LoopbackSettings:
    """What ``semcom loopback`` can set; units as in DESIGN section 6.

    level : "symbol" or "waveform".
    doppler, cfo : Hz; sfo : ppm; waveform level only.

    background : importance of what is outside the ROI, 0 to 1, with ``roi`` "power".
    codec, mcs : of scheme "digital": a key of ``semcom.codec.CODECS``, and the index of an MCS or None for the one that
        the link adapter chooses for the SNR and the channel.
    budget, boundaries, captioner : of scheme "esisc", as of the ES-ISC Encoder; the prompts say what its sub-images
        show.
    variant : of the weights; None takes "original", and "masked" for samsc with ``roi`` "masked".
    k_factor_db : Rician K.
    """

    image: Path
    out: Path
    scheme: str = "softcast"
    snr_db: float = 10.0
    channel: str = "awgn"
    csi: str = "ideal"
    k_factor_db: float = 10.0
    rate: float | None = None
    prompts: tuple[str, ...] = ()
    roi: str = "whole"
    background: float = 0.1
    variant: str | None = None
    codec: str = "avif"
    mcs: int | None = None
    budget: int = 5000
    boundaries: bool = True
    captioner: str = "composed"
    seed: int = 0
    st_lpips: bool = True
    level: str = "symbol"
    doppler: float = 0.0
    cfo: float = 0.0
    sfo: float = 0.0


class loopback(gr.top_block):
    """Image Source -> [SAM Segmenter] -> coder -> channel -> decoder -> Image Quality -> Image Sink.

    At symbol level JSCC Encoder, Symbol Channel and JSCC Decoder; at waveform level JSCC Transmitter, Waveform
    Channel and JSCC Receiver, whose channel knowledge comes from the pilots of the bursts. Scheme "digital" puts Link
    Adapter and Image Codec Encoder in front of Digital Encoder or Transmitter, and an Image Codec Decoder behind.

    Raises
    ------
    BadInput : settings that do not go together, each named in a sentence.
    """

    def __init__(self, settings: LoopbackSettings):
        gr.top_block.__init__(self, "Loopback", catch_exceptions=True)
        if settings.roi not in ROI:
            raise BadInput(f"--roi {settings.roi} is not part of this version yet; choose {', '.join(ROI)}")
        if settings.roi != "whole" and not settings.prompts:
            raise BadInput(f"--roi {settings.roi} needs a --prompt that says what matters, such as point:220,150")
        if settings.roi == "power" and settings.scheme != "semcom":
            raise BadInput(f"--roi power is of scheme semcom; {settings.scheme} treats all pixels alike")
        if settings.roi != "whole" and settings.scheme == "esisc":
            raise BadInput("--roi is not of scheme esisc, whose sub-images are what the prompts say; leave it out")
        # what is wrong with the photograph or the prompts is said before anything runs
        height, width = io.load(settings.image).shape[:2]
        jscc.check_size(height, width, settings.scheme)
        prompts = [parse_prompt(text) for text in settings.prompts]
        validate(prompts, height, width)
        self.settings = settings
        variant = settings.variant or (
            "masked" if settings.roi == "masked" and settings.scheme == "samsc" else "original"
        )
        source = image_source(str(settings.image), 1, 1)
        self.workers: dict[str, worker_block] = {}
        self.weights: dict[str, str] = {}
        if settings.scheme not in ("digital", "esisc"):
            # loaded here, so that what is missing is said before anything runs and no stage's time includes it
            self.weights = dict(jscc.coder(settings.scheme, variant).weights)
        link = self._symbol_link if settings.level == "symbol" else self._waveform_link
        transmitter, receiver = link(variant)
        if settings.level == "waveform":
            self.msg_connect(receiver, "idle", source, "idle")
            self.msg_connect(transmitter, "failed", source, "ack")
        self.quality = image_quality(bool(settings.prompts), True, settings.st_lpips)
        titles = ["original", "overlay", "received"] if settings.prompts else ["original", "received"]
        if settings.scheme == "esisc":
            self.weights |= self.workers["describe"].load()
        self.sink = image_sink(str(settings.out), tuple(titles))
        self.workers |= {"assess": self.quality, "write": self.sink}

        self.msg_connect(source, "image", self.sink, "in0")
        coder_input = (source, "image")
        if settings.prompts:
            segmenter = sam_segmenter(";".join(settings.prompts))
            self.weights |= segmenter.load()
            self.workers = {"segment": segmenter} | self.workers
            self.msg_connect(source, "image", segmenter, "image")
            self.msg_connect(segmenter, "overlay", self.sink, "in1")
            self.msg_connect(segmenter, "mask", self.quality, "mask")
            if settings.roi == "masked":
                coder_input = (segmenter, "roi")
            elif settings.roi == "power":
                self.msg_connect(segmenter, "mask", transmitter, "mask")
        self.msg_connect(*coder_input, transmitter, "image")
        self.msg_connect(*coder_input, self.quality, "reference")
        self.msg_connect(receiver, "image", self.quality, "received")
        self.msg_connect(self.quality, "image", self.sink, f"in{len(titles) - 1}")
        self.msg_connect(self.sink, "ack", source, "ack")
        if settings.st_lpips:
            self.weights |= {weights.find("stlpips_alex").name: weights.sha256("stlpips_alex")}

    def _link(self) -> digital.Link:
        """What the link adapter of scheme ``digital`` reckons with."""
        settings = self.settings
        # over multipath the fades of a burst are averaged by its subcarriers
        fading = settings.channel if settings.channel in digital.CHANNELS else "awgn"
        return digital.Link(settings.rate or USUAL_RATE, settings.mcs, fading)

    def _scene(self) -> dict:
        """Settings of the ES-ISC Encoder."""
        settings = self.settings
        return {
            "prompts": ";".join(settings.prompts),
            "budget": settings.budget,
            "boundaries": settings.boundaries,
            "captioner": settings.captioner,
        }

    def _symbol_link(self, variant: str) -> tuple[gr.basic_block, gr.basic_block]:
        settings = self.settings
        if settings.scheme == "esisc":
            encoder, decoder = digital_encoder(), digital_decoder("esisc", settings.snr_db)
            first, last = esisc_encoder(**self._scene()), esisc_decoder()
            self.workers |= {"describe": first, "rebuild": last}
            self.msg_connect(first, "bytes", encoder, "bytes")
            self.msg_connect(decoder, "part", last, "bytes")
            self.msg_connect(decoder, "bytes", last, "bytes")
        elif settings.scheme == "digital":
            encoder, decoder = digital_encoder(), digital_decoder("digital", settings.snr_db)
            link, compress, decompress = self._link(), image_codec_encoder(settings.codec), image_codec_decoder()
            first = link_adapter(
                link.rate, -1 if link.mcs is None else link.mcs, settings.snr_db, link.channel, link.loss
            )
            last = decompress
            self.workers |= {"compress": compress, "decompress": decompress}
            self.msg_connect(first, "image", compress, "image")
            self.msg_connect(compress, "bytes", encoder, "bytes")
            self.msg_connect(decoder, "bytes", decompress, "bytes")
        else:
            encoder = first = jscc_encoder(
                settings.scheme,
                settings.rate or 0.0,
                settings.snr_db,
                variant,
                settings.roi == "power",
                settings.background,
            )
            decoder = last = jscc_decoder(settings.scheme, settings.snr_db, variant)
        channel = semcom_python.symbol_channel(
            model=settings.channel,
            snr_db=settings.snr_db,
            csi=settings.csi,
            k_factor_db=settings.k_factor_db,
            seed=settings.seed,
        )
        self.workers |= {"encode": encoder, "decode": decoder}
        self.msg_connect(encoder, "symbols", channel, "symbols")
        self.msg_connect(channel, "symbols", decoder, "symbols")
        return first, last

    def _waveform_link(self, variant: str) -> tuple[gr.basic_block, gr.basic_block]:
        settings = self.settings
        # longer symbols where echoes are long: the prefix must cover them
        multipath = settings.channel in waveform_channel.PROFILES
        params = semcom_python.ofdm_params(fft_len=512) if multipath else semcom_python.ofdm_params()
        samp_rate = MULTIPATH_RATE if multipath else SAMPLE_RATE
        self.frame = semcom_python.ofdm_frame(params)
        if settings.scheme == "esisc":
            transmitter = scene_transmitter(self._scene(), params)
            receiver = scene_receiver(params, samp_rate)
            self.workers |= {"describe": transmitter.codec, "rebuild": receiver.codec}
        elif settings.scheme == "digital":
            transmitter = picture_transmitter(self._link(), settings.codec, settings.snr_db, params)
            receiver = picture_receiver(params, samp_rate)
            self.workers |= {"compress": transmitter.codec, "decompress": receiver.codec}
        else:
            transmitter = jscc_transmitter(
                settings.scheme,
                settings.rate or 0.0,
                settings.snr_db,
                variant,
                params,
                use_mask=settings.roi == "power",
                background=settings.background,
            )
            receiver = jscc_receiver(settings.scheme, variant, params, samp_rate)
        self.workers |= {"encode": transmitter.encoder, "decode": receiver.decoder}
        air = waveform_channel.waveform_channel(
            samp_rate,
            self.frame.noise_voltage(settings.snr_db, 1.0),
            "none" if settings.channel == "awgn" else settings.channel,
            settings.doppler,
            settings.k_factor_db,
            settings.cfo,
            settings.sfo,
            seed=settings.seed,
        )
        self.connect(transmitter, air, receiver)
        return transmitter, receiver

    def _air_uses(self, result: dict) -> int | None:
        """Channel uses on the air: at waveform level with preambles, headers, pilots and prefixes."""
        if self.settings.level == "symbol" or "payload_uses" not in result:
            return result.get("air_uses")
        if "groups" in result:
            sizes = [tuple(map(int, group.split("x"))) for group in result["groups"].split(",")]
            return round(sum(count * self.frame.air_uses(length) for count, length in sizes))
        total, count = result["payload_uses"], result["fragments"]
        # the bursts of a digital message are equally long, those of an analogue image to within one symbol
        return round(sum(self.frame.air_uses(jscc.fragment_length(total, count, i)) for i in range(count)))

    def measure(self) -> dict:
        """Run to the end; the contract's object, ``error`` beside it when no picture came."""
        begun = time.perf_counter()
        self.run()
        total = time.perf_counter() - begun
        settings = self.settings
        result = self.sink.results[0] if self.sink.results else {"error": "the flowgraph ended without a picture"}
        values = 3 * result.get("height", 0) * result.get("width", 0)
        uses, air = result.get("payload_uses"), self._air_uses(result)
        seconds = {stage: round(block.seconds, 4) for stage, block in self.workers.items()} | {"total": round(total, 4)}
        report = {
            "scheme": settings.scheme,
            "level": settings.level,
            "channel": settings.channel,
            "csi": settings.csi if settings.level == "symbol" else "pilot",
            "roi": settings.roi,
            "snr_db": settings.snr_db,
            "snr_measured_db": result.get("snr_db"),
            "psnr_db": result.get("psnr_db"),
            "roi_psnr_db": result.get("roi_psnr_db"),
            "ms_ssim": result.get("ms_ssim"),
            "st_lpips": result.get("st_lpips"),
            "payload_uses": uses,
            "air_uses": air,
            "payload_kn": uses / values if uses and values else None,
            "air_kn": air / values if air and values else None,
            "bytes": result.get("bytes"),
            "fragments": result.get("fragments"),
            "lost": result.get("lost"),
            "seconds": seconds,
            "weights": self.weights,
            "images": result.get("images", {}),
        }
        return report | {key: result[key] for key in ("caption", "error") if key in result}
