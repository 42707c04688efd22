# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole link in one flowgraph: image in, received image and figures out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gnuradio import gr

from .. import schemes, semcom_python
from ..blocks.compiled import symbol_channel
from ..blocks.image_quality import image_quality
from ..blocks.image_sink import image_sink
from ..blocks.image_source import image_source
from ..blocks.jscc_decoder import jscc_decoder
from ..blocks.jscc_encoder import jscc_encoder
from ..blocks.sam_segmenter import EMPTY, sam_segmenter
from ..blocks.task_quality import task_quality
from ..blocks.worker import worker_block
from ..burst import check_size
from ..channel import symbol
from ..errors import BadInput
from ..image import io, metrics
from ..schemes import Options, Region, Scheme
from ..segment import join_prompts, parse_prompt, validate
from ..segment.backends import DEFAULT
from ..zoo import weights
from . import waveform_channel
from .transceiver import GAP, receiver, transmitter

SAMPLE_RATE = 1e6  # samples a second at the waveform level
MULTIPATH_RATE = 7.68e6  # of LTE at 5 MHz, which the multipath profiles are made for


@dataclass(frozen=True)
class LoopbackSettings:
    """A link, and the scheme that is sent over it.

    Attributes
    ----------
    image : Path
        Photograph to send.
    out : Path
        Folder for the pictures.
    scheme : str or Scheme
        A name of the registry, or a scheme of one's own.
    options : mapping or Options
        Of the scheme.
    snr_db : float
        Es/N0, dB.
    channel : str
        "awgn", "rayleigh" or "rician"; at waveform level also a multipath profile.
    csi : str
        Channel knowledge at symbol level, of ``channel.symbol.CSI``.
    k_factor_db : float
        Rician K, dB.
    rate : float or None
        k/n; None for the scheme's own.
    prompts : tuple of str
        Text forms of the prompts that define the region of interest.
    roi : str
        What is done with it, of :data:`~..schemes.TREATMENTS`.
    background : float
        Importance of what is outside the region, 0 to 1, with ``roi`` "power" and "layers"; with "skip" it is 0.
    levels : bool
        Whether each prompt is a region of its own, of which the first counts most and each further one half as much.
    empty : str
        What is sent where the prompts find nothing and the region matters, of :data:`~.sam_segmenter.EMPTY`.
    sam : str
        Which Segment Anything Model follows the prompts, see :class:`~.sam_segmenter.sam_segmenter`.
    seed : int
        Of fading and noise, 0 to 2^32 - 1.
    tasks : tuple of str
        Of :data:`~..image.quality.TASKS`, done on the region of interest, or else on all objects that are seen.
    psnr, ms_ssim, st_lpips : bool
        Whether these are measured: PSNR and ROI-PSNR, MS-SSIM, ST-LPIPS.
    level : str
        "symbol" or "waveform".
    doppler, cfo : float
        Hz, at waveform level only.
    sfo : float
        Parts per million, at waveform level only.
    """

    image: Path
    out: Path
    scheme: str | Scheme = schemes.USUAL_SCHEME
    options: Mapping[str, Any] | Options = field(default_factory=dict)
    snr_db: float = 10.0
    channel: str = "awgn"
    csi: str = "ideal"
    k_factor_db: float = 10.0
    rate: float | None = None
    prompts: tuple[str, ...] = ()
    roi: str = "whole"
    background: float = 0.1
    levels: bool = False
    empty: str = "refuse"
    sam: str = DEFAULT
    seed: int = 0
    psnr: bool = True
    ms_ssim: bool = True
    st_lpips: bool = True
    tasks: tuple[str, ...] = ()
    level: str = "symbol"
    doppler: float = 0.0
    cfo: float = 0.0
    sfo: float = 0.0

    @property
    def region(self) -> Region:
        """The region of interest, and what the scheme makes of it."""
        return Region(self.prompts, self.roi, self.background, self.levels).implied(schemes.get(self.scheme))

    def checked(self) -> tuple[Scheme, dict[str, Any]]:
        """The scheme and its options by name.

        Raises
        ------
        BadInput
            Settings that do not go together.
        """
        if self.empty not in EMPTY:
            raise BadInput(f"{self.empty} is not known; choose {', '.join(EMPTY)}", field="empty")
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"must be a whole number from 0 to 2^32 - 1, got {self.seed}", field="seed")
        scheme = schemes.get(self.scheme)
        options = dict(self.options) if isinstance(self.options, Mapping) else vars(self.options)
        options = self.region.options(scheme, options)
        if any(item.name == "sam" for item in fields(scheme.Options)):
            options.setdefault("sam", self.sam)
        elif self.sam != DEFAULT and not self.prompts:
            raise BadInput(f"{self.sam} is not used without prompts; give one, such as point:220,150", field="sam")
        return scheme, options


class loopback(gr.top_block):
    """Image Source -> [SAM Segmenter] -> encoder -> channel -> decoder -> Image Quality -> Image Sink.

    At symbol level JSCC Encoder, Symbol Channel and JSCC Decoder; at waveform level Transmitter, Waveform Channel and
    Receiver, whose channel knowledge is from the pilots of the bursts.

    Raises
    ------
    BadInput
        Settings that do not go together, each named in a sentence.
    """

    def __init__(self, settings: LoopbackSettings):
        gr.top_block.__init__(self, "Loopback", catch_exceptions=True)
        self.settings, self._region = settings, settings.region
        self.scheme, self._options = settings.checked()
        # what is wrong with the photograph or the prompts is said before anything runs
        height, width = io.load(settings.image).shape[:2]
        check_size(height, width, self.scheme.name, self.scheme.max_pixels)
        validate([parse_prompt(text) for text in settings.prompts], height, width)
        # loaded here, so that what is missing is said before anything runs and no stage's time includes it
        made = self.scheme.options(self._options)
        self.weights = self.scheme.load(made)
        self.scheme.check_rate(settings.rate, made)
        source = image_source(str(settings.image), 1, 1)
        self.workers: dict[str, worker_block] = {}
        self._segmenter: sam_segmenter | None = None
        link = self._symbol_link if settings.level == "symbol" else self._waveform_link
        sender, receiving = link()
        if settings.level == "waveform":
            self.msg_connect(receiving, "idle", source, "idle")
            self.msg_connect(sender, "failed", source, "ack")
        self.quality = image_quality(bool(settings.prompts), settings.ms_ssim, settings.st_lpips, settings.psnr)
        titles = ["original", "overlay", "received"] if settings.prompts else ["original", "received"]
        self.sink = image_sink(str(settings.out), tuple(titles))
        self.tasks = task_quality(settings.tasks, bool(settings.prompts)) if settings.tasks else None
        self.workers |= {"assess": self.quality} | ({"tasks": self.tasks} if self.tasks else {}) | {"write": self.sink}
        for worker in self.workers.values():
            # the report says what went wrong
            worker.logs_failures = False
        self._encoder = self.workers["encode"]

        self.msg_connect(source, "image", self.sink, "in0")
        coder_input = (source, "image")
        if settings.prompts:
            coder_input = self._segment(source, sender)
        self.msg_connect(*coder_input, sender, "image")
        self.msg_connect(*coder_input, self.quality, "reference")
        self.msg_connect(receiving, "image", self.quality, "received")
        assessed = self.quality
        if self.tasks is not None:
            self.weights |= self.tasks.load()
            self.msg_connect(*coder_input, self.tasks, "reference")
            self.msg_connect(self.quality, "image", self.tasks, "received")
            assessed = self.tasks
        self.msg_connect(assessed, "image", self.sink, f"in{len(titles) - 1}")
        self.msg_connect(self.sink, "ack", source, "ack")
        if settings.st_lpips:
            self.weights |= {weights.find("stlpips_alex").name: weights.sha256("stlpips_alex")}

    def _segment(self, source: image_source, sender: gr.basic_block) -> tuple[gr.basic_block, str]:
        """Put a segmenter in front; the block and port that the coder takes its image from."""
        # what is only measured does not hold up what is sent
        empty = "send" if self._region.roi == "whole" else self.settings.empty
        prompts = join_prompts(self.settings.prompts)
        segmenter = sam_segmenter(prompts, empty=empty, levels=self.settings.levels, sam=self.settings.sam)
        segmenter.logs_failures = False
        self._segmenter = segmenter
        self.weights |= segmenter.load()
        self.workers = {"segment": segmenter} | self.workers
        self.msg_connect(source, "image", segmenter, "image")
        self.msg_connect(segmenter, "overlay", self.sink, "in1")
        self.msg_connect(segmenter, "mask", self.quality, "mask")
        if self.tasks is not None:
            self.msg_connect(segmenter, "mask", self.tasks, "mask")
        if self._region.weighed:
            self.msg_connect(segmenter, "mask", sender, "mask")
        return (segmenter, "roi") if self._region.roi == "masked" else (source, "image")

    def _coding(self) -> dict[str, Any]:
        """What encoder and transmitter are given."""
        settings = self.settings
        return {
            "scheme": self.scheme,
            "rate": settings.rate or 0.0,
            "snr_db": settings.snr_db,
            "use_mask": self._region.weighed,
            "background": self._region.outside,
            "options": self._options,
            # over multipath the fades of a burst are averaged by its subcarriers
            "channel": settings.channel if settings.channel in symbol.MODELS else "awgn",
            # the same samples at every run of the same seed
            "transmission": settings.seed % 256,
        }

    def _symbol_link(self) -> tuple[gr.basic_block, gr.basic_block]:
        settings = self.settings
        encoder = jscc_encoder(**self._coding())
        decoder = jscc_decoder(self.scheme, settings.snr_db, max_pixels=io.MAX_PIXELS)
        channel = symbol_channel(
            model=settings.channel,
            snr_db=settings.snr_db,
            csi=settings.csi,
            k_factor_db=settings.k_factor_db,
            seed=settings.seed,
        )
        self.workers |= {"encode": encoder, "decode": decoder}
        self.msg_connect(encoder, "symbols", channel, "symbols")
        self.msg_connect(channel, "symbols", decoder, "symbols")
        return encoder, decoder

    def _waveform_link(self) -> tuple[gr.basic_block, gr.basic_block]:
        settings = self.settings
        # longer symbols where echoes are long: the prefix must cover them
        multipath = settings.channel in waveform_channel.PROFILES
        params = semcom_python.ofdm_params(fft_len=512) if multipath else semcom_python.ofdm_params()
        samp_rate = MULTIPATH_RATE if multipath else SAMPLE_RATE
        self.frame = semcom_python.ofdm_frame(params)
        sender = transmitter(**self._coding(), params=params)
        receiving = receiver(self.scheme, params=params, samp_rate=samp_rate, max_pixels=io.MAX_PIXELS)
        self.workers |= {"encode": sender.encoder, "decode": receiving.decoder}
        air = waveform_channel.waveform_channel(
            samp_rate,
            fading="none" if settings.channel == "awgn" else settings.channel,
            doppler=settings.doppler,
            k_factor_db=settings.k_factor_db,
            cfo=settings.cfo,
            sfo_ppm=settings.sfo,
            seed=settings.seed,
            snr_db=settings.snr_db,
            params=params,
        )
        self.connect(sender, air, receiving)
        return sender, receiving

    def _air_uses(self, result: dict) -> int | None:
        """Channel uses on the air: at waveform level with preambles, headers, pilots, prefixes and the gaps between."""
        if self.settings.level == "symbol" or "groups" not in result:
            return result.get("air_uses")
        sizes = [tuple(map(int, group.split("x"))) for group in result["groups"].split(",")]
        gap = GAP * self.frame.air_uses(1) / self.frame.burst_samples(1)
        return round(sum(count * (self.frame.air_uses(length) + gap) for count, length in sizes))

    def _psnr_of_original(self, images: Mapping[str, str]) -> float | None:
        """The PSNR of the received picture against the whole photograph."""
        if not self.settings.psnr or not {"original", "received"} <= images.keys():
            return None
        return metrics.psnr(*(io.load(Path(images[title])) for title in ("original", "received")))

    def measure(self) -> dict:
        """Run to the end; the contract's object, ``error`` beside it when no picture arrived."""
        begun = time.perf_counter()
        self.run()
        total = time.perf_counter() - begun
        settings = self.settings
        nothing = {"error": self._encoder.failure or "the flowgraph ended without a picture"}
        result = self.sink.results[0] if self.sink.results else nothing
        values = 3 * result.get("height", 0) * result.get("width", 0)
        uses, air = result.get("payload_uses"), self._air_uses(result)
        seconds = {stage: round(block.seconds, 4) for stage, block in self.workers.items()} | {"total": round(total, 4)}
        report = {
            "scheme": self.scheme.name,
            "level": settings.level,
            "channel": settings.channel,
            "csi": settings.csi if settings.level == "symbol" else "pilot",
            "roi": self._region.roi,
            "snr_db": settings.snr_db,
            "snr_measured_db": result.get("snr_db"),
            "psnr_db": result.get("psnr_db"),
            "roi_psnr_db": result.get("roi_psnr_db"),
            "ms_ssim": result.get("ms_ssim"),
            "roi_ms_ssim": result.get("roi_ms_ssim"),
            "st_lpips": result.get("st_lpips"),
            "roi_st_lpips": result.get("roi_st_lpips"),
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
        if self._region.roi == "masked":
            # the figures above are against what was sent, which is black outside the region
            report["psnr_original_db"] = self._psnr_of_original(report["images"])
        report |= {task: result.get(task) for task in settings.tasks}
        if self._segmenter is not None:
            report["roi_found"] = not self._segmenter.found_nothing
            report |= {"roi_share": result.get("share"), "roi_predicted_iou": result.get("score")}
        return report | {key: result[key] for key in ("caption", "error") if key in result}
