#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes of ES-ISC over the waveform: how many of their sections come through fading and noise, and what is seen then.

    python benchmarks/scene_link.py --images DIR --out results/scene_link.json

The first ``COUNT`` images of the folder, stretched to 512x512, are encoded once. Each run is a flowgraph of its own:
Digital Encoder, Burst Modulator, Waveform Channel (AWGN; or Rayleigh, flat, of ``DOPPLER``), Burst Demodulator and
Digital Decoder. ``adapted`` is the protection that the encoder chooses for channel and SNR, ``fixed`` MCS 0, 2 and 4
over 4 bursts. ``--cache`` is a folder of partitions, as of ``boundaries.py``; without it SAM makes them.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, semcom
from gnuradio.semcom import digital, scene
from gnuradio.semcom.blocks import pdu
from gnuradio.semcom.blocks.worker import worker_block
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.links.loopback import SAMPLE_RATE
from gnuradio.semcom.links.transceiver import GAP, MAX_WAITING, idle_samples, trailer_samples
from gnuradio.semcom.scene.coding import container
from gnuradio.semcom.segment import Sam
from gnuradio.semcom.zoo import weights

from common import Journal, arguments, commit, write
from common.images import SIDE, cut, stretched

COUNT = 20
SNRS_DB = (0.0, 5.0, 10.0)
CHANNELS = ("awgn", "rayleigh")
SEEDS = (1, 2)
DOPPLER = 20.0  # Hz
PATIENCE = 300  # seconds for a run
LEVELS = ("text, A-seg, boxes", "colours, B-seg", "S-img")
FIXED = scene.Protection(0, 2, 4, 4)


class Sent:
    """An image and its scene, ready to be sent."""

    def __init__(self, path: Path, cache_folder: Path, sam):
        self.name, self.pixels = path.stem, stretched(path)
        kept = cache_folder / f"{path.stem}.png"
        segments, _ = cut(None if kept.exists() else sam(), path, kept)
        self._scene = scene.SemanticEncoder(cut=lambda _: segments).encode(self.pixels)
        self.names = Counter(section.name for section in scene.sections(self._scene))
        self._psnr = cache(self._psnr_of)
        self.protect(FIXED)

    def protect(self, protection: scene.Protection) -> None:
        """From now on send it so."""
        self.parts = scene.parts(self._scene, protection)
        self.data = b"".join(part.data for part in self.parts)
        # the burst lengths are those of the encoder, at whatever number the scene is sent
        made = [digital.part_bursts(part, part=number) for number, part in enumerate(self.parts)]
        self.bursts = [span for bursts in made for span, _ in bursts]
        self.part_of = [number for number, bursts in enumerate(made) for _ in bursts]

    def pdu(self, number: int) -> pmt.pmt_base:
        """As the ES-ISC Encoder publishes it."""
        keys = {"image_id": number, "name": self.name, "scheme": 5, "height": SIDE, "width": SIDE}
        return pdu.from_bytes(self.data, keys | {"plan": digital.plan_text(self.parts)})

    def psnr(self, data: bytes) -> float | None:
        """Of the picture that a receiver makes of so much of the scene, dB; None when it has no size."""
        return self._psnr(data)

    def _psnr_of(self, data: bytes) -> float | None:
        came = scene.decode_scene(data).scene
        if (came.height, came.width) != self.pixels.shape[:2]:
            return None
        return metrics.psnr(self.pixels, scene.reconstruct(came))

    def stages(self) -> dict[str, float]:
        """PSNR of the picture as one part after the other comes, dB."""
        came = scene.decode_scene(self.data).scene
        pictures = {
            "text, A-seg, boxes": replace(came, colours=None, segments=None, details=None, sub_images=()),
            "and colours": replace(came, segments=None, details=None, sub_images=()),
            "and B-seg (S-img lost)": replace(came, sub_images=()),
            "everything": came,
        }
        return {name: metrics.psnr(self.pixels, scene.reconstruct(part)) for name, part in pictures.items()}


class feeder(worker_block):
    """Publishes bytes PDUs, the next when the one before has left the modulator; ``done`` is set after the last."""

    signal_ports = ("sent",)

    def __init__(self, messages: list[pmt.pmt_base]):
        worker_block.__init__(self, "feeder", ["sent"], [])
        self.message_port_register_out(pmt.intern("bytes"))
        self._messages = iter(messages)
        self.done = threading.Event()

    def start(self) -> bool:
        """Called by the scheduler."""
        worker_block.start(self)
        self._queue.put(("sent", pmt.PMT_NIL))
        return True

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One scene has been sent."""
        following = next(self._messages, None)
        if following is None:
            self.done.set()
        else:
            self.publish("bytes", following)


def run(scenes: list[Sent], channel: str, snr_db: float, seed: int) -> dict[int, tuple[bytes, dict]]:
    """All scenes over one channel: number of each of which something came -> bytes and metadata."""
    params = semcom.ofdm_params()
    frame = semcom.ofdm_frame(params)
    feed = feeder([sent.pdu(number) for number, sent in enumerate(scenes)])
    encoder = semcom.digital_encoder()
    modulator = semcom.burst_modulator(params, 1.0, GAP, False, trailer_samples(params))
    demodulator = semcom.burst_demodulator(params, SAMPLE_RATE, idle_samples(params), MAX_WAITING)
    decoder = semcom.digital_decoder("esisc", taken=demodulator.taken)
    fading = "none" if channel == "awgn" else channel
    noise = frame.noise_voltage(snr_db, 1.0)
    air = semcom.waveform_channel(SAMPLE_RATE, noise, fading, DOPPLER, seed=100 * seed)
    got = {}

    def keep(port: str, msg: pmt.pmt_base) -> None:
        meta = pdu.meta_of(msg)
        if port == "bytes" and "error" not in meta:
            got[meta["image_id"]] = (pdu.to_bytes(msg), meta)

    # what is delivered as the flowgraph stops would not reach another block
    decoder.publish = keep
    tb = gr.top_block()
    tb.connect(modulator, air, demodulator)
    tb.msg_connect(feed, "bytes", encoder, "bytes")
    tb.msg_connect(encoder, "symbols", modulator, "symbols")
    tb.msg_connect(modulator, "sent", feed, "sent")
    tb.msg_connect(demodulator, "symbols", decoder, "symbols")
    tb.msg_connect(demodulator, "idle", decoder, "flush")
    longest = frame.burst_samples(4096)
    bursts = sum(frame.burst_samples(span.length) + GAP for sent in scenes for span in sent.bursts)
    samples = bursts + len(scenes) * trailer_samples(params)
    tb.start()
    deadline = time.monotonic() + PATIENCE
    try:
        feed.done.wait(PATIENCE)
        # the silence at the end is longer than what the receiver looks ahead
        while demodulator.samples() < samples - 4 * longest or demodulator.waiting():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{demodulator.samples()} of {samples} samples after {PATIENCE} s")
            time.sleep(0.02)
    finally:
        tb.stop()
        tb.wait()
    return got


def tallied(scenes: list[Sent], runs: list[dict[int, tuple[bytes, dict]]]) -> dict:
    """What came in some runs of one channel."""
    sent_sections, came_sections = Counter(), Counter()
    outcomes, psnr = Counter(), defaultdict(list)
    lost_bursts, measured = 0, []
    for got in runs:
        for number, sent in enumerate(scenes):
            data, meta = got.get(number, (b"", {}))
            lost_bursts += meta.get("lost", len(sent.bursts))
            measured += [meta["snr_db"]] if "snr_db" in meta else []
            found = Counter(section.name for section in scene.decode_scene(data).sections)
            sent_sections += sent.names
            came_sections += found
            outcome = outcome_of(sent.names, found)
            outcomes[outcome] += 1
            if found:
                psnr[outcome].append(sent.psnr(data))
    total = len(runs) * len(scenes)
    return {
        "scenes": total,
        "delivered": {
            name: {"sent": sent_sections[name], "rate": round(came_sections[name] / sent_sections[name], 4)}
            for name in container.NAMES.values()
            if sent_sections[name]
        },
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "psnr_db": {name: rounded(psnr[name]) for name in OUTCOMES[:-1]},
        "bursts_lost": round(lost_bursts / (len(runs) * sum(len(sent.bursts) for sent in scenes)), 4),
        "snr_measured_db": round(float(np.mean(measured)), 2) if measured else None,
    }


OUTCOMES = ("everything", "all but S-img", "all but some of S-img", "S-img without B-seg", "semantics alone",
            "other", "nothing")  # fmt: skip
SEMANTICS = ("text", "A-seg", "boxes")


def outcome_of(sent: Counter, found: Counter) -> str:
    """In words, which of ``OUTCOMES`` it is."""
    missing = sent - found
    if not found:
        return "nothing"
    if not missing:
        return "everything"
    if set(missing) == {"S-img"}:
        return "all but some of S-img" if found["S-img"] else "all but S-img"
    if any(name in missing for name in SEMANTICS):
        return "other"
    return "S-img without B-seg" if found["S-img"] else "semantics alone"


def rounded(values: list[float | None]) -> float | None:
    """The mean of those that there are."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 2) if known else None


def air_uses(scenes: list[Sent]) -> dict:
    """Mean channel uses of a scene, with preambles, headers, pilots and prefixes, by part."""
    frame = semcom.ofdm_frame(semcom.ofdm_params())
    uses = np.zeros(len(LEVELS))
    seconds = 0.0
    for sent in scenes:
        for part, span in zip(sent.part_of, sent.bursts, strict=True):
            uses[part] += frame.air_uses(span.length) / len(scenes)
            seconds += (frame.burst_samples(span.length) + GAP) / SAMPLE_RATE / len(scenes)
    return {
        "by_part": dict(zip(LEVELS, uses.round().astype(int).tolist(), strict=True)),
        "all": round(float(uses.sum())),
        "per_source_value": round(float(uses.sum()) / (3 * SIDE * SIDE), 4),
        "bursts": round(float(np.mean([len(sent.bursts) for sent in scenes])), 1),
        "seconds_on_the_air": round(seconds, 4),
        "fades_in_them": round(seconds * DOPPLER, 2),
    }


def main() -> None:
    """Run and write the JSON."""
    parser = arguments(__doc__, smoke=True, journal=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="folder of the images' partitions")
    parser.add_argument("--count", type=int, default=COUNT)
    args = parser.parse_args()
    begun = time.perf_counter()
    files = io.listed(args.images)[: args.count]
    with tempfile.TemporaryDirectory() as folder:
        sam = cache(Sam)
        scenes = [Sent(path, args.cache or Path(folder), sam) for path in files]
    sys.stderr.write(f"{len(scenes)} scenes encoded in {time.perf_counter() - begun:.0f} s\n")
    stages = [sent.stages() for sent in scenes]
    rows = []
    journal = Journal(args.journal, str(commit()), args.images.name, str(len(scenes)))
    seeds = SEEDS[:1] if args.smoke else SEEDS
    for channel in CHANNELS:
        for snr_db in SNRS_DB[-1:] if args.smoke else SNRS_DB:
            for name, protection in (("fixed", FIXED), ("adapted", scene.adapted(snr_db, channel))):
                for sent in scenes:
                    sent.protect(protection)

                def measured(channel: str = channel, snr_db: float = snr_db) -> dict:
                    return tallied(scenes, [run(scenes, channel, snr_db, seed) for seed in seeds])

                place = {"channel": channel, "snr_db": snr_db, "protection": name} | asdict(protection)
                rows.append(place | {"air": air_uses(scenes)} | journal((channel, snr_db, name), measured))
                sys.stderr.write(f"{time.perf_counter() - begun:.0f} s: {rows[-1]}\n")
    report = {
        "images": len(scenes),
        "size": [SIDE, SIDE],
        "runs_of_each": len(seeds),
        "settings": asdict(scene.EncoderSettings()),
        "weights": {weights.find("aseg").name: weights.sha256("aseg")} | Sam().weights,
        "channels": f"AWGN, and flat Rayleigh fading of {DOPPLER:g} Hz at {SAMPLE_RATE / 1e6:g} Msps; snr_db is Es/N0",
        "bytes": round(float(np.mean([len(sent.data) for sent in scenes])), 1),
        "psnr_db_as_parts_come": {name: rounded([stage[name] for stage in stages]) for name in stages[0]},
        "rows": rows,
    }
    seed = f"100 times {' and '.join(map(str, seeds))}"
    write(args.out, report, images=[path.name for path in files], seed=seed, draws=len(seeds))


if __name__ == "__main__":
    main()
